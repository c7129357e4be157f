"""Checkpoints of LMSCNet and SSCNet: layouts, detection, the way back, real files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmssc.checkpoints import (
    export_state_dict,
    get_method,
    import_state_dict,
    read_state_dict,
)
from mmssc.errors import DataError
from mmssc.parity.recipe import fill_checkpoint
from mmssc.registry import MODELS

DATA = Path(__file__).parents[2] / 'data' / 'parity' / 'lidar'
# Manifest, method, class of the head, its scales, shape of the grid.
MODELS_OF = [
    ('lmscnet', 'lmscnet', dict(type='mmssc.LMSCNetHead', scales=[1, 2, 4, 8]), (256, 256, 32)),
    ('lmscnet-ss', 'lmscnet', dict(type='mmssc.LMSCNetHead', scales=[1]), (256, 256, 32)),
    ('lmscnet-ss-tiny', 'lmscnet', dict(type='mmssc.LMSCNetHead', scales=[1]), (128, 128, 16)),
    ('sscnet-full', 'sscnet-full', dict(type='mmssc.SSCNetHead', up_sampling='learned'),
     (256, 256, 32)),
    ('sscnet', 'sscnet', dict(type='mmssc.SSCNetHead', up_sampling='nearest'), (256, 256, 32)),
    ('carla_lmscnet-ss', 'lmscnet', dict(type='mmssc.LMSCNetHead', num_classes=11, scales=[1]),
     (128, 128, 8)),
    ('carla_sscnet-full', 'sscnet-full', dict(type='mmssc.SSCNetHead', num_classes=11),
     (128, 128, 8)),
]  # fmt: skip


@pytest.mark.parametrize(('name', 'method', 'head', 'shape'), MODELS_OF)
def test_import_and_the_way_back(name, method, head, shape):
    reference, method = fill_checkpoint(DATA / f'manifest_{name}.csv', 3), get_method(method)
    state, report = import_state_dict(reference, method)
    assert len(state) == len(reference) and not report.dropped and not report.filled
    shapes = {key: tuple(value.shape) for key, value in reference.items()}
    config = method.model_config(shapes)
    assert {key: config['head'][key] for key in head} == head
    model = MODELS.build(config)
    model.load_state_dict(state)
    assert model.voxel_grid.shape == shape
    assert model.voxel_grid.frame == ('carla' if 'carla' in name else 'lidar')
    exported, _ = export_state_dict(state, method)
    assert exported.keys() == reference.keys()
    assert all(torch.equal(exported[key], value) for key, value in reference.items())
    turned = [key for key, _ in report.transformed]
    assert all(state[key].dim() == 5 for key in turned)
    assert len(turned) == sum(value.dim() == 5 for value in reference.values())


def test_kernels_are_turned_from_z_x_y_to_x_y_z():
    reference = fill_checkpoint(DATA / 'manifest_sscnet-full.csv', 3)
    state, _ = import_state_dict(reference, get_method('sscnet-full'))
    for key, name in (('deconv_classes', 'head.classifier'), ('conv1_1', 'backbone.stem.0')):
        theirs, ours = reference[f'{key}.weight'], state[f'{name}.weight']
        assert theirs[5, 0, 1, 2, 3] == ours[5, 0, 2, 3, 1]


def test_a_checkpoint_of_the_trainer_is_read(tmp_path):
    """Weights lie under 'model', beside the trainer's settings."""
    reference = fill_checkpoint(DATA / 'manifest_sscnet.csv', 3)
    path = tmp_path / 'official.pth'
    torch.save(
        dict(startEpoch=15, model=reference, config_dict={'DATASET': {'ROOT_DIR': '/somewhere'}}),
        path,
    )
    assert read_state_dict(path).keys() == reference.keys()


@pytest.mark.parametrize(
    ('name', 'method', 'message'),
    [
        ('sscnet', 'sscnet-full', 'conv_classes.weight'),
        ('lmscnet-ss', 'sscnet', 'Encoder_block1.0.weight'),
        ('sscnet-full', 'lmscnet', 'reduction2_1.weight'),
    ],
)
def test_another_method_is_refused(name, method, message):
    reference = fill_checkpoint(DATA / f'manifest_{name}.csv', 3)
    with pytest.raises(DataError, match=message):
        import_state_dict(reference, get_method(method))


def test_a_tensor_with_too_few_axes_is_named():
    reference = fill_checkpoint(DATA / 'manifest_sscnet.csv', 3)
    reference['conv2_1.weight'] = torch.zeros(3)
    with pytest.raises(DataError, match=r'shape of conv2_1\.weight'):
        import_state_dict(reference, get_method('sscnet'))


@pytest.mark.parametrize(
    ('file', 'method', 'numbers'),
    [
        ('LMSC_11_T1B_Epoch19.pt', 'lmscnet', 34115),
        ('SSC_Full_11_T1B_Epoch19.pt', 'sscnet-full', 1013035),
    ],
)
def test_published_weights_of_carlasc(carlasc_weights, file, method, numbers):
    reference = read_state_dict(carlasc_weights / file)
    state, _ = import_state_dict(reference, get_method(method))
    assert sum(value.numel() for value in state.values()) == numbers
    # They were saved on a GPU.
    assert {value.device.type for value in state.values()} == {'cpu'}
    exported, _ = export_state_dict(state, get_method(method))
    assert all(torch.equal(exported[key], value) for key, value in reference.items())
