"""LMSCNet and SSCNet as a whole: modes, scales, batches, inputs, costs."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
from mmengine.config import Config
from test_configs import ROOT
from tiny_lidar import GRID, NUM_CLASSES, build_tiny_lidar, collate, make_sample
from torch.nn.modules.batchnorm import _BatchNorm

from mmssc.errors import DataError
from mmssc.geometry import scan_to_occupancy
from mmssc.inspection.complexity import count_complexity
from mmssc.models.fusion import fuse_for_inference
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample

KINDS = ('lmscnet', 'lmscnet-ss', 'sscnet-full', 'sscnet', 'light')


@pytest.mark.parametrize('kind', KINDS)
def test_modes(kind):
    model = build_tiny_lidar(kind).eval()
    batch = collate(model, make_sample(0), make_sample(1))
    tensors = model(**batch, mode='tensor')
    scales = (2, 4, 8) if kind == 'lmscnet' else ()
    assert list(tensors) == ['logits', *(f'logits_1_{scale}' for scale in scales)]
    for scale in scales:
        shape = tuple(side // scale for side in GRID.shape)
        assert tensors[f'logits_1_{scale}'].shape == (2, NUM_CLASSES, *shape)
    assert tensors['logits'].shape == (2, NUM_CLASSES, *GRID.shape)
    for sample, volume in zip(model(**batch, mode='predict'), tensors['logits']):
        assert torch.equal(sample.pred_voxels.long(), volume.argmax(0))


def test_the_loss_is_the_mean_over_the_scales():
    model = build_tiny_lidar().eval()
    batch = collate(model, make_sample(0))
    losses = model(**batch, mode='loss')
    assert list(losses) == [f'loss_ce_1_{scale}' for scale in (1, 2, 4, 8)]
    logits = model(**batch, mode='tensor')
    entropy = torch.nn.functional.cross_entropy(
        logits['logits_1_4'], batch['data_samples'][0].gt_voxels_1_4[None].long(), ignore_index=255
    )
    torch.testing.assert_close(losses['loss_ce_1_4'], entropy / 4)
    single = build_tiny_lidar('lmscnet-ss').eval()
    single.load_state_dict(model.state_dict(), strict=False)
    assert list(single(**batch, mode='loss')) == ['loss_ce']


def test_one_scale_is_the_same_function_as_four():
    model, single = build_tiny_lidar().eval(), build_tiny_lidar('lmscnet-ss').eval()
    state = model.state_dict()
    single.load_state_dict({key: state[key] for key in single.state_dict()})
    batch = collate(model, make_sample(0), make_sample(1))
    expected = model(**batch, mode='tensor')['logits']
    assert torch.equal(single(**batch, mode='tensor')['logits'], expected)


@pytest.mark.parametrize('kind', KINDS)
def test_a_batch_equals_single_runs(kind):
    model = build_tiny_lidar(kind).eval()
    samples = [make_sample(seed) for seed in range(3)]
    with torch.no_grad():
        batched = model.predict_logits(collate(model, *samples)['inputs'])
        singles = [model.predict_logits(collate(model, sample)['inputs'])[0] for sample in samples]
    for found, expected in zip(batched, singles):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert (singles[0] - singles[1]).abs().max() > 1e-4


@pytest.mark.parametrize('scale', [2, 4, 8])
def test_an_early_exit_repeats_the_coarse_prediction(scale):
    model = build_tiny_lidar().eval()
    early = build_tiny_lidar(test_cfg=dict(exit_scale=scale)).eval()
    early.load_state_dict(model.state_dict())
    # What comes after the exit does not run.
    early.backbone.decoder_1_1 = None
    early.backbone.unet.out_1_2 = early.backbone.unet.out_1_2 if scale == 2 else None
    batch = collate(model, make_sample(0))
    coarse = model(**deepcopy(batch), mode='tensor')[f'logits_1_{scale}'].argmax(1)
    for axis in (1, 2, 3):
        coarse = coarse.repeat_interleave(scale, axis)
    (sample,) = early(**batch, mode='predict')
    assert torch.equal(sample.pred_voxels.long(), coarse[0])


def test_points_are_put_into_voxels():
    model = build_tiny_lidar('lmscnet-ss').eval()
    random = np.random.default_rng(0)
    clouds = [
        torch.from_numpy(random.uniform(GRID.origin, GRID.upper, (count, 3)).astype(np.float32))
        for count in (50, 80)
    ]
    volumes = torch.stack([scan_to_occupancy(cloud, GRID) for cloud in clouds])
    expected = model.predict_logits(dict(occupancy=volumes))
    assert torch.equal(model.predict_logits(dict(points=clouds)), expected)


@pytest.mark.parametrize(
    ('inputs', 'message'),
    [
        (dict(img=torch.zeros(1)), 'LoadScanOccupancy'),
        (dict(occupancy=torch.zeros(1, 16, 16, 8)), r'shape of occupancy: expected \(16, 32, 8\)'),
    ],
)
def test_wrong_inputs_are_refused(inputs, message):
    with pytest.raises(DataError, match=message):
        build_tiny_lidar('lmscnet-ss').predict_logits(inputs)


@pytest.mark.parametrize(
    ('kind', 'options', 'message'),
    [
        ('lmscnet', dict(voxel_grid=dict(origin=(0, 0, 0), voxel_size=1, shape=(16, 12, 8))),
         'multiples of 8 for PlaneUNet'),
        ('sscnet', dict(voxel_grid=dict(origin=(0, 0, 0), voxel_size=1, shape=(16, 16, 6))),
         'multiples of 4 for SSCNetTrunk'),
        ('lmscnet-ss', dict(test_cfg=dict(exit_scale=4)), r'a scale of the head: \(1,\)'),
        ('lmscnet', dict(head=dict(type='LMSCNetHead', num_classes=5, scales=(1, 3))),
         'LMSCNetHead.scales'),
        ('lmscnet', dict(voxel_grid=dict(origin=(0, 0, 0), voxel_size=1, shape=(8, 8, 8),
                                         axes=('x', 'z', 'y'))), 'voxel_grid.axes'),
        ('sscnet', dict(head=dict(type='SSCNetHead', num_classes=5, up_sampling='cubic')),
         'SSCNetHead.up_sampling'),
        ('light', dict(voxel_grid=dict(origin=(0, 0, 0), voxel_size=1, shape=(16, 20, 8))),
         'x and y multiples of 8, z of 4'),
        ('light', dict(backbone=dict(type='LightPlaneUNet', channels=(8, 12), blocks=(1,))),
         'LightPlaneUNet.blocks: expected 2 numbers'),
        ('lmscnet', dict(train_window=(16, 40)), r'multiples of 16, at most \(16, 32\)'),
        ('lmscnet', dict(train_window=(8, 16)), 'LidarCompletor.train_window'),
    ],
)  # fmt: skip
def test_wrong_configs_are_refused(kind, options, message):
    with pytest.raises(DataError, match=message):
        build_tiny_lidar(kind, **options)


@pytest.mark.parametrize('kind', ['lmscnet', 'lmscnet-ss', 'light'])
def test_normalisation_folds_into_convolutions(kind):
    model = build_tiny_lidar(kind)
    batch = collate(model, make_sample(0))
    model.train()(**batch, mode='loss')  # other statistics than at the start
    expected = model.eval().predict_logits(batch['inputs'])
    fused = fuse_for_inference(deepcopy(model))
    assert not [m for m in fused.modules() if isinstance(m, _BatchNorm)]
    found = fused.predict_logits(batch['inputs'])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_planar_convolutions_start_as_published():
    """Kaiming-uniform with the gain of ReLU and no bias; all others as PyTorch does."""
    cfg = Config.fromfile(ROOT / 'configs/lmscnet/lmscnet_semantickitti.py').model
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    convs = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convs) == 14
    before = {k: v.clone() for k, v in model.state_dict().items() if v.dim() == 5}
    model.init_weights()
    for conv in convs:
        limit = (6 / conv.weight[0].numel()) ** 0.5
        assert not conv.bias.any()
        assert 0.9 * limit < conv.weight.abs().max() <= limit
    assert all(torch.equal(model.state_dict()[key], value) for key, value in before.items())


@pytest.mark.parametrize(
    ('config', 'parameters', 'stored', 'multiply_adds'),
    [
        ('lmscnet/lmscnet_semantickitti', 393128, 393536, 39.88),
        ('lmscnet/lmscnet-ss_semantickitti', 348044, 348146, 35.42),
        ('sscnet/sscnet-full_semantickitti', 1086772, 1086772, 46.47),
        ('sscnet/sscnet_semantickitti', 925492, 925492, 41.18),
        ('lmscnet/lmscnet-ss_carlasc', 34013, 34115, 1.764),
        ('sscnet/sscnet-full_carlasc', 1013035, 1013035, 2.753),
    ],
)
def test_size_and_multiply_adds_are_the_published_ones(config, parameters, stored, multiply_adds):
    model = MODELS.build(Config.fromfile(ROOT / f'configs/{config}.py').model)
    assert sum(value.numel() for value in model.state_dict().values()) == stored
    # A prediction leaves out the coarse heads; the published figure has all of them.
    model.predict_logits = lambda inputs: sum(
        volume if scale == 1 else volume.mean()
        for scale, volume in model.head(model.extract_feat(inputs)).items()
    )
    inputs = dict(occupancy=torch.zeros(1, *model.voxel_grid.shape, dtype=torch.bool))
    whole = count_complexity(model, inputs, [SSCDataSample()])['']
    assert whole.parameters == parameters
    # Convolutions only, as published.
    assert whole.counted['conv'] / 1e9 == pytest.approx(multiply_adds, rel=3e-4)


def test_the_light_completor_needs_a_tenth_of_the_multiply_adds():
    counts = []
    for config in ('light_lidar/light_lidar_streets', 'lmscnet/lmscnet-ss_semantickitti'):
        model = MODELS.build(Config.fromfile(ROOT / f'configs/{config}.py').model)
        inputs = dict(occupancy=torch.zeros(1, *model.voxel_grid.shape, dtype=torch.bool))
        counts.append(count_complexity(model, inputs, [SSCDataSample()])[''].multiply_adds)
    assert counts[0] == pytest.approx(3.216e9, rel=1e-3)
    assert counts[0] < counts[1] / 10


def test_the_voxels_of_a_block_share_their_classes_but_not_their_emptiness():
    model = build_tiny_lidar('light').eval()
    logits = model.predict_logits(collate(model, make_sample(0))['inputs'])
    blocks = logits.unflatten(4, (-1, 2)).unflatten(3, (-1, 2)).unflatten(2, (-1, 2))
    blocks = blocks.permute(0, 1, 2, 4, 6, 3, 5, 7).flatten(5)
    assert not blocks[:, 1:].diff(dim=-1).any()
    assert blocks[:, 0].diff(dim=-1).any()


@pytest.mark.parametrize('kind', KINDS)
def test_a_training_window_is_a_cut_of_scan_and_targets(kind):
    model = build_tiny_lidar(kind, train_window=(16, 16)).eval()
    sample = make_sample(0)
    losses = []
    for start in (0, 16):
        part = SSCDataSample(metainfo=sample['data_samples'].metainfo)
        for scale in (1, 2, 4, 8):
            name = f'gt_voxels_1_{scale}' if scale > 1 else 'gt_voxels'
            labels = sample['data_samples'].get(name)
            part.set_data({name: labels[:, start // scale : (start + 16) // scale]})
        occupancy = sample['inputs']['occupancy'][None, :, start : start + 16].float()
        torch.manual_seed(0)
        features = model.backbone(occupancy)
        losses.append(model.head.loss(model.head(features), [part]))
    found = set()
    for seed in range(12):
        torch.manual_seed(seed)
        drawn = int(torch.randint(1, ())), int(torch.randint(2, ()))
        torch.manual_seed(seed)
        values = model(**collate(model, sample), mode='loss')
        if kind.startswith('sscnet'):  # its loss draws empty voxels
            assert values.keys() == losses[0].keys()
        else:
            torch.testing.assert_close(values, losses[drawn[1]])
        found.add(drawn[1])
    assert found == {0, 1}
    # A prediction takes everything.
    assert model.predict_logits(collate(model, sample)['inputs']).shape[2:] == GRID.shape


def test_the_light_completor_makes_logits_on_request_and_checks_its_numbers():
    model = build_tiny_lidar('light', test_cfg=dict(keep_logits=True)).eval()
    batch = collate(model, make_sample(0))
    (sample,) = model(**batch, mode='predict')
    assert torch.equal(sample.voxel_logits.argmax(0), sample.pred_voxels.long())
    model.test_cfg = {}
    (fast,) = model(**collate(model, make_sample(0)), mode='predict')
    assert 'voxel_logits' not in fast and torch.equal(fast.pred_voxels, sample.pred_voxels)
    (alone,) = model(batch['inputs'], mode='predict')
    assert torch.equal(alone.pred_voxels, sample.pred_voxels)
    with torch.no_grad():
        model.head.classifier.bias[0] = torch.nan
    with pytest.raises(DataError, match='head.classifier.bias'):
        model(**collate(model, make_sample(0)), mode='predict')


def test_published_checkpoints_are_named_in_errors():
    for kind, method in zip(KINDS, ('lmscnet', 'lmscnet', 'sscnet-full', 'sscnet')):
        assert build_tiny_lidar(kind).official_method == method
