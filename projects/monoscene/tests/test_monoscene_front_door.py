"""MonoScene by the commands of its README, on a few frames of synthetic streets."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from warm_start import run_script

from mmssc.apis import init_model
from mmssc.compat import load_checkpoint_file
from mmssc.evaluation.submission import raw_id_table
from mmssc.formats.kitti import read_raw_labels

PROJECT = Path(__file__).resolve().parents[1]
ROOT = PROJECT.parents[1]
CONFIG = Path(__file__).parent / 'street_config.py'
SPLIT_CONFIG = Path(__file__).parent / 'split_config.py'
GRID = ('--grid-shape', 64, 64, 8, '--voxel-size', 0.8)
TERMS = ('loss_ce', 'loss_sem_scal', 'loss_geo_scal', 'loss_frustum', 'loss_relation')

pytestmark = pytest.mark.usefixtures('geffnet')


def run(folder: Path, script: str, *arguments: object, status: int = 0) -> str:
    """Run ``tools/SCRIPT`` from a folder; its output."""
    paths = [
        str(ROOT),
        str(PROJECT),
        str(PROJECT / 'tests'),
        str(ROOT / 'tests/test_tools'),
        os.environ.get('PYTHONPATH', ''),
    ]
    environment = {
        **os.environ, 'PYTHONPATH': os.pathsep.join(paths), 'OMP_NUM_THREADS': '1',
        'PYTHON': sys.executable, 'CUDA_VISIBLE_DEVICES': '-1',
    }  # fmt: skip
    done = run_script([ROOT / 'tools' / script, *arguments], folder, environment)
    assert done.returncode == status, f'{done.stdout[-3000:]}\n{done.stderr[-3000:]}'
    return done.stdout + done.stderr


def options(tree: Path, *more: str) -> list[str]:
    """``--cfg-options`` with the place of the data."""
    splits = ('train', 'val', 'test')
    places = [f'{split}_dataloader.dataset.data_root={tree}' for split in splits]
    return ['--cfg-options', *places, *more]


def losses_of(work_dir: Path) -> list[dict]:
    """Lines of the training log."""
    lines = [json.loads(line) for path in sorted(work_dir.glob('*/vis_data/scalars.json'))
             for line in path.read_text().splitlines()]  # fmt: skip
    return [line for line in lines if 'loss' in line]


@pytest.fixture(scope='session')
def streets(tmp_path_factory) -> Path:
    """Two frames to train on, two to validate, and two without labels."""
    folder = tmp_path_factory.mktemp('monoscene_streets')
    run(
        folder, 'dataset_converters/make_synthetic.py', '--out', 'tree', *GRID,
        '--sequences', '00', '08', '11', '--frames', 2, '--label-step', 1, '--frame-step', 3,
        '--image-size', 48, 160, '--lidar-size', 16, 200,
    )  # fmt: skip
    tree = folder / 'tree'
    for path in (tree / 'dataset/sequences/11/voxels').iterdir():
        if path.suffix != '.bin':
            path.unlink()
    run(
        folder, 'dataset_converters/semantic_kitti.py', 'tree', *GRID, '--workers', 1,
        '--steps', 'labels', 'infos',
    )  # fmt: skip
    return tree


@pytest.fixture(scope='session')
def trained(streets, tmp_path_factory) -> Path:
    """Folder with a run of two epochs."""
    folder = tmp_path_factory.mktemp('monoscene_run')
    run(folder, 'train.py', CONFIG, '--work-dir', 'run', *options(streets))
    return folder / 'run'


def test_trains_and_predicts(streets, trained, tmp_path):
    steps = losses_of(trained)
    assert len(steps) == 4
    for step in steps:
        assert all(math.isfinite(step[term]) and step[term] > 0 for term in TERMS)
        assert step['loss'] == pytest.approx(sum(step[term] for term in TERMS), rel=1e-4)
    run(
        tmp_path, 'test.py', CONFIG, trained / 'epoch_2.pth', '--out', 'scores.json',
        '--show-dir', 'pictures', *options(streets),
    )  # fmt: skip
    scores = json.loads((tmp_path / 'scores.json').read_text())
    assert 0 < scores['ssc/SC_IoU'] <= 100 and 'ssc/SSC_road_IoU' in scores
    assert len(list((tmp_path / 'pictures').rglob('*.png'))) == 2


@pytest.mark.slow
def test_two_processes_train_resume_and_score_as_one(streets, trained, tmp_path):
    arguments = ('--work-dir', 'run')
    run(tmp_path, 'dist_train.sh', CONFIG, 2, *arguments, *options(streets, 'max_epochs=1',
        'train_cfg.max_epochs=1', 'default_hooks.checkpoint.interval=1'))  # fmt: skip
    more = run(tmp_path, 'dist_train.sh', CONFIG, 2, *arguments, '--resume', *options(streets))
    assert 'resumed epoch: 1' in more
    steps = losses_of(tmp_path / 'run')
    assert len(steps) == 2 and all(math.isfinite(step['loss']) for step in steps)
    weights = load_checkpoint_file(tmp_path / 'run/epoch_2.pth')['state_dict']
    assert all(value.isfinite().all() for value in weights.values() if value.is_floating_point())

    checkpoint = trained / 'epoch_2.pth'
    run(tmp_path, 'test.py', CONFIG, checkpoint, '--out', 'one.json', *options(streets))
    run(tmp_path, 'dist_test.sh', CONFIG, checkpoint, 2, '--out', 'two.json', *options(streets))
    one, two = (json.loads((tmp_path / f'{name}.json').read_text()) for name in ('one', 'two'))
    assert one == two


@pytest.mark.slow
def test_two_processes_train_as_one_with_the_doubled_batch(streets, tmp_path):
    """Where normalisation is over all processes and the losses are means of samples."""
    run(tmp_path, 'train.py', SPLIT_CONFIG, '--work-dir', 'one', *options(streets))
    run(
        tmp_path, 'dist_train.sh', SPLIT_CONFIG, 2, '--work-dir', 'two',
        *options(streets, 'train_dataloader.batch_size=1'),
    )  # fmt: skip
    one, two = (losses_of(tmp_path / folder) for folder in ('one', 'two'))
    assert len(one) == len(two) == 4
    for expected, found in zip(one, two):
        for key in (*TERMS, 'loss', 'grad_norm', 'lr'):
            # Seen: losses 1.2e-7 (they are computed in single precision), gradients 9e-7.
            rel = 1e-5 if key == 'grad_norm' else 1e-6
            assert found[key] == pytest.approx(expected[key], rel=rel), (expected['step'], key)
    # The steps are large enough to tell.
    assert one[-1]['loss'] < 0.98 * one[0]['loss']
    weights, expected = (
        load_checkpoint_file(tmp_path / folder / 'epoch_4.pth')['state_dict']
        for folder in ('two', 'one')
    )
    torch.testing.assert_close(weights, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_resumed_run_has_the_weights_of_one_that_was_never_stopped(streets, trained, tmp_path):
    command = ('train.py', CONFIG, '--work-dir', 'run')
    keep = 'default_hooks.checkpoint.interval=1'
    # Iteration 3 of 0-3 is the second of the second epoch.
    power_cut = "custom_hooks=[dict(type='kill_hook.KillHook', iteration=3)]"
    run(tmp_path, *command, *options(streets, keep, power_cut), status=-signal.SIGKILL)
    assert [path.name for path in (tmp_path / 'run').glob('epoch*.pth')] == ['epoch_1.pth']
    assert 'resumed epoch: 1' in run(tmp_path, *command, '--resume', *options(streets))
    first = load_checkpoint_file(tmp_path / 'run/epoch_1.pth')['state_dict']
    found, expected = (
        load_checkpoint_file(folder / 'epoch_2.pth') for folder in (tmp_path / 'run', trained)
    )
    exact = dict(rtol=0, atol=0)
    torch.testing.assert_close(found['state_dict'], expected['state_dict'], **exact)
    torch.testing.assert_close(found['optimizer']['state'], expected['optimizer']['state'], **exact)
    name = 'volume_unet.head.classifier.weight'
    assert not torch.equal(first[name], expected['state_dict'][name])


@pytest.mark.slow
def test_export_holds_the_predictions_of_a_split_without_labels(streets, trained, tmp_path):
    checkpoint = trained / 'epoch_2.pth'
    test_split = 'test_dataloader.dataset.ann_file=semantickitti_infos_test.json'
    run(
        tmp_path, 'test.py', CONFIG, checkpoint, '--format-only', '--output-dir', 'export',
        *options(streets, test_split, 'test_evaluator.allow_unofficial_grid=True'),
    )  # fmt: skip
    labels = sorted((tmp_path / 'export').rglob('*.label'))
    assert [path.name for path in labels] == ['000000.label', '000001.label']
    cfg = Config.fromfile(CONFIG)
    cfg.test_dataloader.dataset.update(
        data_root=str(streets), ann_file='semantickitti_infos_test.json'
    )
    model = init_model(cfg, checkpoint)
    raw_ids = raw_id_table(model.dataset_meta['inverse_learning_map'])
    for path, batch in zip(labels, Runner.build_dataloader(cfg.test_dataloader)):
        (sample,) = model.test_step(batch)
        expected = raw_ids[sample.pred_voxels.numpy()]
        assert len(np.unique(expected)) > 1, 'one id everywhere could not tell a mistake'
        assert path.stem == sample.frame_id
        assert np.array_equal(read_raw_labels(path, expected.shape), expected)


@pytest.mark.slow
def test_learns_the_frames_it_is_shown(streets, tmp_path):
    """Against the untrained network, on the two frames of the training sequence."""
    shown = [
        'test_dataloader.dataset.ann_file=semantickitti_infos_train.json',
        'train_cfg.max_epochs=40', 'train_cfg.val_interval=40',
        'default_hooks.checkpoint.interval=40', 'train_dataloader.batch_size=2',
    ]  # fmt: skip
    run(tmp_path, 'test.py', CONFIG, 'untrained', '--out', 'before.json', *options(streets, *shown))
    run(tmp_path, 'train.py', CONFIG, '--work-dir', 'run', *options(streets, *shown))
    run(
        tmp_path, 'test.py', CONFIG, tmp_path / 'run/epoch_40.pth', '--out', 'after.json',
        *options(streets, *shown),
    )  # fmt: skip
    before, after = (
        json.loads((tmp_path / f'{name}.json').read_text()) for name in ('before', 'after')
    )
    assert after['ssc/SC_IoU'] > before['ssc/SC_IoU'] + 15
    assert after['ssc/SSC_mIoU'] > before['ssc/SSC_mIoU'] + 4


@pytest.mark.slow
def test_rooms(tmp_path):
    """The NYU config, smaller, on synthetic rooms: every frame has a grid of its own."""
    size = ('--image-size', 60, 80)
    run(
        tmp_path, 'dataset_converters/make_synthetic.py', '--layout', 'nyu', '--out', 'tree',
        '--frames', 2, 2, '--grid-shape', 40, 24, 40, '--voxel-size', 0.12, *size,
    )  # fmt: skip
    run(
        tmp_path, 'dataset_converters/nyu.py', 'tree', '--grid-shape', 20, 12, 20,
        '--voxel-size', 0.24, '--fine-factor', 2, *size,
    )  # fmt: skip
    config = PROJECT / 'configs/monoscene_nyu.py'
    small = [
        'model.voxel_grid.shape=(20,12,20)', 'model.voxel_grid.voxel_size=0.24',
        'model.image_unet.name=tf_efficientnet_b0', 'model.image_unet.checkpoint=None',
        'model.image_unet.out_channels=8', 'model.image_unet.decoder_channels=64',
        'model.volume_unet.channels=8', 'train_cfg.max_epochs=2', 'train_cfg.val_interval=2',
        'default_hooks.logger.interval=1', 'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False', 'val_dataloader.num_workers=0',
        'val_dataloader.persistent_workers=False',
    ]  # fmt: skip
    run(tmp_path, 'train.py', config, '--work-dir', 'run', *options(tmp_path / 'tree', *small))
    steps = losses_of(tmp_path / 'run')
    assert len(steps) == 2
    assert all(math.isfinite(step[term]) and step[term] > 0 for step in steps for term in TERMS)
    (path,) = (tmp_path / 'run').glob('*/vis_data/scalars.json')
    scores = json.loads(path.read_text().splitlines()[-1])
    assert {'ssc/SC_IoU', 'ssc/SSC_mIoU', 'ssc/SC_IoU_nyu', 'ssc/SSC_mIoU_nyu'} <= set(scores)
