"""The configs of other_mm_projects.md train with the tools that they are for."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from tool_runs import (
    ROOT,
    STREET_FRAMES,
    TINY_ROOMS,
    finite_losses,
    room_options,
    run_tool_in,
    street_options,
    tool_environment,
)

pytestmark = pytest.mark.slow

PAGE = (ROOT / 'docs/en/user_guides/other_mm_projects.md').read_text('utf-8')
CONFIGS = dict(re.findall(r'^```python\n# (\w+\.py)\n(.*?)^```', PAGE, re.MULTILINE | re.DOTALL))
START = re.search(r'^python -c "(.*)" CONFIG CHECKPOINT$', PAGE, re.MULTILINE)[1]
NEEDS_MMDET3D = pytest.mark.skipif(
    find_spec('mmdet3d') is None, reason='mmdet3d is not installed: tools/misc/check_mm_projects.sh'
)


@pytest.fixture(scope='module')
def quick_streets(tmp_path_factory):
    """Streets in the size of the quick start: one sequence to train on, one to validate."""
    folder = tmp_path_factory.mktemp('quick_streets')
    grid = ('--grid-shape', 64, 64, 8, '--voxel-size', 0.8)
    run_tool_in(
        folder, 'dataset_converters/make_synthetic.py', '--out', 'tree', *grid, '--sequences', '00',
        '08', '--frames', len(STREET_FRAMES), '--label-step', 1,
    )  # fmt: skip
    run_tool_in(folder, 'dataset_converters/semantic_kitti.py', 'tree', *grid, '--workers', 1)
    return folder / 'tree'


def train(folder: Path, project: str, name: str, options: list[str], start: str | None) -> None:
    """Train a config of the page for an epoch, and see that it learned and validated."""
    (folder / name).write_text(CONFIGS[name])
    tool = Path(find_spec(project).origin).parent / '.mim/tools/train.py'
    command = [tool] if start is None else ['-c', start.replace('tools/test.py', str(tool))]
    if project == 'mmssc':
        command = ['-m', 'mmssc', 'train']
    done = subprocess.run(
        [sys.executable, *command, name, '--work-dir', 'work', *options], cwd=folder,
        env=tool_environment(), capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, f'{done.stdout[-2000:]}\n{done.stderr[-3000:]}'
    assert 'ssc/SSC_mIoU' in done.stdout
    assert finite_losses(folder / 'work')


FEW = ['train_cfg.max_epochs=1', 'default_hooks.logger.interval=1']
NO_WORKERS = [
    f'{split}_dataloader.{key}'
    for split in ('train', 'val')
    for key in ('num_workers=0', 'persistent_workers=False')
]


def test_mmseg_trains_a_whole_completor(tmp_path, rooms):
    options = [one for one in room_options(rooms, **TINY_ROOMS) if not one.startswith('test_')]
    train(tmp_path, 'mmseg', 'mmseg_rooms.py', [*options, *FEW], None)


@NEEDS_MMDET3D
def test_mmdet3d_trains_a_config_over_one_of_mmssc(tmp_path, quick_streets):
    options = [*street_options(quick_streets), *FEW, *NO_WORKERS]
    train(tmp_path, 'mmdet3d', 'mmdet3d_streets.py', options, START)


@NEEDS_MMDET3D
def test_mmssc_trains_with_a_part_of_mmdet3d(tmp_path, quick_streets):
    options = [*street_options(quick_streets), *FEW, *NO_WORKERS, 'default_scope=mmssc']
    train(tmp_path, 'mmssc', 'mmdet3d_streets.py', options, None)


def test_mmssc_trains_with_a_part_of_mmseg(tmp_path, quick_streets):
    options = [*street_options(quick_streets), *FEW, *NO_WORKERS]
    train(tmp_path, 'mmssc', 'sgn_mmseg.py', options, None)
