"""Where the tools are and what they run in."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import torch
from warm_start import run_script

from mmssc.fileio import temporary_path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
TOY_CONFIG = HERE / 'toy_config.py'
STREET_CONFIG = HERE / 'street_config.py'
ROOM_CONFIG = HERE / 'room_config.py'
#: Frames of every sequence of the fixture ``streets``.
STREET_FRAMES = [f'{frame:06d}' for frame in range(3)]
#: Option of tools: the drives without labels.
TEST_SPLIT = 'test_dataloader.dataset.ann_file=semantickitti_infos_test.json'

#: The grid of the fixture ``rooms``, for a config of larger ones.
TINY_ROOMS = {'model.voxel_grid.shape': (20, 12, 20), 'model.voxel_grid.voxel_size': 0.24}


def tool_environment() -> dict[str, str]:
    """The environment of a tool: the repository and the toy module are importable."""
    path = os.pathsep.join([str(ROOT), str(HERE), os.environ.get('PYTHONPATH', '')])
    return {
        **os.environ, 'PYTHONPATH': path.rstrip(os.pathsep), 'OMP_NUM_THREADS': '1',
        'PYTHON': sys.executable, 'CUDA_VISIBLE_DEVICES': '-1',
    }  # fmt: skip


def run_tool_in(
    folder: Path, script: str, *args: object, status: int = 0
) -> subprocess.CompletedProcess:
    """Run ``tools/SCRIPT`` from a folder; fails the test on another exit status."""
    done = run_script([ROOT / 'tools' / script, *args], folder, tool_environment())
    assert done.returncode == status, f'{done.stdout[-3000:]}\n{done.stderr[-3000:]}'
    return done


def left_by_killed_process(folder: Path) -> Path:
    """Write the half file of a process that no longer runs."""
    done = subprocess.run(['sh', '-c', 'echo $$'], capture_output=True, text=True, check=True)
    path = temporary_path(folder / 'any')
    path = path.with_name(path.name.replace(f'-{os.getpid()}-', f'-{int(done.stdout)}-'))
    path.write_bytes(b'half')
    return path


def street_options(tree: Path, *more: str) -> list[str]:
    """``--cfg-options`` with the place of the data."""
    loaders = ('train_dataloader', 'val_dataloader', 'test_dataloader')
    return ['--cfg-options', *(f'{name}.dataset.data_root={tree}' for name in loaders), *more]


def room_options(tree: Path, **more: object) -> list[str]:
    """``--cfg-options`` with the place of the data."""
    loaders = ('train_dataloader', 'val_dataloader', 'test_dataloader')
    values = {f'{name}.dataset.data_root': tree for name in loaders} | more
    return ['--cfg-options', *(f'{key}={value}'.replace(' ', '') for key, value in values.items())]


def read_scalars(work_dir: Path) -> list[dict]:
    """Lines of the log of a run that was started once."""
    (path,) = work_dir.glob('*/vis_data/scalars.json')
    return [json.loads(line) for line in path.read_text().splitlines()]


def finite_losses(work_dir: Path) -> list[float]:
    """Losses of such a run in the order of its steps, seen to be finite."""
    losses = [line['loss'] for line in read_scalars(work_dir) if 'loss' in line]
    assert losses and all(map(math.isfinite, losses))
    return losses


def assert_equal_trees(first: object, second: object, path: str = '') -> None:
    """Two parts of checkpoints are equal, bit for bit."""
    assert type(first) is type(second), path
    if isinstance(first, dict):
        assert first.keys() == second.keys(), path
        for key in first:
            assert_equal_trees(first[key], second[key], f'{path}.{key}')
    elif isinstance(first, (list, tuple)):
        assert len(first) == len(second), path
        for number, (one, other) in enumerate(zip(first, second)):
            assert_equal_trees(one, other, f'{path}[{number}]')
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second), path
    else:
        assert first == second, path
