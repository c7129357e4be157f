"""The parity check as a user runs it."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture
def run_tool(
    tool_in_process: Callable[[str], Callable[..., tuple[int, str]]],
) -> Callable[..., tuple[int, str]]:
    """Run ``check_parity.py`` with arguments; returns (exit status, output)."""
    return tool_in_process('analysis_tools/check_parity.py')
