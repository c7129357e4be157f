"""The promises of the example project."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

PROJECT = Path(__file__).resolve().parents[1]
CONFIG = PROJECT / 'configs/toy-completor_toy-scenes.py'


@pytest.fixture(scope='module')
def project():
    """The project's modules, importable for these tests only."""
    sys.path.insert(0, str(PROJECT))
    import make_toy_data

    yield make_toy_data
    sys.path.remove(str(PROJECT))


@pytest.fixture(scope='module')
def toy_root(project, tmp_path_factory):
    root = tmp_path_factory.mktemp('toy')
    project.write_split(root, 'train', 3, seed=0)
    return root


@pytest.fixture(scope='module')
def config(project, toy_root):
    cfg = Config.fromfile(CONFIG)
    cfg.train_dataloader.dataset.data_root = str(toy_root)
    init_default_scope(cfg.default_scope)
    return cfg


@pytest.fixture(scope='module')
def samples(config):
    from mmssc.registry import DATASETS

    dataset = DATASETS.build(config.train_dataloader.dataset)
    return [dataset[number] for number in range(len(dataset))]


@pytest.fixture(scope='module')
def model(config):
    from mmssc.registry import MODELS

    torch.manual_seed(0)
    return MODELS.build(config.model).eval()


def batch(samples):
    return dict(
        inputs={key: [sample['inputs'][key] for sample in samples] for key in samples[0]['inputs']},
        data_samples=[sample['data_samples'].clone() for sample in samples],
    )


def test_points_lie_in_labelled_voxels(samples):
    from mmssc.geometry import quantize_points

    for sample in samples:
        labels = sample['data_samples'].gt_voxels
        assert labels.shape == (32, 8, 32)
        grid = sample['data_samples'].voxel_grid
        indices, _ = quantize_points(sample['inputs']['points'], grid)
        hit = labels[indices.unbind(1)]
        hit = hit[hit != 255]
        # A ray stops up to one step (0.03 m of 0.2 m) inside the first surface.
        assert (hit > 0).float().mean() > 0.97
        assert set(hit.unique().tolist()) & {2, 3}


def test_ground_is_the_lowest_layer_of_the_second_axis(samples):
    labels = samples[0]['data_samples'].gt_voxels
    assert set(labels[:, 0].unique().tolist()) <= {1, 255}
    assert not (labels[:, 1:] == 1).any()


def test_batch_equals_single_samples(model, samples):
    together = model.test_step(batch(samples))
    for sample, joint in zip(samples, together):
        alone = model.test_step(batch([sample]))[0]
        assert torch.equal(alone.pred_voxels, joint.pred_voxels)


def test_tensor_mode_starts_with_the_logits(model, samples):
    with torch.no_grad():
        tensors = model(**model.data_preprocessor(batch(samples)), mode='tensor')
    assert list(tensors) == ['logits', 'features']
    assert tensors['logits'].shape == (3, 5, 32, 8, 32)


def test_every_parameter_gets_a_gradient(model, samples):
    data = model.data_preprocessor(batch(samples), True)
    losses = model(**data, mode='loss')
    assert set(losses) == {'loss_ce', 'loss_sem_scal'}
    sum(losses.values()).backward()
    assert not [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]


def test_generation_is_repeatable(project, toy_root, tmp_path):
    project.write_split(tmp_path, 'train', 3, seed=0)
    files = [path.relative_to(tmp_path) for path in tmp_path.rglob('*.*') if path.is_file()]
    assert len(files) == 10
    assert all((tmp_path / f).read_bytes() == (toy_root / f).read_bytes() for f in files)
    labels = np.load(tmp_path / 'labels/train000/000000_1_1.npy')
    assert labels.dtype == np.uint8 and set(np.unique(labels)) <= {0, 1, 2, 3, 4, 255}
