"""The RGB-D network: losses, augmentation, mapping, sizes."""

from __future__ import annotations

import pytest
import torch
from mmengine.registry import init_default_scope
from tiny_rgbd import CROSS_ENTROPY, IMAGE_SIZE, NUM_CLASSES, SHAPE, tiny_batch, tiny_network
from torch.nn import functional

from mmssc.errors import DataError
from mmssc.geometry.depth_mapping import invert_mapping
from mmssc.models.completors import RGBDCompletor
from mmssc.models.completors.rgbd_completor import labels_of_pixels
from mmssc.models.layers import VolumeChange
from mmssc.registry import MODELS
from mmssc.structures import VoxelGrid


def build(seed: int = 0, **changes) -> RGBDCompletor:
    init_default_scope('mmssc')
    torch.manual_seed(seed)
    return MODELS.build(tiny_network(**changes))


def test_batch_equals_single_runs() -> None:
    model, (inputs, _) = build().eval(), tiny_batch(3)
    with torch.no_grad():
        batch = model(inputs, None, mode='tensor')
        for index in range(3):
            one = model({key: value[index : index + 1] for key, value in inputs.items()}, None)
            for name, value in one.items():
                torch.testing.assert_close(value[0], batch[name][index], rtol=1e-4, atol=1e-6)
    assert batch['logits'].shape == (3, NUM_CLASSES, *SHAPE)
    assert (batch['logits'][0] - batch['logits'][1]).abs().max() > 1e-3


def test_losses_are_the_papers() -> None:
    """Written out with PyTorch's own cross entropy over the voxels and pixels of the batch."""
    model, (inputs, samples) = build().eval(), tiny_batch()
    losses = model(inputs, samples, mode='loss')
    tensors = model(inputs, None, mode='tensor')
    labels = torch.stack([sample.gt_voxels for sample in samples]).long()
    weight = torch.stack([sample.label_weight for sample in samples])
    rows = tensors['logits'].movedim(1, -1)[weight]
    options = dict(ignore_index=255, label_smoothing=0.2)
    expected = functional.cross_entropy(rows, labels[weight], **options)
    torch.testing.assert_close(losses['loss_3d'], expected)
    pixel_to_voxel = invert_mapping(inputs['voxel_to_pixel'], IMAGE_SIZE)
    hit = pixel_to_voxel >= 0
    rows = tensors['logits_2d'].movedim(1, -1)[hit]
    targets = torch.cat([labels[i].flatten()[pixel_to_voxel[i][hit[i]]] for i in range(2)])
    expected = 0.25 * functional.cross_entropy(rows, targets, **options)
    torch.testing.assert_close(losses['loss_2d'], expected)


def test_weights_of_the_losses_are_settings() -> None:
    inputs, samples = tiny_batch()
    small = build().eval()(inputs, samples, mode='loss')
    changes = dict(loss_2d=dict(CROSS_ENTROPY, loss_weight=1.0), loss_3d=None)
    full = build(**changes).eval()(inputs, samples, mode='loss')
    assert full.keys() == {'loss_2d'}
    torch.testing.assert_close(full['loss_2d'], 4 * small['loss_2d'])


def test_every_parameter_but_the_encoders_learns() -> None:
    model, (inputs, samples) = build().train(), tiny_batch()
    total, _ = model.parse_losses(model(inputs, samples, mode='loss'))
    total.backward()
    for name, parameter in model.named_parameters():
        learns = parameter.grad is not None and bool(parameter.grad.any())
        assert learns != name.startswith('backbone.'), name


def test_augmentation_is_undone_on_the_logits() -> None:
    """A head that looks at single voxels cannot tell a flipped volume from the other."""

    class PointHead(torch.nn.Module):
        def forward(self, volume, tsdf_feat):
            return (volume + 2 * tsdf_feat)[:, :NUM_CLASSES]

    model, (inputs, _) = build().eval(), tiny_batch(1)
    model.head = PointHead()
    plain = model.forward_network(inputs)
    change = VolumeChange((0, 2), (0, 2))
    changed = model.forward_network(inputs, change)
    torch.testing.assert_close(changed['logits'], plain['logits'])
    assert not torch.equal(changed['augmented_logits'], plain['augmented_logits'])
    torch.testing.assert_close(changed['tsdf_feat'], plain['tsdf_feat'])


def test_augmentation_is_drawn_once_per_batch_in_training_only() -> None:
    model, (inputs, _) = build(), tiny_batch(1)
    model.augmentation.prob = 1.0
    with torch.no_grad():
        assert model.train().forward_network(inputs)['change'] == VolumeChange((0, 2))
        assert model.eval().forward_network(inputs)['change'] == VolumeChange()
    assert build(augmentation=None).train().forward_network(inputs)['change'] == VolumeChange()


@pytest.mark.parametrize('source', ['tsdf', 'tsdf_clean'])
def test_tsdf_source_is_a_setting(source: str) -> None:
    model, (inputs, _) = build(tsdf_source=source).eval(), tiny_batch(1)
    with torch.no_grad():
        expected = model(inputs, None)['logits']
        other = {'tsdf': 'tsdf_clean', 'tsdf_clean': 'tsdf'}[source]
        assert torch.equal(model({**inputs, other: inputs[other] + 1}, None)['logits'], expected)
        del inputs[other]
        assert torch.equal(model(inputs, None)['logits'], expected)
        del inputs[source]
        with pytest.raises(DataError, match=f'{source}: expected a TSDF volume'):
            model(inputs, None)


