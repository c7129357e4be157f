"""3D-Sketch: losses, samples, frozen backbone, batches, precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.registry import init_default_scope
from tiny_rgbd import IMAGE_SIZE, NUM_CLASSES, SHAPE, assert_trains_in_bfloat16, tiny_batch
from tiny_sketch import LATENT, tiny_sketch
from torch import Tensor
from torch.nn import functional

from mmssc.errors import DataError
from mmssc.geometry import label_sketch
from mmssc.models.completors import SketchCompletor
from mmssc.models.layers import VolumeChange
from mmssc.parity.sketch.recipe import sketch_losses
from mmssc.registry import MODELS

CODE = (LATENT, *(side // 4 for side in SHAPE))


def build(seed: int = 0, **changes: Any) -> SketchCompletor:
    init_default_scope('mmssc')
    torch.manual_seed(seed)
    return MODELS.build(tiny_sketch(**changes))


def one_of(inputs: dict, index: int) -> dict:
    return {key: value[index : index + 1] for key, value in inputs.items()}


def with_mean_codes(inputs: dict) -> dict:
    zeros = torch.zeros(4, len(inputs['tsdf']), *CODE)
    return {**inputs, 'sketch_codes': zeros, 'sketch_noise': zeros}


def test_batch_equals_single_runs() -> None:
    """The random codes too: they depend on the frame, not on its place in the batch."""
    model, (inputs, samples) = build(test_cfg=dict(keep_logits=True)).eval(), tiny_batch(3)
    together = [s.voxel_logits.clone() for s in model(inputs, samples, mode='predict')]
    for index in (2, 0, 1):
        alone = model(one_of(inputs, index), samples[index : index + 1], mode='predict')[0]
        torch.testing.assert_close(alone.voxel_logits, together[index], rtol=1e-4, atol=1e-5)
    assert together[0].shape == (NUM_CLASSES, *SHAPE)
    assert (together[0] - together[1]).abs().max() > 1e-3


def test_prediction_is_repeatable_and_depends_on_the_seed() -> None:
    cvae = dict(latent_channels=LATENT)
    inputs, samples = tiny_batch(1)

    def prior(seed: int) -> torch.Tensor:
        head = dict(tiny_sketch()['sketch_head'], cvae=dict(cvae, seed=seed))
        model = build(sketch_head=head).eval()
        torch.manual_seed(seed + 50)
        with torch.no_grad():
            return model(inputs, samples, mode='tensor')['sketch_prior']

    assert torch.equal(prior(0), prior(0)) and not torch.equal(prior(0), prior(1))


def test_mean_sampling_is_the_prior_mean() -> None:
    cvae = dict(latent_channels=LATENT, sampling='mean')
    head = dict(tiny_sketch()['sketch_head'], cvae=cvae)
    model, (inputs, _) = build(sketch_head=head).eval(), tiny_batch(2)
    drawn = build().eval()
    drawn.load_state_dict(model.state_dict())
    with torch.no_grad():
        found = model(inputs, None)
        expected = drawn({**inputs, 'sketch_codes': torch.zeros(1, 2, *CODE)}, None)
        assert torch.equal(found['logits'], expected['logits'])
        assert not torch.equal(found['logits'], drawn(inputs, None)['logits'])


def test_losses_are_the_papers() -> None:
    """Written out with PyTorch's own cross entropy; unknown voxels count in one divisor."""
    model, (inputs, samples) = build().eval(), tiny_batch()
    inputs = with_mean_codes(inputs)
    losses = model(inputs, samples, mode='loss')
    labels = torch.stack([sample.gt_voxels for sample in samples])
    weight = torch.stack([sample.label_weight for sample in samples])
    sketch = label_sketch(labels)
    outputs = model.forward_network({**inputs, 'true_sketch': sketch})
    rows = outputs['logits'].movedim(1, -1)[weight]
    total = functional.cross_entropy(rows, labels[weight].long(), ignore_index=255, reduction='sum')
    assert (labels[weight] == 255).any()
    torch.testing.assert_close(losses['loss_3d'], total / weight.sum())
    rows = outputs['sketch_raw'].movedim(1, -1)[weight]
    expected = functional.cross_entropy(rows, sketch[weight].long())
    torch.testing.assert_close(losses['loss_sketch_raw'], expected)
    assert losses.keys() == {'loss_3d', 'loss_kl', 'loss_sketch_raw', 'loss_sketch_prior',
                             'loss_sketch_posterior'}  # fmt: skip


