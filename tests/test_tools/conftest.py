"""Running the tools as a user does: in processes of their own, from another folder."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import pytest
from tool_runs import ROOM_CONFIG, STREET_FRAMES, room_options, run_tool_in, street_options

# Fine grid of the labels and grid of the network, 4.8 x 2.88 x 4.8 m.
FINE_ROOMS = ('--grid-shape', 40, 24, 40, '--voxel-size', 0.12, '--image-size', 60, 80)
COARSE_ROOMS = ('--grid-shape', 20, 12, 20, '--voxel-size', 0.24, '--image-size', 60, 80,
          '--fine-factor', 2)  # fmt: skip
STREET_GRID = ('--grid-shape', 64, 64, 8, '--voxel-size', 0.8)


@pytest.fixture
def run_tool(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess]:
    """Run ``tools/SCRIPT`` from an empty folder; fails the test on another exit status."""
    return partial(run_tool_in, tmp_path)


@pytest.fixture(scope='session')
def streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sequences to train on, one to validate, and one of the test split, without labels."""
    folder = tmp_path_factory.mktemp('streets')
    run_tool_in(
        folder, 'dataset_converters/make_synthetic.py', '--out', 'tree', *STREET_GRID,
        '--sequences', '00', '01', '08', '11', '--frames', len(STREET_FRAMES), '--label-step', 1,
        '--frame-step', 3, '--image-size', 48, 160, '--lidar-size', 16, 200,
    )  # fmt: skip
    tree = folder / 'tree'
    for path in (tree / 'dataset/sequences/11/voxels').iterdir():
        if path.suffix != '.bin':
            path.unlink()
    run_tool_in(
        folder, 'dataset_converters/semantic_kitti.py', 'tree', *STREET_GRID, '--workers', 1
    )
    return tree


@pytest.fixture(scope='session')
def train_on_streets(
    streets: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Path], Path]:
    """Train a config once, in one process; gives its work folder."""

    @cache
    def train(config: Path) -> Path:
        folder = tmp_path_factory.mktemp(config.stem)
        run_tool_in(folder, 'train.py', config, '--work-dir', 'run', *street_options(streets))
        return folder / 'run'

    return train


@pytest.fixture(scope='session')
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six rooms to train on and three to test."""
    folder = tmp_path_factory.mktemp('rooms')
    run_tool_in(
        folder, 'dataset_converters/make_synthetic.py', '--layout', 'nyu', '--out', 'tree',
        *FINE_ROOMS, '--frames', 6, 3,
    )  # fmt: skip
    run_tool_in(folder, 'dataset_converters/nyu.py', 'tree', *COARSE_ROOMS)
    return folder / 'tree'


@pytest.fixture(scope='session')
def room_training(rooms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Work folder of two epochs in one process, two samples a batch."""
    folder = tmp_path_factory.mktemp('room_training')
    run_tool_in(folder, 'train.py', ROOM_CONFIG, '--work-dir', 'run', *room_options(rooms))
    return folder / 'run'
