"""VoxDet-LiDAR as a whole: batches, gradients, empty scans, options of the config."""

from __future__ import annotations

import pytest
import torch
from tiny_voxdet import GRID, build_tiny_voxdet, make_batch, tiny_config
from torch.nn.modules.batchnorm import _BatchNorm

from mmssc.errors import DataError
from mmssc.models.backbones import VolumeResNet
from mmssc.models.fusion import fuse_for_inference
from mmssc.models.necks import VolumeFPN
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample, VoxelGrid


def total(model, *seeds: int) -> torch.Tensor:
    inputs, samples = make_batch(*seeds)
    return sum(model(inputs, samples, mode='loss').values())


def test_a_batch_of_two_equals_two_batches_of_one():
    model = build_tiny_voxdet().eval()
    (points, reflectance), samples = make_batch(0, 1)[0].values(), make_batch(0, 1)[1]
    both = model(dict(points=points, reflectance=reflectance), samples, mode='tensor')
    losses = model(dict(points=points, reflectance=reflectance), samples, mode='loss')
    parts = [dict(points=[points[i]], reflectance=[reflectance[i]]) for i in (0, 1)]
    for name, found in both.items():
        single = torch.cat([model(part, mode='tensor')[name] for part in parts])
        torch.testing.assert_close(found, single, rtol=1e-4, atol=1e-5)
    singles = [model(part, [sample], mode='loss') for part, sample in zip(parts, samples)]
    for name, found in losses.items():
        expected = (singles[0][name] + singles[1][name]) / 2
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_every_parameter_gets_a_gradient():
    model = build_tiny_voxdet().train()
    total(model, 0, 1).backward()
    lacking = [name for name, value in model.named_parameters() if value.grad is None]
    zero = [name for name, value in model.named_parameters() if not value.grad.any()]
    assert not lacking
    # Before the batch normalisation of rows a bias has no effect.
    assert all('point_mlp' in name and name.endswith('bias') for name in zero)


def test_losses_have_the_names_of_the_official_log():
    inputs, samples = make_batch(0)
    names = set(build_tiny_voxdet()(inputs, samples, mode='loss'))
    terms = {'voxel_ce', 'voxel_sem_scal', 'voxel_geo_scal'}
    expected = {f'loss_{term}' for term in terms} | {f'loss_aux_{term}' for term in terms}
    assert names == expected | {'loss_voxel_ctr'}


def test_without_the_auxiliary_head():
    model = build_tiny_voxdet(aux_head=None)
    inputs, samples = make_batch(0)
    assert not any('aux' in name for name in model(inputs, samples, mode='loss'))
    assert model.eval()(inputs, mode='predict')[0].pred_voxels.shape == GRID.shape


@pytest.mark.parametrize('training', [True, False])
def test_scans_without_a_point_in_the_grid(training):
    model = build_tiny_voxdet().train(training)
    inputs, samples = make_batch(0, 1)
    inputs['points'] = [cloud - 1000 for cloud in inputs['points']]
    losses = model(inputs, samples, mode='loss')
    assert all(loss.isfinite() for loss in losses.values())
    sum(losses.values()).backward()
    assert all(value.grad is not None for value in model.parameters())


def test_one_point_in_training_mode():
    """A batch normalisation of one row has no variance."""
    model = build_tiny_voxdet().train()
    inputs, samples = make_batch(0, points=1)
    assert all(loss.isfinite() for loss in model(inputs, samples, mode='loss').values())


def test_the_order_of_the_points_does_not_matter():
    model = build_tiny_voxdet().eval()
    inputs, _ = make_batch(0)
    turned = {name: [values[0].flip(0)] for name, values in inputs.items()}
    assert torch.equal(model.predict_logits(inputs), model.predict_logits(turned))


def test_a_sample_without_labels_has_no_loss():
    model = build_tiny_voxdet()
    inputs, samples = make_batch(0)
    samples[0].gt_voxels.fill_(255)
    losses = model(inputs, samples, mode='loss')
    assert all(loss.item() == 0 for loss in losses.values())
    sum(losses.values()).backward()


@pytest.mark.parametrize('lost, expected', [
    ('reflectance', "source='velodyne'"), ('points', "source='velodyne'"),
])  # fmt: skip
def test_a_missing_input_is_named(lost, expected):
    inputs, _ = make_batch(0)
    del inputs[lost]
    with pytest.raises(DataError, match=f'inputs: {lost}: .*{expected}'):
        build_tiny_voxdet().predict_logits(inputs)


def test_another_number_of_reflectances_is_refused():
    inputs, _ = make_batch(0)
    inputs['reflectance'] = [inputs['reflectance'][0][:-1]]
    with pytest.raises(DataError, match='reflectance: expected one number for each of 200 points'):
        build_tiny_voxdet().predict_logits(inputs)


def test_a_grid_that_cannot_be_halved_twice_is_refused():
    config = tiny_config()
    config.voxel_grid.shape = (16, 18, 8)
    with pytest.raises(DataError, match='multiples of 4'):
        MODELS.build(config)


def test_recomputing_gives_the_same_gradients():
    plain = build_tiny_voxdet()
    again = build_tiny_voxdet(**{
        'front_end.backbone.with_cp': True, 'front_end.neck.with_cp': True,
        'encoder.with_cp': True, 'neck.with_cp': True, 'head.with_cp': True,
    })  # fmt: skip
    again.load_state_dict(plain.state_dict())
    for model in (plain, again):
        total(model.train(), 0, 1).backward()
    for (name, one), other in zip(plain.named_parameters(), again.parameters()):
        torch.testing.assert_close(one.grad, other.grad, msg=name)
    for one, other in zip(plain.buffers(), again.buffers()):
        torch.testing.assert_close(one, other)