def test_divisor_may_leave_unknown_voxels_out() -> None:
    (inputs, samples), losses = tiny_batch(), []
    for setting in (True, False):
        model = build(ignored_in_divisor=setting).eval()
        losses.append(model(inputs, samples, mode='loss')['loss_3d'])
    weight = torch.stack([sample.label_weight for sample in samples])
    labels = torch.stack([sample.gt_voxels for sample in samples])
    share = (weight & (labels != 255)).sum() / weight.sum()
    torch.testing.assert_close(losses[0], losses[1] * share)


def test_batch_without_any_voxel_to_learn_from() -> None:
    model, (inputs, samples) = build().train(), tiny_batch(1)
    samples[0].label_weight[:] = False
    losses = model(inputs, samples, mode='loss')
    assert all(losses[name] == 0 for name in losses if name != 'loss_kl')
    model.parse_losses(losses)[0].backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_class_weights_are_a_setting() -> None:
    model, (inputs, samples) = build().eval(), tiny_batch(1)
    inputs = with_mean_codes(inputs)
    doubled = dict(sketch_losses()['loss_3d'], class_weight=(2.0,) * NUM_CLASSES)
    found = build(loss_3d=doubled).eval()(inputs, samples, mode='loss')['loss_3d']
    torch.testing.assert_close(found, 2 * model(inputs, samples, mode='loss')['loss_3d'])


def test_loss_scale_is_of_the_sum_and_not_of_the_log() -> None:
    values = dict(loss_a=torch.tensor(2.0), loss_b=torch.tensor(3.0))
    total, log = build(loss_scale=0.5).parse_losses(values)
    assert total == 2.5 and log['loss'] == 5 and log['loss_a'] == 2
    assert build().parse_losses(values)[0] == 5


@pytest.mark.parametrize('unknown', ['empty', 'ignore'])
def test_sketch_is_that_of_the_file_or_computed(unknown: str) -> None:
    model, (_, samples) = build(sketch_unknown=unknown), tiny_batch()
    labels = torch.stack([sample.gt_voxels for sample in samples])
    expected = label_sketch(labels, unknown=unknown)
    assert torch.equal(model.targets(samples)['sketch'], expected)
    assert (expected == 255).any() == (unknown == 'ignore')
    for sample in samples:
        sample.gt_sketch = torch.zeros(SHAPE, dtype=torch.uint8)
    # What the authors' files say cannot leave unknown voxels out.
    assert torch.equal(model.targets(samples)['sketch'], expected) == (unknown == 'ignore')


def test_unknown_voxels_may_leave_the_sketch_losses() -> None:
    inputs, samples = tiny_batch()
    inputs = with_mean_codes(inputs)
    first, second = (
        build(sketch_unknown=unknown).eval()(inputs, samples, mode='loss')
        for unknown in ('empty', 'ignore')
    )
    assert first['loss_3d'] == second['loss_3d']
    assert first['loss_sketch_raw'] != second['loss_sketch_raw']


def test_every_parameter_but_the_backbones_learns() -> None:
    model, (inputs, samples) = build().train(), tiny_batch()
    total, _ = model.parse_losses(model(inputs, samples, mode='loss'))
    total.backward()
    for name, parameter in model.named_parameters():
        learns = parameter.grad is not None and bool(parameter.grad.any())
        assert learns == parameter.requires_grad == (not name.startswith('backbone.')), name


@pytest.mark.parametrize('norm_eval', [False, True])
def test_frozen_backbone_may_drift(norm_eval: bool) -> None:
    backbone = dict(tiny_sketch()['backbone'], norm_eval=norm_eval)
    model, (inputs, samples) = build(backbone=backbone).train(), tiny_batch()
    before = model.backbone.layer4[0].bn1.running_mean.clone()
    model(inputs, samples, mode='loss')
    after = model.backbone.layer4[0].bn1.running_mean
    assert torch.equal(before, after) == norm_eval
    assert not any(p.requires_grad for p in model.backbone.parameters())
    assert all(p.requires_grad for p in build(freeze_backbone=False).backbone.parameters())


