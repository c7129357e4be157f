"""Fixtures of the tests of readers."""

import signal

import pytest


@pytest.fixture
def impatient():
    """A reader that waits for two seconds fails."""

    def stop(*_):
        raise TimeoutError('waited')

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(2)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
