"""Hooks of pytest: a run fails when a test is skipped for a reason that is not allowed.

The environment variable ``MMSSC_ALLOWED_SKIPS`` names the file with the allowed reasons; without it
every skip is allowed. ``tests/conftest.py`` imports the hooks, ``.ci/run`` sets the variable.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

__all__ = ['pytest_sessionfinish', 'pytest_terminal_summary']

VARIABLE = 'MMSSC_ALLOWED_SKIPS'


def forbidden_skips(config: pytest.Config) -> list[str]:
    """``file:line: reason`` of every skip that the list does not allow."""
    file = os.environ.get(VARIABLE)
    reporter = config.pluginmanager.get_plugin('terminalreporter')
    if not file or reporter is None:
        return []
    lines = (line.strip() for line in Path(file).read_text('utf-8').splitlines())
    allowed = [line for line in lines if line and not line.startswith('#')]
    found = set()
    for report in reporter.stats.get('skipped', []):
        path, number, reason = report.longrepr
        reason = reason.removeprefix('Skipped: ')
        if not any(fnmatchcase(reason, pattern) for pattern in allowed):
            found.add(f'{path}:{number}: {reason}')
    return sorted(found)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Give a run with a forbidden skip the status of a failed one."""
    if forbidden_skips(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """List the forbidden skips."""
    found = forbidden_skips(config)
    if found:
        terminalreporter.section(f'skipped, but not allowed by {os.environ[VARIABLE]}')
        terminalreporter.write_line('\n'.join(found))
