"""Running the tools as a user does: in processes of their own, from another folder."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from tool_runs import run_tool_in


@pytest.fixture
def run_tool(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess]:
    """Run ``tools/SCRIPT`` from an empty folder; fails the test on another exit status."""
    return partial(run_tool_in, tmp_path)