def test_the_fused_model_predicts_the_same():
    model = build_tiny_voxdet()
    inputs, _ = make_batch(0, 1)
    with torch.no_grad():
        model.train().forward_tensors(inputs)  # Statistics that are not 0 and 1.
    model.eval()
    expected = model.predict_logits(inputs)
    torch.testing.assert_close(
        fuse_for_inference(model).predict_logits(inputs), expected, rtol=1e-4, atol=1e-4
    )


def test_volumes_stay_contiguous():
    """Statistics of channels-last volumes are inaccurate on a CPU."""
    model = build_tiny_voxdet().train()
    odd = []

    def look(module, args, output):
        if isinstance(output, torch.Tensor) and output.dim() == 5 and not output.is_contiguous():
            odd.append(module)

    for module in model.modules():
        if isinstance(module, (torch.nn.Conv3d, torch.nn.GroupNorm, _BatchNorm)):
            module.register_forward_hook(look)
    total(model, 0, 1)
    assert not odd


def test_convolution_blocks_start_as_published():
    """Kaiming initialisation by the number of outputs; other layers keep PyTorch's own."""
    torch.manual_seed(0)
    network, neck = VolumeResNet(32), VolumeFPN(32, dict(type='GN', num_groups=8), 2, True)
    wide = (2 / (32 * 27)) ** 0.5
    for weight in (network.stages[0][0].conv1.conv.weight, neck.levels[0].fpn.conv.weight):
        assert weight.std().item() == pytest.approx(wide, rel=0.05)
    lateral = neck.levels[0].lateral.conv.weight
    assert lateral.std().item() == pytest.approx((2 / 32) ** 0.5, rel=0.1)
    plane = neck.levels[0].planes.planes['xy'].conv.weight
    assert plane.abs().max() <= (1 / 32) ** 0.5


def test_paths_are_dropped_in_training_only():
    model = build_tiny_voxdet(**{'encoder.drop_path': 0.9})
    rates = [block.drop_path.drop_prob for stage in model.encoder.stages for block in stage]
    assert rates == pytest.approx([0.0, 0.3, 0.6])
    inputs, _ = make_batch(0)
    model.eval()
    assert torch.equal(model.predict_logits(inputs), model.predict_logits(inputs))
    with torch.no_grad():
        outputs = [model.train().predict_logits(inputs) for _ in range(6)]
    assert any(not torch.equal(outputs[0], other) for other in outputs[1:])


def test_new_trainings_can_read_the_places_in_the_right_order():
    model = build_tiny_voxdet(**{'head.grid_order': 'zyx'})
    assert all(part.align_corners for part in model.head.refinements)
    assert not any(part.align_corners for part in build_tiny_voxdet().head.refinements)
    with pytest.raises(DataError, match="grid_order: expected 'xyz' or 'zyx'"):
        build_tiny_voxdet(**{'head.grid_order': 'yxz'})


WIDE = VoxelGrid(GRID.origin, GRID.voxel_size, (16, 32, 8))


def test_a_training_window_is_a_cut_of_scan_and_targets():
    """A model whose grid is the window makes the same volume; distances stay those of the whole."""
    changes = {'voxel_grid': WIDE.to_dict()}
    plain = build_tiny_voxdet(**changes).eval()
    model = build_tiny_voxdet(**changes, train_window=(16, 16)).eval()
    inputs, samples = make_batch(0, 1, grid=WIDE)
    targets = plain.head.targets(samples, WIDE.shape, 4)
    expected = []
    for start in (0, 16):
        part = WIDE.cut((0, start, 0), (16, 16, 8))
        small = build_tiny_voxdet(voxel_grid=part.to_dict()).eval()
        window = slice(0, 16), slice(start, start + 16)
        outputs = small.forward_head(small.extract_feat(inputs))
        cut = [SSCDataSample() for _ in samples]
        for one, sample in zip(cut, samples):
            one.gt_voxels = sample.gt_voxels[window]
        losses = small(inputs, cut, mode='loss')
        losses['loss_voxel_ctr'] = small.head.loss(outputs, targets.cut(*window))['loss_voxel_ctr']
        expected.append(losses)
    found = set()
    for seed in range(8):
        torch.manual_seed(seed)
        losses = model(inputs, samples, mode='loss')
        same = [
            all(torch.allclose(losses[name], one[name], rtol=1e-4)
                for name in one if 'aux' in name or name == 'loss_voxel_ctr')
            for one in expected
        ]  # fmt: skip
        assert sum(same) == 1
        found.add(same.index(True))
    assert found == {0, 1}
    assert torch.equal(model.predict_logits(inputs), plain.predict_logits(inputs))


def test_a_training_window_of_the_whole_grid_changes_nothing():
    inputs, samples = make_batch(0)
    losses = build_tiny_voxdet()(inputs, samples, mode='loss')
    again = build_tiny_voxdet(train_window=(16, 16))(inputs, samples, mode='loss')
    torch.testing.assert_close(again, losses)


def test_a_training_window_that_does_not_fit_is_refused():
    with pytest.raises(DataError, match=r'VoxDet.train_window: .*16, at most \(16, 16\)'):
        build_tiny_voxdet(train_window=(16, 32))
