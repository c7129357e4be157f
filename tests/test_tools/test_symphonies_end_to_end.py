"""Symphonies by the commands of the guides, on synthetic streets.

All tests share one training run of six iterations.
"""

from __future__ import annotations

import json
import math
import signal
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from tool_runs import (
    HERE,
    STREET_FRAMES,
    assert_equal_trees,
    read_scalars,
    run_tool_in,
    street_options,
)

from mmssc.apis import init_model
from mmssc.compat import load_checkpoint_file
from mmssc.evaluation.submission import raw_id_table
from mmssc.formats.kitti import read_raw_labels

CONFIG = HERE / 'symphonies_config.py'
TEST_SPLIT = 'test_dataloader.dataset.ann_file=semantickitti_infos_test.json'


@pytest.fixture(scope='session')
def symphonies_run(streets, tmp_path_factory) -> Path:
    """Work folder of two epochs in one process, two samples a batch."""
    folder = tmp_path_factory.mktemp('symphonies')
    run_tool_in(folder, 'train.py', CONFIG, '--work-dir', 'run', *street_options(streets))
    return folder / 'run'


def test_training_logs_every_output_and_validates(symphonies_run):
    lines = read_scalars(symphonies_run)
    steps = [line for line in lines if 'loss' in line]
    terms = ('ce_ssc', 'sem_scal', 'geo_scal', 'frustum')
    names = [f'loss_{term}_{number}' for number in (0, 1) for term in terms]
    assert len(steps) == 6
    for step in steps:
        assert all(math.isfinite(step[name]) for name in names)
        # Once, not twice.
        assert step['loss'] == pytest.approx(sum(step[name] for name in names), rel=1e-4)
    assert steps[-1]['loss'] < 0.98 * steps[0]['loss']
    assert 0 < lines[-1]['ssc/SC_IoU'] <= 100


def test_test_gives_the_figures_of_the_validation_and_pictures(streets, symphonies_run, tmp_path):
    run_tool_in(
        tmp_path, 'test.py', CONFIG, symphonies_run / 'epoch_2.pth', '--out', 'scores.json',
        '--show-dir', 'pictures', *street_options(streets),
    )  # fmt: skip
    scores = json.loads((tmp_path / 'scores.json').read_text())
    validated = read_scalars(symphonies_run)[-1]
    assert scores == {key: validated[key] for key in scores}
    pictures = sorted(path.name for path in (tmp_path / 'pictures').glob('*.png'))
    assert pictures == [f'08_{frame}.png' for frame in STREET_FRAMES]


def test_a_missing_depth_map_stops_the_run_with_its_name(streets, tmp_path):
    arguments = street_options(streets, 'train_dataloader.dataset.data_prefix.depth=nowhere')
    done = run_tool_in(tmp_path, 'train.py', CONFIG, *arguments, status=2)
    message = done.stderr.strip().splitlines()[-1]
    assert 'nowhere' in message and 'semantic_kitti.py' in message


@pytest.mark.slow
def test_two_processes_train_as_one_with_the_doubled_batch(streets, symphonies_run, tmp_path):
    run_tool_in(
        tmp_path, 'dist_train.sh', CONFIG, 2, '--work-dir', 'run',
        *street_options(streets, 'train_dataloader.batch_size=1'),
    )  # fmt: skip
    one, two = (
        [line for line in read_scalars(folder) if 'loss' in line]
        for folder in (symphonies_run, tmp_path / 'run')
    )
    for expected, found in zip(one, two):
        for key in (name for name in expected if name.startswith('loss')):
            assert found[key] == pytest.approx(expected[key], rel=1e-4), (expected['step'], key)


@pytest.mark.slow
def test_killed_and_resumed_run_has_the_same_weights(streets, symphonies_run, tmp_path):
    # Iteration 4 of 0-5 is the second of the second epoch.
    power_cut = "custom_hooks=[dict(type='KillHook', iteration=4)]"
    command = ['train.py', CONFIG, '--work-dir', 'run']
    run_tool_in(tmp_path, *command, *street_options(streets, power_cut), status=-signal.SIGKILL)
    done = run_tool_in(tmp_path, *command, '--resume', *street_options(streets))
    assert 'resumed epoch: 1, iter: 3' in done.stdout + done.stderr
    expected = load_checkpoint_file(symphonies_run / 'epoch_2.pth')
    found = load_checkpoint_file(tmp_path / 'run/epoch_2.pth')
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert_equal_trees(found[key], expected[key], key)


@pytest.mark.slow
def test_two_processes_score_as_one(streets, symphonies_run, tmp_path):
    arguments = (CONFIG, symphonies_run / 'epoch_2.pth', 2, '--out', 'two.json')
    run_tool_in(tmp_path, 'dist_test.sh', *arguments, *street_options(streets))
    scores = json.loads((tmp_path / 'two.json').read_text())
    validated = read_scalars(symphonies_run)[-1]
    assert scores == {key: validated[key] for key in scores}


@pytest.mark.slow
def test_export_holds_the_predictions_of_a_split_without_labels(streets, symphonies_run, tmp_path):
    checkpoint = symphonies_run / 'epoch_2.pth'
    run_tool_in(
        tmp_path, 'test.py', CONFIG, checkpoint, '--format-only', '--output-dir', 'export',
        *street_options(streets, TEST_SPLIT, 'test_evaluator.allow_unofficial_grid=True'),
    )  # fmt: skip
    folder = tmp_path / 'export/sequences/11/predictions'
    assert sorted(path.name for path in folder.iterdir()) == [
        f'{frame}.label' for frame in STREET_FRAMES
    ]
    cfg = Config.fromfile(CONFIG)
    cfg.test_dataloader.dataset.update(
        data_root=str(streets), ann_file='semantickitti_infos_test.json'
    )
    model = init_model(cfg, checkpoint)
    raw_ids = raw_id_table(model.dataset_meta['inverse_learning_map'])
    for batch in Runner.build_dataloader(cfg.test_dataloader):
        (sample,) = model.test_step(batch)
        expected = raw_ids[sample.pred_voxels.numpy()]
        assert len(np.unique(expected)) > 1, 'one id everywhere could not tell a mistake'
        found = read_raw_labels(folder / f'{sample.frame_id}.label', expected.shape)
        assert np.array_equal(found, expected)
