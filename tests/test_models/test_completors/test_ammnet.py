"""AMMNet: losses of generator and discriminator, which of them learns in which step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from tiny_rgbd import (
    CHANNELS,
    IMAGE_SIZE,
    NUM_CLASSES,
    SHAPE,
    tiny_ammnet,
    tiny_batch,
    tiny_optimisers,
)
from torch import Tensor, nn
from torch.nn import functional

from mmssc.checkpoints import check_weights
from mmssc.engine.optim import AdversarialOptimWrapperConstructor
from mmssc.errors import DataError
from mmssc.geometry.depth_mapping import invert_mapping
from mmssc.models.adversarial.fake_labels import one_hot_volume
from mmssc.models.completors import AMMNet
from mmssc.models.layers import VolumeChange
from mmssc.registry import MODELS

DISC = tuple(f'loss_disc_{name}' for name in ('real', 'shuffled', 'erased', 'predicted'))
SEGMENTATION = dict(
    backbone=None,
    image_head=None,
    lifter=None,
    loss_2d=None,
    segmentation_encoder=dict(
        type='mmssc.SegmentationEncoder', num_segments=14, widths=(3, 8, CHANNELS)
    ),
)


class AsItIs(nn.Module):
    """A batch that is prepared already."""

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        return data


def build(seed: int = 0, **changes: Any) -> AMMNet:
    init_default_scope('mmssc')
    torch.manual_seed(seed)
    model = MODELS.build(tiny_ammnet(**changes)).train()
    model.data_preprocessor = AsItIs()
    return model


def batch_of(batch: int = 2, **kwargs: Any) -> dict[str, Any]:
    inputs, samples = tiny_batch(batch, **kwargs)
    return dict(inputs=inputs, data_samples=samples)


def segmentation_batch(batch: int = 2) -> dict[str, Any]:
    data = batch_of(batch)
    generator = torch.Generator().manual_seed(3)
    shape = (batch, *IMAGE_SIZE)
    del data['inputs']['img']
    data['inputs']['segmentation'] = torch.randint(
        0, 14, shape, generator=generator, dtype=torch.uint8
    )
    return data


def parameters(model: AMMNet) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def changed(model: AMMNet, before: dict[str, Tensor]) -> set[str]:
    return {
        name for name, value in model.named_parameters() if not torch.equal(value, before[name])
    }


def sides(model: AMMNet) -> tuple[set[str], set[str]]:
    """Names of the parameters that learn: of the generator, of the discriminator."""
    learning = {name for name, value in model.named_parameters() if value.requires_grad}
    discriminator = {name for name in learning if name.startswith('discriminator.')}
    return learning - discriminator, discriminator


@pytest.mark.parametrize('variant', ['image', 'segmentation'])
def test_each_step_changes_one_side_alone(variant: str) -> None:
    model = build(**(SEGMENTATION if variant == 'segmentation' else {}))
    data = segmentation_batch() if variant == 'segmentation' else batch_of()
    optimisers = AdversarialOptimWrapperConstructor(tiny_optimisers())(model)
    generator, discriminator = sides(model)
    states = []
    for name, wrapper in optimisers.items():
        step = wrapper.step

        def counted(step: Any = step, name: str = name) -> None:
            gradients = {key for key, p in model.named_parameters() if p.grad is not None}
            before = parameters(model)
            step()
            states.append((name, gradients, changed(model, before)))

        wrapper.step = counted
    model.train_step(data, optimisers)
    assert [state[0] for state in states] == ['discriminator', 'generator']
    for (_, gradients, moved), side in zip(states, (discriminator, generator)):
        assert gradients == side
        # A bias before batch normalisation has no effect and a gradient of rounding errors.
        assert moved == side
    assert all(p.grad is None for p in model.parameters())
    assert all(p.requires_grad for p in model.discriminator.parameters())


def test_log_has_both_totals() -> None:
    model = build()
    optimisers = AdversarialOptimWrapperConstructor(tiny_optimisers())(model)
    log = model.train_step(batch_of(), optimisers)
    assert log.keys() == {'loss', 'loss_2d', 'loss_3d', 'loss_adv', 'loss_disc', *DISC}
    torch.testing.assert_close(log['loss'], log['loss_2d'] + log['loss_3d'] + log['loss_adv'])
    torch.testing.assert_close(log['loss_disc'], sum(log[name] for name in DISC))


def test_two_passes_with_draws_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    model, passes = build(), []
    forward = model.forward_network

    def noted(inputs: dict[str, Any], change: VolumeChange | None = None) -> dict[str, Any]:
        outputs = forward(inputs, change)
        passes.append((torch.is_grad_enabled(), model.training, outputs['change']))
        return outputs

    monkeypatch.setattr(model, 'forward_network', noted)
    optimisers = AdversarialOptimWrapperConstructor(tiny_optimisers())(model)
    for _ in range(12):
        model.train_step(batch_of(), optimisers)
    assert [grad for grad, _, _ in passes] == [False, True] * 12
    assert all(training for _, training, _ in passes)
    changes = [change for _, _, change in passes]
    assert len(set(changes)) > 2
    assert any(first != second for first, second in zip(changes[::2], changes[1::2]))
    # Statistics of the generator are gathered in both passes, the discriminator's in its five.
    statistics = dict(model.named_buffers())
    assert statistics['head.unet.up1.norm.num_batches_tracked'] == 24
    assert statistics['discriminator.blocks.0.bn1.num_batches_tracked'] == 60


def test_total_is_the_sum_of_both_steps() -> None:
    """``mode='loss'`` gives generator and discriminator the gradients of their own losses."""
    model, data = build().eval(), batch_of()
    losses = model(**data, mode='loss')
    sum(losses.values()).backward()
    together = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    generator, discriminator = sides(model)
    assert together.keys() == generator | discriminator
    model.zero_grad()
    sum(model.loss(**data, step='generator').values()).backward()
    alone = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert alone.keys() == generator
    for name, gradient in alone.items():
        torch.testing.assert_close(together[name], gradient)
    assert losses.keys() == {'loss_2d', 'loss_3d', 'loss_adv', *DISC}


def test_losses_are_the_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = build().eval(), batch_of()
    labels = torch.stack([sample.gt_voxels for sample in data['data_samples']])
    weight = torch.stack([sample.label_weight for sample in data['data_samples']])
    with torch.no_grad():
        logits = model.forward_network(data['inputs'])['logits']
        losses = model.loss(**data, step='generator')
        verdict = model.discriminator(logits * weight[:, None])
        torch.testing.assert_close(
            losses['loss_adv'], 0.005 * -functional.logsigmoid(verdict).mean()
        )
        torch.manual_seed(1)
        found = model.loss(**data, step='discriminator')
        torch.manual_seed(1)
        volumes = model.annotated_volumes(labels, weight)
        real = model.discriminator(volumes['real'][0])
        torch.testing.assert_close(found['loss_disc_real'], -functional.logsigmoid(real).mean())
        for name in ('shuffled', 'erased'):
            fake = model.discriminator(volumes[name][0])
            expected = -functional.logsigmoid(-fake).mean()
            torch.testing.assert_close(found[f'loss_disc_{name}'], expected)
        torch.testing.assert_close(
            found['loss_disc_predicted'], -functional.logsigmoid(-verdict).mean()
        )


def test_annotated_volumes() -> None:
    model = build()
    samples = batch_of()['data_samples']
    labels = torch.stack([sample.gt_voxels for sample in samples])
    weight = torch.stack([sample.label_weight for sample in samples])
    known = labels.clone()
    known[(labels == 255) | ~weight] = 0
    volumes = model.annotated_volumes(labels, weight)
    assert list(volumes) == ['real', 'shuffled', 'erased']
    real, shuffled, erased = (volume for volume, _ in volumes.values())
    assert torch.equal(real, one_hot_volume(known, NUM_CLASSES))
    assert torch.equal(shuffled.sum(1), torch.ones(2, *SHAPE))
    different = (shuffled != real).any(1)
    assert different.any() and not different[known == 0].any()
    gone = erased.sum(1) == 0
    assert torch.equal(erased, real * ~gone[:, None])
    # Erased are occupied voxels outside of label_weight too, which stand for empty.
    occupied = (labels > 0) & (labels < 255)
    assert not gone[~occupied].any() and gone[occupied & ~weight].any() and gone[weight].any()


def test_scene_without_objects_is_no_fake() -> None:
    model, data = build(), batch_of()
    first, second = data['data_samples']
    first.gt_voxels[first.gt_voxels != 255] = 0
    model.eval()
    torch.manual_seed(2)
    found = model.loss(**data, step='discriminator')
    volumes = model.annotated_volumes(
        *(
            torch.stack([sample.get(name) for sample in (first, second)])
            for name in ('gt_voxels', 'label_weight')
        )
    )
    for name in ('shuffled', 'erased'):
        assert volumes[name][1].tolist() == [False, True]
    second.gt_voxels[second.gt_voxels != 255] = 0
    none = model.loss(**data, step='discriminator')
    assert none['loss_disc_shuffled'] == none['loss_disc_erased'] == 0
    assert found['loss_disc_shuffled'] > 0 and none['loss_disc_real'] > 0


@pytest.mark.parametrize('undo', [True, False])
def test_what_the_discriminator_sees_of_an_augmented_pass(undo: bool) -> None:
    """Quirk 8: aligned with the mask by default, as the authors have it on request."""
    model, data = build(undo_for_discriminator=undo).eval(), batch_of()
    weight = torch.stack([sample.label_weight for sample in data['data_samples']])
    change = VolumeChange(flips=(0,), swap=(0, 2))
    with torch.no_grad():
        outputs = model.forward_network(data['inputs'], change)
        seen = model.predicted_volume(outputs, weight)
    assert not seen[~weight[:, None].expand_as(seen)].any()
    expected = outputs['logits'] if undo else change.apply(outputs['logits'])
    assert torch.equal(seen, expected * weight[:, None])


def test_prediction_needs_no_discriminator() -> None:
    model = build().eval()
    plain = build(discriminator=None, loss_adv=None, loss_disc=None).eval()
    # A file of a training holds the discriminator.
    state = model.state_dict()
    assert any(name.startswith('discriminator.') for name in state)
    check_weights(state, plain, 'epoch_150.pth')
    plain.load_state_dict(state, strict=False)
    data = batch_of()
    for one in (model, plain):
        one(**data, mode='predict')
    with torch.no_grad():
        found = plain(data['inputs'], None, mode='tensor')
        expected = model(data['inputs'], None, mode='tensor')
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_without_a_discriminator_one_optimiser_trains_it() -> None:
    model = build(discriminator=None, loss_adv=None, loss_disc=None)
    wrapper = build_optim_wrapper(model, dict(optimizer=dict(type='AdamW', lr=1e-3)))
    log = model.train_step(batch_of(), wrapper)
    assert log.keys() == {'loss', 'loss_2d', 'loss_3d'}
    with pytest.raises(DataError, match='AMMNet.discriminator: expected a discriminator'):
        model.step_modules()


def test_optimisers_that_do_not_fit_are_refused() -> None:
    model = build()
    wrapper = build_optim_wrapper(model, dict(optimizer=dict(type='AdamW', lr=1e-3)))
    with pytest.raises(DataError, match='AdversarialOptimWrapperConstructor'):
        model.train_step(batch_of(), wrapper)
    optimisers = AdversarialOptimWrapperConstructor(tiny_optimisers())(model)
    plain = build(discriminator=None, loss_adv=None, loss_disc=None)
    with pytest.raises(DataError, match='one optimiser'):
        plain.train_step(batch_of(), optimisers)


def test_arguments_that_do_not_go_together() -> None:
    with pytest.raises(ValueError, match='loss_adv and loss_disc'):
        build(loss_adv=None)
    with pytest.raises(ValueError, match='no backbone and no image_head beside it'):
        build(segmentation_encoder=SEGMENTATION['segmentation_encoder'])


@pytest.mark.parametrize('variant', ['image', 'segmentation'])
def test_batch_equals_single_runs(variant: str) -> None:
    model = build(**(SEGMENTATION if variant == 'segmentation' else {})).eval()
    inputs = (segmentation_batch if variant == 'segmentation' else batch_of)()['inputs']
    with torch.no_grad():
        batch = model(inputs, None, mode='tensor')
        for index in range(2):
            one = model({key: value[index : index + 1] for key, value in inputs.items()}, None)
            for name, value in one.items():
                torch.testing.assert_close(value[0], batch[name][index], rtol=1e-4, atol=1e-5)
    assert batch['logits'].shape == (2, NUM_CLASSES, *SHAPE)
    assert ('logits_2d' in batch) == (variant == 'image')


def test_segmentation_is_lifted_by_the_mapping() -> None:
    model, inputs = build(**SEGMENTATION).eval(), segmentation_batch()['inputs']
    with torch.no_grad():
        volume = model.image_volume(inputs)['volume']
        expected = model.segmentation_encoder(inputs['segmentation'], inputs['voxel_to_pixel'])
        assert torch.equal(volume, expected)
        # With a map of the image's pixels, that one counts.
        pixel_to_voxel = invert_mapping(inputs['voxel_to_pixel'], IMAGE_SIZE)
        straight = dict(inputs, pixel_to_voxel=pixel_to_voxel)
        flipped = dict(inputs, segmentation=inputs['segmentation'].flip(2))
        flipped['pixel_to_voxel'] = pixel_to_voxel.flip(2)
        torch.testing.assert_close(
            model.image_volume(flipped)['volume'], model.image_volume(straight)['volume']
        )
    with pytest.raises(DataError, match='segmentation'):
        model.image_volume({k: v for k, v in inputs.items() if k != 'segmentation'})


def test_mixed_precision() -> None:
    model = build()
    wrappers = tiny_optimisers(type='mmssc.AutocastOptimWrapper')
    optimisers = AdversarialOptimWrapperConstructor(wrappers)(model)
    before = parameters(model)
    log = model.train_step(batch_of(), optimisers)
    assert all(value.dtype == torch.float32 and value.isfinite() for value in log.values())
    generator, discriminator = sides(model)
    assert changed(model, before) == generator | discriminator


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@pytest.mark.parametrize('precision', ['OptimWrapper', 'AmpOptimWrapper', 'AutocastOptimWrapper'])
def test_on_a_gpu(precision: str) -> None:
    model, data = build().cuda(), batch_of()
    data['inputs'] = {key: value.cuda() for key, value in data['inputs'].items()}
    data['data_samples'] = [sample.cuda() for sample in data['data_samples']]
    optimisers = AdversarialOptimWrapperConstructor(tiny_optimisers(type=precision))(model)
    before = parameters(model)
    # float16: the loss scale halves until no gradient overflows, and these steps change nothing.
    for _ in range(20 if precision == 'AmpOptimWrapper' else 3):
        log = model.train_step(data, optimisers)
    assert all(value.isfinite() for value in log.values())
    generator, discriminator = sides(model)
    assert changed(model, before) == generator | discriminator
