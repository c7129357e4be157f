"""Every command on a page is right: the tool knows its options, and what needs no data runs."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from doc_pages import PAGES, ROOT, blocks, page_id
from PIL import Image
from warm_start import run_script

from mmssc.formats.sscnet import write_plain_depth_mm
from mmssc.geometry.floor import tilted_camera

#: These tools take seconds to minutes.
SLOW = ('check_parity.py', 'check_release.sh', 'make_synthetic.py', 'print_config.py', 'train.py')
BASH_PAGES = [page for page in PAGES if blocks(page, 'bash')]
PYTHON_PAGES = [page for page in PAGES if blocks(page, 'python')]


@pytest.mark.parametrize('page', BASH_PAGES, ids=page_id)
def test_tools_understand_the_commands(page):
    done = run(ROOT, 'python', ROOT / 'tests/parse_commands.py', page)
    assert (done.returncode, done.stdout) == (0, ''), done.stderr


def test_wrong_commands_are_found(tmp_path):
    page = tmp_path / 'page.md'
    wrong = [
        'python tools/train.py configs/sgn/sgn-T.py --no-such-option',
        'python tools/train.py',
        'python tools/no_such_tool.py',
        'bash tools/dist_test.sh configs/sgn/sgn-T.py sgn-T.pth 2 --format-olny',
        'python tools/train.py configs/sgn/sgn-T.py --cfg-options no_such_key.lr=2',
    ]
    right = ['bash tools/dist_test.sh configs/sgn/sgn-T.py sgn-T.pth 2', 'cd nowhere']
    lines = '\n'.join([*right, *wrong])
    page.write_text(f'```bash\n{lines}\n```\n')
    done = run(ROOT, 'python', ROOT / 'tests/parse_commands.py', page)
    assert done.returncode == 0, done.stderr
    assert all(line in done.stdout for line in wrong)
    assert not any(f': {line}: ' in done.stdout for line in right)
    page.write_text('```bash\nno-such-program --option\n```\n')
    assert 'no-such-program' in run(ROOT, 'python', ROOT / 'tests/parse_commands.py', page).stderr


def _page(page: Path) -> object:
    runs = [block for block in blocks(page, 'bash') if block.runs]
    is_slow = any(tool in block.text for block in runs for tool in SLOW)
    return pytest.param(runs, id=page_id(page), marks=[pytest.mark.slow] if is_slow else [])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder like the root of the repository, with depth images and without data sets."""
    for name in ('checkpoints', 'docs', 'mmssc', 'projects', 'tests', 'tools'):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / 'configs').mkdir()
    for path in (ROOT / 'configs').iterdir():
        (tmp_path / 'configs' / path.name).symlink_to(path)
    depth = room_depth()
    frames = tmp_path / 'my_frames'
    for path in (tmp_path / 'depth.png', frames / 'depth/1.png'):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_plain_depth_mm(path, depth)
    (frames / 'color').mkdir()
    Image.fromarray(np.full((*depth.shape, 3), 90, np.uint8)).save(frames / 'color/1.png')
    return tmp_path


def room_depth() -> np.ndarray:
    """Depth (480, 640) in metres of a floor 1.3 m below the camera and a wall 3 m ahead."""
    pose = tilted_camera(1.3, math.radians(15)).double().numpy()
    row, column = np.mgrid[:480, :640]
    rays = np.stack([(column - 320) / 585, (row - 240) / 585, np.ones(row.shape)], -1)
    rays = rays @ pose[:3, :3].T
    with np.errstate(divide='ignore'):
        floor = np.where(rays[..., 2] < 0, -1.3 / rays[..., 2], np.inf)
        wall = np.where(rays[..., 1] > 0, 3 / rays[..., 1], np.inf)
    depth = np.minimum(floor, wall)
    return np.where(depth < 8, depth, 0)


def run(root: Path, *command: object) -> subprocess.CompletedProcess:
    """Run a command in the folder; ``python`` is the one of the tests."""
    paths = [ROOT, ROOT / 'tests', root, *(ROOT / 'projects').iterdir()]
    environment = {
        **os.environ, 'PYTHONPATH': os.pathsep.join(map(str, paths)), 'OMP_NUM_THREADS': '1',
        'CUDA_VISIBLE_DEVICES': '-1',
        'PATH': f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}',
    }  # fmt: skip
    if command[0] == 'python':
        return run_script(command[1:], root, environment)
    return subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, timeout=900, check=False
    )


@pytest.mark.parametrize(
    'runs',
    [_page(page) for page in BASH_PAGES if any(block.runs for block in blocks(page, 'bash'))],
)
def test_blocks_that_need_nothing_run(runs, root):
    for block in runs:
        done = run(root, 'bash', '-euc', block.text)
        assert done.returncode == 0, f'{block.name}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}'


@pytest.mark.parametrize('page', PYTHON_PAGES, ids=page_id)
def test_python_blocks_that_need_nothing_run(page, root):
    done = run(root, 'python', ROOT / 'tests/run_python_blocks.py', page)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow  # Makes scenes and trains.
def test_other_classes_losses_and_schedules_train(root):
    """What docs/en/advanced_guides/customize.md says, on three scenes."""
    grid = ('--grid-shape', 64, 64, 8, '--voxel-size', 0.8)
    calls = [
        ('tools/dataset_converters/make_synthetic.py', '--out', 'data/synthetic', *grid,
         '--sequences', '00', '08', '--frames', 2, '--label-step', 1, '--frame-step', 3),
        ('tools/dataset_converters/semantic_kitti.py', 'data/synthetic', *grid, '--workers', 1),
        ('tests/run_python_blocks.py', 'docs/en/advanced_guides/customize.md', '--all'),
    ]  # fmt: skip
    for config in ('my_config', 'my_losses_config', 'my_schedule', 'my_iterations', 'my_runtime'):
        length = 'max_iters=2' if config == 'my_iterations' else 'max_epochs=1'
        calls.append(
            ('tools/train.py', f'{config}.py', '--cfg-options', f'train_cfg.{length}',
             'train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False')
        )  # fmt: skip
    for script, *arguments in calls:
        done = run(root, 'python', ROOT / script, *arguments)
        assert done.returncode == 0, f'{script}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}'
