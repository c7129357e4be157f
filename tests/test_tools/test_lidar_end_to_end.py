"""LMSCNet on synthetic streets and SSCNet on a small CarlaSC, by the commands of the guides.

What LMSCNet shares with other methods: test_driving_methods.py.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_lidar import write_carla_scene
from tool_runs import (
    HERE,
    ROOT,
    TEST_SPLIT,
    finite_losses,
    read_scalars,
    run_tool_in,
    street_options,
)

from mmssc.apis import init_model
from mmssc.datasets import SemanticKITTIDataset

CONFIG, CARLA = HERE / 'lidar_config.py', HERE / 'carla_config.py'


@pytest.fixture(scope='session')
def carla_tree(tmp_path_factory) -> Path:
    """Six frames of CarlaSC to train on, two each to validate and to test."""
    root = tmp_path_factory.mktemp('carlasc')
    for split, frames in (('Train', 6), ('Val', 2), ('Test', 2)):
        write_carla_scene(root, split, frames=frames, labels=frames)
    return root


def test_the_learning_rate_falls_by_two_percent_an_epoch(train_on_streets):
    rates = [line['lr'] for line in read_scalars(train_on_streets(CONFIG)) if 'loss' in line]
    assert [rates[0], rates[-1]] == pytest.approx([5e-3, 0.98 * 5e-3])


@pytest.mark.slow
def test_a_submission_of_the_official_grid_passes_the_check(tmp_path):
    """Every step of docs/en/user_guides/submit_semantic_kitti.md but the upload, from one scan."""
    run_tool_in(
        tmp_path, 'dataset_converters/make_synthetic.py', '--out', 'tree', '--sequences', '11',
        '--frames', 1, '--label-step', 1, '--image-size', 48, 160, '--lidar-size', 16, 200,
        '--grid-shape', 256, 256, 32, '--voxel-size', 0.2,
    )  # fmt: skip
    for path in (tmp_path / 'tree/dataset/sequences/11/voxels').iterdir():
        if path.suffix != '.bin':
            path.unlink()
    run_tool_in(
        tmp_path, 'dataset_converters/semantic_kitti.py', 'tree', '--steps', 'labels', 'infos'
    )
    config = ROOT / 'configs/lmscnet/lmscnet-ss_semantickitti.py'
    infos = 'tree/semantickitti_infos_test.json'
    torch.save(dict(state_dict=init_model(config).state_dict(), meta={}), tmp_path / 'a.pth')
    options = ('test_dataloader.num_workers=0', 'test_dataloader.persistent_workers=False')
    run_tool_in(
        tmp_path, 'test.py', config, 'a.pth', '--format-only', '--output-dir', 'export',
        *street_options(tmp_path / 'tree', TEST_SPLIT, *options),
    )  # fmt: skip
    check = 'misc/check_submission.py', 'export/submission.zip', '--ann-file', infos
    done = run_tool_in(tmp_path, *check)
    assert 'ok' in done.stdout
    with zipfile.ZipFile(tmp_path / 'export/submission.zip') as archive:
        (name,) = archive.namelist()
        labels = np.frombuffer(archive.read(name), '<u2')
    assert name == 'sequences/11/predictions/000000.label' and labels.size == 256 * 256 * 32
    raw = {0, *SemanticKITTIDataset.METAINFO['inverse_learning_map'].values()}
    assert set(np.unique(labels).tolist()) <= raw


def test_the_files_of_a_config_are_checked(carla_tree, streets, tmp_path):
    for config, tree in ((CONFIG, streets), (CARLA, carla_tree)):
        done = run_tool_in(tmp_path, 'misc/check_dataset.py', config, *street_options(tree))
        assert 'no problem found' in done.stdout and 'occupancy' in done.stdout


def test_carlasc_trains_and_is_scored_with_both_means(carla_tree, tmp_path):
    options = street_options(carla_tree)
    run_tool_in(tmp_path, 'train.py', CARLA, '--work-dir', 'run', *options)
    assert len(finite_losses(tmp_path / 'run')) == 3
    done = run_tool_in(
        tmp_path, 'test.py', CARLA, tmp_path / 'run/epoch_1.pth', '--out', 'scores.json',
        '--show-dir', 'pictures', *options,
    )  # fmt: skip
    scores = json.loads((tmp_path / 'scores.json').read_text())
    assert {'ssc/SSC_mIoU', 'ssc/mIoU_with_free', 'ssc/Accuracy'} <= set(scores)
    assert 'mIoU with free' in done.stdout + done.stderr
    assert len(list((tmp_path / 'pictures').glob('*.png'))) == 2
