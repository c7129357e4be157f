"""VoxDet-LiDAR by the commands of the guides, on the scans of synthetic streets.

All tests share one training run of six iterations.
"""

from __future__ import annotations

import json
import math
import shutil
import signal
from pathlib import Path

import pytest
from tool_runs import (
    HERE,
    STREET_FRAMES,
    assert_equal_trees,
    read_scalars,
    run_tool_in,
    street_options,
)

from mmssc.compat import load_checkpoint_file

CONFIG = HERE / 'voxdet_config.py'
STREET_GRID = '--grid-shape', 64, 64, 8, '--voxel-size', 0.8
TEST_SPLIT = 'test_dataloader.dataset.ann_file=semantickitti_infos_test.json'


@pytest.fixture(scope='session')
def voxdet_run(streets, tmp_path_factory) -> Path:
    """Work folder of six iterations in one process, two samples a batch."""
    folder = tmp_path_factory.mktemp('voxdet')
    run_tool_in(folder, 'train.py', CONFIG, '--work-dir', 'run', *street_options(streets))
    return folder / 'run'


def test_training_logs_every_loss_and_validates(voxdet_run):
    lines = read_scalars(voxdet_run)
    steps = [line for line in lines if 'loss' in line]
    terms = ('voxel_ce', 'voxel_sem_scal', 'voxel_geo_scal')
    names = [f'loss_{part}{term}' for part in ('', 'aux_') for term in terms]
    names.append('loss_voxel_ctr')
    assert len(steps) == 6
    for step in steps:
        assert all(math.isfinite(step[name]) for name in names)
        # Once, not twice.
        assert step['loss'] == pytest.approx(sum(step[name] for name in names), rel=1e-4)
    assert steps[-1]['loss'] < 0.98 * steps[0]['loss']
    assert 0 < lines[-1]['ssc/SC_IoU'] <= 100


def test_test_gives_the_figures_of_the_validation_and_pictures(streets, voxdet_run, tmp_path):
    run_tool_in(
        tmp_path, 'test.py', CONFIG, voxdet_run / 'iter_6.pth', '--out', 'scores.json',
        '--show-dir', 'pictures', *street_options(streets),
    )  # fmt: skip
    scores = json.loads((tmp_path / 'scores.json').read_text())
    validated = read_scalars(voxdet_run)[-1]
    assert scores == {key: validated[key] for key in scores}
    pictures = sorted(path.name for path in (tmp_path / 'pictures').glob('*.png'))
    assert pictures == [f'08_{frame}.png' for frame in STREET_FRAMES]


def test_neither_images_nor_depth_are_needed(streets, voxdet_run, tmp_path):
    """Scans, voxels, calibration and poses are enough to prepare, check and test."""
    tree = tmp_path / 'tree'
    images = shutil.ignore_patterns('image_*')
    shutil.copytree(streets / 'dataset/sequences', tree / 'dataset/sequences', ignore=images)
    command = 'dataset_converters/semantic_kitti.py', 'tree', *STREET_GRID, '--workers', 1
    failed = run_tool_in(tmp_path, *command, status=2)
    assert 'no such folder' in failed.stderr and '--steps labels infos' in failed.stderr
    run_tool_in(tmp_path, *command, '--steps', 'labels', 'infos')
    done = run_tool_in(tmp_path, 'misc/check_dataset.py', 'tree')
    assert '00: scans without images' in done.stdout
    run_tool_in(
        tmp_path, 'test.py', CONFIG, voxdet_run / 'iter_6.pth', '--out', 'scores.json',
        *street_options(tree),
    )  # fmt: skip
    scores = json.loads((tmp_path / 'scores.json').read_text())
    validated = read_scalars(voxdet_run)[-1]
    assert scores == {key: validated[key] for key in scores}


def test_a_missing_scan_stops_the_run_with_its_name(streets, tmp_path):
    arguments = street_options(streets, 'train_dataloader.dataset.data_prefix.sequences=nowhere')
    done = run_tool_in(tmp_path, 'train.py', CONFIG, *arguments, status=2)
    message = done.stderr.strip().splitlines()[-1]
    assert 'nowhere' in message and 'velodyne' in message


@pytest.mark.slow
def test_two_processes_train_as_one_with_the_doubled_batch(streets, voxdet_run, tmp_path):
    run_tool_in(
        tmp_path, 'dist_train.sh', CONFIG, 2, '--work-dir', 'run',
        *street_options(streets, 'train_dataloader.batch_size=1'),
    )  # fmt: skip
    one, two = (
        [line for line in read_scalars(folder) if 'loss' in line]
        for folder in (voxdet_run, tmp_path / 'run')
    )
    for expected, found in zip(one, two):
        for key in (name for name in expected if name.startswith('loss')):
            assert found[key] == pytest.approx(expected[key], rel=1e-4), (expected['step'], key)


@pytest.mark.slow
def test_killed_and_resumed_run_has_the_same_weights(streets, voxdet_run, tmp_path):
    power_cut = "custom_hooks=[dict(type='KillHook', iteration=4)]"
    command = ['train.py', CONFIG, '--work-dir', 'run']
    run_tool_in(tmp_path, *command, *street_options(streets, power_cut), status=-signal.SIGKILL)
    run_tool_in(tmp_path, *command, '--resume', *street_options(streets))
    expected = load_checkpoint_file(voxdet_run / 'iter_6.pth')
    found = load_checkpoint_file(tmp_path / 'run/iter_6.pth')
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert_equal_trees(found[key], expected[key], key)


@pytest.mark.slow
def test_two_processes_score_as_one(streets, voxdet_run, tmp_path):
    arguments = (CONFIG, voxdet_run / 'iter_6.pth', 2, '--out', 'two.json')
    run_tool_in(tmp_path, 'dist_test.sh', *arguments, *street_options(streets))
    scores = json.loads((tmp_path / 'two.json').read_text())
    validated = read_scalars(voxdet_run)[-1]
    assert scores == {key: validated[key] for key in scores}


@pytest.mark.slow
def test_export_of_a_split_without_labels(streets, voxdet_run, tmp_path):
    run_tool_in(
        tmp_path, 'test.py', CONFIG, voxdet_run / 'iter_6.pth', '--format-only', '--output-dir',
        'export', *street_options(streets, TEST_SPLIT, 'test_evaluator.allow_unofficial_grid=True'),
    )  # fmt: skip
    folder = tmp_path / 'export/sequences/11/predictions'
    assert sorted(path.name for path in folder.iterdir()) == [
        f'{frame}.label' for frame in STREET_FRAMES
    ]
