from __future__ import annotations

from pathlib import Path

import pytest
from labelled_drive import write_drive


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A drive of three scans, 2 m apart, with labels and camera poses."""
    write_drive(tmp_path / 'raw')
    return tmp_path / 'raw'
