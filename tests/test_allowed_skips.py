"""A run fails when a test is skipped for a reason that is not allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ['pytester']

TESTS = Path(__file__).resolve().parent
ALLOWED = TESTS.parent / '.ci/allowed_skips.txt'
CONFTEST = f'import sys\n\nsys.path.insert(0, {str(TESTS)!r})\nfrom allowed_skips import *\n'
SKIPS = {
    'call': "def test_call():\n    pytest.skip({!r})\n",
    'mark': "@pytest.mark.skipif(True, reason={!r})\ndef test_mark():\n    pass\n",
    'module': "pytest.skip({!r}, allow_module_level=True)\n",
}  # fmt: skip


@pytest.fixture
def run(pytester, monkeypatch):
    """Run one passing test and one of SKIPS."""

    def run(kind, reason, *options, allowed=ALLOWED):
        pytester.makeconftest(CONFTEST)
        pytester.makepyfile(test_pass='def test_pass():\n    pass')
        pytester.makepyfile(test_skip='import pytest\n\n' + SKIPS[kind].format(reason))
        if allowed is None:
            monkeypatch.delenv('MMSSC_ALLOWED_SKIPS', raising=False)
        else:
            monkeypatch.setenv('MMSSC_ALLOWED_SKIPS', str(allowed))
        result = pytester.runpytest_inprocess('-p', 'no:hypothesispytest', *options)
        result.assert_outcomes(passed=1, skipped=1)
        return result

    return run


@pytest.mark.parametrize(
    ('kind', 'options'), [('call', ()), ('mark', ()), ('module', ()), ('module', ('-n', '1'))]
)
def test_a_skip_that_is_not_allowed_fails_the_run(run, kind, options):
    result = run(kind, 'no time', *options)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(['*skipped, but not allowed by*', '*test_skip.py:*: no time'])


@pytest.mark.parametrize(
    ('kind', 'reason', 'allowed'),
    [
        ('call', 'set MMSSC_NYU to a folder', ALLOWED),
        ('mark', 'needs a GPU', ALLOWED),
        ('mark', 'no time', None),
    ],
)
def test_other_skips_are_allowed(run, kind, reason, allowed):
    result = run(kind, reason, allowed=allowed)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.no_fnmatch_line('*not allowed*')
