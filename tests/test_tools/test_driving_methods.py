"""Symphonies, VoxDet-LiDAR and LMSCNet by the commands of the guides, on synthetic streets.

All tests of a method share one training of six iterations. SGN has more: test_sgn_end_to_end.py.
"""

from __future__ import annotations

import json
import math
import signal
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from tool_runs import (
    HERE,
    STREET_FRAMES,
    TEST_SPLIT,
    assert_equal_trees,
    read_scalars,
    run_tool_in,
    street_options,
)

from mmssc.apis import init_model
from mmssc.compat import load_checkpoint_file
from mmssc.evaluation.submission import raw_id_table
from mmssc.formats.kitti import read_raw_labels


class Method(NamedTuple):
    """What the tests of a method differ in."""

    config: Path
    checkpoint: str
    losses: list[str]
    #: The part of the data that is taken away, and what the message then says.
    prefix: str
    message: str
    #: Settings with which two processes have the losses of one.
    alike: tuple[str, ...] = ()


METHODS = {
    'symphonies': Method(
        HERE / 'symphonies_config.py', 'epoch_2.pth',
        [f'{term}_{number}' for number in (0, 1)
         for term in ('ce_ssc', 'sem_scal', 'geo_scal', 'frustum')],
        'depth', 'semantic_kitti.py',
    ),
    'voxdet': Method(
        HERE / 'voxdet_config.py', 'iter_6.pth',
        ['voxel_ctr', *(f'{part}voxel_{term}' for part in ('', 'aux_')
                        for term in ('ce', 'sem_scal', 'geo_scal'))],
        'sequences', 'velodyne',
    ),
    'lmscnet': Method(
        HERE / 'lidar_config.py', 'epoch_2.pth', [f'ce_1_{scale}' for scale in (1, 2, 4, 8)],
        'sequences', '.bin',
        # The divisor of the loss is that of the batch: labels of equal weight.
        ('model.head.losses.ce.reduction=sample',),
    ),
}  # fmt: skip


@pytest.fixture(scope='module', params=METHODS)
def method(request) -> Method:
    return METHODS[request.param]


@pytest.fixture(scope='module')
def run(method, train_on_streets) -> Path:
    """Work folder of six iterations in one process, two samples a batch."""
    return train_on_streets(method.config)


def steps_of(run: Path) -> list[dict]:
    """Lines of the log, one for each iteration."""
    return [line for line in read_scalars(run) if 'loss' in line]


def test_training_logs_every_loss_and_validates(method, run):
    steps = steps_of(run)
    names = [f'loss_{name}' for name in method.losses]
    assert len(steps) == 6
    for step in steps:
        assert all(math.isfinite(step[name]) for name in names)
        # Once, not twice.
        assert step['loss'] == pytest.approx(sum(step[name] for name in names), rel=1e-4)
    assert steps[-1]['loss'] < 0.98 * steps[0]['loss']
    assert 0 < read_scalars(run)[-1]['ssc/SC_IoU'] <= 100


def test_test_gives_the_figures_of_the_validation_and_pictures(method, run, streets, tmp_path):
    run_tool_in(
        tmp_path, 'test.py', method.config, run / method.checkpoint, '--out', 'scores.json',
        '--show-dir', 'pictures', *street_options(streets),
    )  # fmt: skip
    scores = json.loads((tmp_path / 'scores.json').read_text())
    validated = read_scalars(run)[-1]
    assert scores == {key: validated[key] for key in scores}
    pictures = sorted(path.name for path in (tmp_path / 'pictures').glob('*.png'))
    assert pictures == [f'08_{frame}.png' for frame in STREET_FRAMES]


def test_a_missing_file_stops_the_run_with_its_name(method, streets, tmp_path):
    setting = f'train_dataloader.dataset.data_prefix.{method.prefix}=nowhere'
    done = run_tool_in(
        tmp_path, 'train.py', method.config, *street_options(streets, setting), status=2
    )
    message = done.stderr.strip().splitlines()[-1]
    assert 'nowhere' in message and method.message in message


@pytest.mark.slow
def test_two_processes_train_as_one_with_the_doubled_batch(method, run, streets, tmp_path):
    if method.alike:
        options = street_options(streets, *method.alike)
        run = tmp_path / 'one'
        run_tool_in(tmp_path, 'train.py', method.config, '--work-dir', run, *options)
    run_tool_in(
        tmp_path, 'dist_train.sh', method.config, 2, '--work-dir', 'two',
        *street_options(streets, 'train_dataloader.batch_size=1', *method.alike),
    )  # fmt: skip
    one, two = steps_of(run), steps_of(tmp_path / 'two')
    assert len(one) == len(two) == 6
    for expected, found in zip(one, two):
        for key in (name for name in expected if name.startswith('loss')):
            assert found[key] == pytest.approx(expected[key], rel=1e-4), (expected['step'], key)


@pytest.mark.slow
def test_killed_and_resumed_run_has_the_same_weights(method, run, streets, tmp_path):
    # Iteration 4 of 0-5 is the second after the first checkpoint.
    power_cut = "custom_hooks=[dict(type='KillHook', iteration=4)]"
    command = ['train.py', method.config, '--work-dir', 'run']
    run_tool_in(tmp_path, *command, *street_options(streets, power_cut), status=-signal.SIGKILL)
    done = run_tool_in(tmp_path, *command, '--resume', *street_options(streets))
    assert 'iter: 3' in done.stdout + done.stderr
    expected, found = (
        load_checkpoint_file(folder / method.checkpoint) for folder in (run, tmp_path / 'run')
    )
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert_equal_trees(found[key], expected[key], key)


@pytest.mark.slow
def test_two_processes_score_as_one(method, run, streets, tmp_path):
    arguments = (method.config, run / method.checkpoint, 2, '--out', 'two.json')
    run_tool_in(tmp_path, 'dist_test.sh', *arguments, *street_options(streets))
    scores = json.loads((tmp_path / 'two.json').read_text())
    validated = read_scalars(run)[-1]
    assert scores == {key: validated[key] for key in scores}


@pytest.mark.slow
def test_export_holds_the_predictions_of_a_split_without_labels(method, run, streets, tmp_path):
    checkpoint = run / method.checkpoint
    run_tool_in(
        tmp_path, 'test.py', method.config, checkpoint, '--format-only', '--output-dir', 'export',
        *street_options(streets, TEST_SPLIT, 'test_evaluator.allow_unofficial_grid=True'),
    )  # fmt: skip
    # The name that the server takes.
    folder = tmp_path / 'export/sequences/11/predictions'
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f'{frame}.label' for frame in STREET_FRAMES]
    cfg = Config.fromfile(method.config)
    cfg.test_dataloader.dataset.update(
        data_root=str(streets), ann_file='semantickitti_infos_test.json'
    )
    model = init_model(cfg, checkpoint)
    raw_ids = raw_id_table(model.dataset_meta['inverse_learning_map'])
    for batch in Runner.build_dataloader(cfg.test_dataloader):
        for sample in model.test_step(batch):
            expected = raw_ids[sample.pred_voxels.numpy()]
            assert len(np.unique(expected)) > 1, 'one id everywhere could not tell a mistake'
            found = read_raw_labels(folder / f'{sample.frame_id}.label', expected.shape)
            assert np.array_equal(found, expected)
