"""LMSCNet and SSCNet by the commands of the guides, on synthetic streets and a small CarlaSC."""

from __future__ import annotations

import json
import math
import signal
from pathlib import Path

import pytest
from tiny_lidar import write_carla_scene
from tool_runs import (
    HERE,
    STREET_FRAMES,
    assert_equal_trees,
    read_scalars,
    run_tool_in,
    street_options,
)

from mmssc.compat import load_checkpoint_file

CONFIG, CARLA = HERE / 'lidar_config.py', HERE / 'carla_config.py'
TEST_SPLIT = 'test_dataloader.dataset.ann_file=semantickitti_infos_test.json'


@pytest.fixture(scope='session')
def lidar_run(streets, tmp_path_factory) -> Path:
    """Work folder of two epochs in one process, two samples a batch."""
    folder = tmp_path_factory.mktemp('lidar')
    run_tool_in(folder, 'train.py', CONFIG, '--work-dir', 'run', *street_options(streets))
    return folder / 'run'


@pytest.fixture(scope='session')
def carla_tree(tmp_path_factory) -> Path:
    """Six frames of CarlaSC to train on, two each to validate and to test."""
    root = tmp_path_factory.mktemp('carlasc')
    for split, frames in (('Train', 6), ('Val', 2), ('Test', 2)):
        write_carla_scene(root, split, frames=frames, labels=frames)
    return root


def test_training_logs_every_scale_and_validates(lidar_run):
    lines = read_scalars(lidar_run)
    steps = [line for line in lines if 'loss' in line]
    names = [f'loss_ce_1_{scale}' for scale in (1, 2, 4, 8)]
    assert len(steps) == 6
    for step in steps:
        assert all(math.isfinite(step[name]) for name in names)
        assert step['loss'] == pytest.approx(sum(step[name] for name in names), rel=1e-4)
    assert steps[-1]['loss'] < steps[0]['loss']
    # 2 % less after each epoch.
    assert [steps[0]['lr'], steps[-1]['lr']] == pytest.approx([5e-3, 0.98 * 5e-3])
    assert 0 < lines[-1]['ssc/SC_IoU'] <= 100


def test_test_gives_the_figures_of_the_validation_and_pictures(streets, lidar_run, tmp_path):
    run_tool_in(
        tmp_path, 'test.py', CONFIG, lidar_run / 'epoch_2.pth', '--out', 'scores.json',
        '--show-dir', 'pictures', *street_options(streets),
    )  # fmt: skip
    scores = json.loads((tmp_path / 'scores.json').read_text())
    validated = read_scalars(lidar_run)[-1]
    assert scores == {key: validated[key] for key in scores}
    pictures = sorted(path.name for path in (tmp_path / 'pictures').glob('*.png'))
    assert pictures == [f'08_{frame}.png' for frame in STREET_FRAMES]


def test_the_submission_has_the_name_that_the_server_takes(streets, lidar_run, tmp_path):
    run_tool_in(
        tmp_path, 'test.py', CONFIG, lidar_run / 'epoch_2.pth', '--format-only', '--output-dir',
        'export', *street_options(streets, TEST_SPLIT, 'test_evaluator.allow_unofficial_grid=True'),
    )  # fmt: skip
    folder = tmp_path / 'export/sequences/11/predictions'
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f'{frame}.label' for frame in STREET_FRAMES]


def test_a_missing_scan_stops_the_run_with_its_name(streets, tmp_path):
    arguments = street_options(streets, 'train_dataloader.dataset.data_prefix.sequences=nowhere')
    done = run_tool_in(tmp_path, 'train.py', CONFIG, *arguments, status=2)
    message = done.stderr.strip().splitlines()[-1]
    assert 'nowhere' in message and '.bin' in message


def test_the_files_of_a_config_are_checked(carla_tree, streets, tmp_path):
    for config, tree in ((CONFIG, streets), (CARLA, carla_tree)):
        done = run_tool_in(tmp_path, 'misc/check_dataset.py', config, *street_options(tree))
        assert 'no problem found' in done.stdout and 'occupancy' in done.stdout


def test_carlasc_trains_and_is_scored_with_both_means(carla_tree, tmp_path):
    options = street_options(carla_tree)
    run_tool_in(tmp_path, 'train.py', CARLA, '--work-dir', 'run', *options)
    lines = read_scalars(tmp_path / 'run')
    steps = [line for line in lines if 'loss' in line]
    assert len(steps) == 3 and all(math.isfinite(step['loss']) for step in steps)
    done = run_tool_in(
        tmp_path, 'test.py', CARLA, tmp_path / 'run/epoch_1.pth', '--out', 'scores.json',
        '--show-dir', 'pictures', *options,
    )  # fmt: skip
    scores = json.loads((tmp_path / 'scores.json').read_text())
    assert {'ssc/SSC_mIoU', 'ssc/mIoU_with_free', 'ssc/Accuracy'} <= set(scores)
    assert 'mIoU with free' in done.stdout + done.stderr
    assert len(list((tmp_path / 'pictures').glob('*.png'))) == 2


@pytest.mark.slow
def test_two_processes_train_as_one_with_the_doubled_batch(streets, lidar_run, tmp_path):
    """But for the divisor of the loss, which is that of the batch: labels of equal weight."""
    same = 'model.head.losses.ce.reduction=sample'
    runs = []
    for command, size in ((['train.py', CONFIG], 2), (['dist_train.sh', CONFIG, 2], 1)):
        folder = tmp_path / str(size)
        folder.mkdir()
        run_tool_in(
            folder, *command, '--work-dir', 'run',
            *street_options(streets, same, f'train_dataloader.batch_size={size}'),
        )  # fmt: skip
        runs.append([line for line in read_scalars(folder / 'run') if 'loss' in line])
    for expected, found in zip(*runs):
        for key in (name for name in expected if name.startswith('loss')):
            assert found[key] == pytest.approx(expected[key], rel=1e-3), (expected['step'], key)


@pytest.mark.slow
def test_killed_and_resumed_run_has_the_same_weights(streets, lidar_run, tmp_path):
    # Iteration 4 of 0-5 is the second of the second epoch.
    power_cut = "custom_hooks=[dict(type='KillHook', iteration=4)]"
    command = ['train.py', CONFIG, '--work-dir', 'run']
    run_tool_in(tmp_path, *command, *street_options(streets, power_cut), status=-signal.SIGKILL)
    done = run_tool_in(tmp_path, *command, '--resume', *street_options(streets))
    assert 'resumed epoch: 1, iter: 3' in done.stdout + done.stderr
    expected = load_checkpoint_file(lidar_run / 'epoch_2.pth')
    found = load_checkpoint_file(tmp_path / 'run/epoch_2.pth')
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert_equal_trees(found[key], expected[key], key)


@pytest.mark.slow
def test_two_processes_score_as_one(streets, lidar_run, tmp_path):
    arguments = (CONFIG, lidar_run / 'epoch_2.pth', 2, '--out', 'two.json')
    run_tool_in(tmp_path, 'dist_test.sh', *arguments, *street_options(streets))
    scores = json.loads((tmp_path / 'two.json').read_text())
    validated = read_scalars(lidar_run)[-1]
    assert scores == {key: validated[key] for key in scores}