def test_the_backbone_gets_channels_last_images_on_a_cpu() -> None:
    model, (inputs, _) = build(), tiny_batch()
    orders = []
    model.backbone.register_forward_pre_hook(lambda _, args: orders.append(args[0].stride(1)))
    model.image_volume(inputs)
    assert orders == [1]


def test_image_features_are_read_at_the_mapped_pixels() -> None:
    """As resizing to the whole image (aligned corners) and gathering; shared pixels are read."""
    model, (inputs, _) = build().eval(), tiny_batch()
    inputs['voxel_to_pixel'][0, 0, 0, :2] = 77
    with torch.no_grad():
        features = model.image_volume(inputs)
        full = functional.interpolate(
            features['feat2d'], IMAGE_SIZE, mode='bilinear', align_corners=True
        ).flatten(2)
        full = torch.cat([full, full.new_zeros(2, full.shape[1], 1)], dim=2)
        index = inputs['voxel_to_pixel'].flatten(1)
        index = index.where(index >= 0, full.shape[2] - 1)
        dense = full.gather(2, index[:, None].expand(-1, full.shape[1], -1))
        dense = dense.unflatten(2, SHAPE)
    mean = functional.avg_pool3d(dense, 3, stride=1, padding=1)
    expected = dense + (dense == 0) * mean
    torch.testing.assert_close(features['volume'], expected, rtol=1e-4, atol=1e-5)
    lifted = model.lifter.lift(features['feat2d'], IMAGE_SIZE, inputs['voxel_to_pixel'])
    assert lifted[0, :, 0, 0, 0].any()
    assert torch.equal(lifted[0, :, 0, 0, 0], lifted[0, :, 0, 0, 1])


def test_augmentation_is_undone_on_the_logits() -> None:
    """A head that looks at single voxels cannot tell a flipped volume from the other."""

    class PointHead(torch.nn.Module):
        def forward(self, volume: Tensor, sketch_raw: Tensor, sketch_prior: Tensor) -> Tensor:
            return volume[:, :2] + 2 * sketch_raw + 3 * sketch_prior

    model, (inputs, _) = build().eval(), tiny_batch(1)
    model.head = PointHead()
    with torch.no_grad():
        plain = model.forward_network(inputs)
        changed = model.forward_network(inputs, VolumeChange((0, 2), (0, 2)))
    torch.testing.assert_close(changed['logits'], plain['logits'])
    assert not torch.equal(changed['augmented_logits'], plain['augmented_logits'])
    assert torch.equal(changed['sketch_raw'], plain['sketch_raw'])


def test_trains_and_predicts_in_bfloat16() -> None:
    assert_trains_in_bfloat16(build())


def test_backbone_starts_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / 'imagenet.pth'
    backbone = dict(
        tiny_sketch()['backbone'], init_cfg=dict(type='Pretrained', checkpoint=str(file))
    )
    model = build(backbone=backbone)
    with pytest.raises(
        DataError, match=r'imagenet\.pth: expected pretrained weights of backbone, found no file'
    ):
        model.init_weights()
    expected = {name: value + 1 for name, value in model.backbone.state_dict().items()}
    torch.save(expected, file)
    model = build(backbone=backbone)
    model.init_weights()
    found = model.backbone.state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_wrong_inputs_and_settings_are_named() -> None:
    model, (inputs, samples) = build().eval(), tiny_batch(1)
    del inputs['voxel_to_pixel']
    with pytest.raises(DataError, match='voxel_to_pixel: expected a mapping'):
        model(inputs, None)
    with pytest.raises(ValueError, match='sketch_unknown'):
        build(sketch_unknown='maybe')
    del samples[0].label_weight
    with pytest.raises(DataError, match='label_weight'):
        model(inputs, samples, mode='loss')