def test_unknown_tsdf_source_is_refused() -> None:
    with pytest.raises(ValueError, match='tsdf_source'):
        build(tsdf_source='tsdf_cad')


def test_mapping_of_the_augmented_image_goes_first() -> None:
    model, (inputs, _) = build().eval(), tiny_batch(1)
    mirrored = {**inputs, 'img': inputs['img'].flip(-1)}
    mirrored['pixel_to_voxel'] = invert_mapping(inputs['voxel_to_pixel'], IMAGE_SIZE).flip(-1)
    with torch.no_grad():
        # Both are needed to agree about which voxels see something.
        filled = [model(batch, None)['volume'] for batch in (inputs, mirrored)]
        assert not torch.equal(*filled)
    counts = [(model.lifter.lift(torch.ones(1, 1, 12, 16), IMAGE_SIZE, model.voxel_to_pixel(
        model.pixel_to_voxel(batch))) != 0) for batch in (inputs, mirrored)]  # fmt: skip
    assert torch.equal(*counts) and counts[0].any()


def test_shared_pixels_and_voxels_go_to_the_last() -> None:
    model = build()
    voxel_to_pixel = torch.full((1, *SHAPE), -1)
    voxel_to_pixel.view(-1)[[5, 9, 40]] = 77
    pixel_to_voxel = model.pixel_to_voxel(dict(
        voxel_to_pixel=voxel_to_pixel, img=torch.zeros(1, 1, 3, *IMAGE_SIZE)
    ))  # fmt: skip
    assert pixel_to_voxel.view(-1)[77] == 40 and (pixel_to_voxel >= 0).sum() == 1
    pixel_to_voxel.view(-1)[[3, 200]] = 40  # an enlarged image shows the voxel several times
    assert model.voxel_to_pixel(pixel_to_voxel).view(-1)[40] == 200


def test_labels_of_pixels() -> None:
    labels = torch.arange(8, dtype=torch.uint8).view(1, 2, 2, 2)
    mapping = torch.tensor([[[-1, 7], [0, 3]]])
    assert labels_of_pixels(labels, mapping).tolist() == [[[255, 7], [0, 3]]]


@pytest.mark.parametrize('shape, size', [((8, 4, 12), (32, 40)), ((12, 8, 8), (50, 70))])
def test_other_grids_and_images(shape: tuple, size: tuple) -> None:
    grid = dict(origin=(0, 0, 0), voxel_size=0.1, shape=shape, axes=('x', 'z', 'y'), frame='world')
    model = build(voxel_grid=grid).eval()
    mapping = torch.full((1, *shape), -1)
    mapping.view(-1)[::3] = torch.arange(len(mapping.view(-1)[::3]))
    inputs = dict(img=torch.randn(1, 1, 3, *size), tsdf=torch.randn(1, 1, *shape))
    with torch.no_grad():
        tensors = model({**inputs, 'voxel_to_pixel': mapping}, None)
    assert tensors['logits'].shape[2:] == shape and tensors['logits_2d'].shape[2:] == size


def test_grid_of_a_frame_may_lie_elsewhere_but_not_differ() -> None:
    model, (inputs, samples) = build().eval(), tiny_batch(1)
    grid = model.voxel_grid.to_dict()
    samples[0].set_metainfo(dict(voxel_grid=VoxelGrid.build({**grid, 'origin': (1.0, 2, 3)})))
    assert model(inputs, samples, mode='predict')[0].pred_voxels.shape == SHAPE
    samples[0].set_metainfo(dict(voxel_grid=VoxelGrid.build({**grid, 'voxel_size': 0.1})))
    with pytest.raises(DataError, match='voxel_grid'):
        model(inputs, samples, mode='predict')


def test_wrong_inputs_and_targets_are_named() -> None:
    model, (inputs, samples) = build().eval(), tiny_batch(1)
    with pytest.raises(DataError, match='tsdf: expected'):
        model({**inputs, 'tsdf': torch.zeros(1, 1, 4, 4, 4)}, None)
    without = {key: value for key, value in inputs.items() if key != 'voxel_to_pixel'}
    with pytest.raises(DataError, match='pixel_to_voxel: expected a mapping'):
        model(without, None)
    del samples[0].label_weight
    with pytest.raises(DataError, match='label_weight'):
        model(inputs, samples, mode='loss')


def test_resnet_in_place_of_the_transformer() -> None:
    backbone = dict(type='mmseg.ResNet', depth=18, frozen_stages=4, norm_eval=True)
    head = dict(tiny_network()['image_head'], in_channels=(64, 128, 256, 512))
    model, (inputs, samples) = build(backbone=backbone, image_head=head).train(), tiny_batch()
    losses = model(inputs, samples, mode='loss')
    sum(losses.values()).backward()
    assert all(value.isfinite() for value in losses.values())
    frozen = {n.split('.')[0] for n, p in model.named_parameters() if not p.requires_grad}
    assert frozen == {'backbone'}
