"""A tiny network of CleanerS and AMMNet, and batches for it."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.optim import build_optim_wrapper

from mmssc.structures import SSCDataSample

SHAPE = (16, 12, 16)
IMAGE_SIZE = (48, 64)
NUM_CLASSES = 5
CHANNELS = 16
CROSS_ENTROPY = dict(type='mmssc.VoxelCrossEntropyLoss', label_smoothing=0.2, reduction='batch')


def tiny_network(**changes: Any) -> dict[str, Any]:
    """Config of an RGBDCompletor; ``changes`` replace whole arguments."""
    network = dict(
        type='mmssc.RGBDCompletor',
        voxel_grid=dict(
            origin=(0, 0, 0), voxel_size=0.3, shape=SHAPE, axes=('x', 'z', 'y'), frame='world'
        ),
        backbone=dict(type='mmssc.MiT', embed_dims=8, num_layers=(1, 1, 1, 1)),
        image_head=dict(
            type='mmssc.ImageSemanticHead',
            in_channels=(8, 16, 40, 64),
            channels=CHANNELS,
            num_classes=NUM_CLASSES,
        ),
        lifter=dict(type='mmssc.DepthMappedLifter', align_corners=False),
        tsdf_encoder=dict(type='mmssc.TSDFEncoder', widths=(1, 3, 8, CHANNELS)),
        head=dict(type='mmssc.VolumeCompletionHead', channels=CHANNELS, num_classes=NUM_CLASSES),
        augmentation=dict(type='mmssc.VolumeAugmentation'),
        loss_2d=dict(CROSS_ENTROPY, loss_weight=0.25),
        loss_3d=CROSS_ENTROPY,
    )
    return {**network, **changes}


def tiny_batch(batch: int = 2, seed: int = 0) -> tuple[dict[str, torch.Tensor], list]:
    """Inputs, one mapping per sample, and data samples with targets."""
    generator = torch.Generator().manual_seed(seed)
    num_voxels = SHAPE[0] * SHAPE[1] * SHAPE[2]
    mapping = torch.full((batch, num_voxels), -1)
    samples = []
    for index in range(batch):
        voxels = torch.randperm(num_voxels, generator=generator)[:300]
        pixels = IMAGE_SIZE[0] * IMAGE_SIZE[1]
        mapping[index, voxels] = torch.randint(0, pixels, (300,), generator=generator)
        sample = SSCDataSample(metainfo=dict(sequence='tiny', frame_id=str(index)))
        labels = torch.randint(0, NUM_CLASSES, SHAPE, generator=generator, dtype=torch.uint8)
        labels[torch.rand(SHAPE, generator=generator) < 0.1] = 255
        sample.gt_voxels = labels
        sample.label_weight = torch.rand(SHAPE, generator=generator) < 0.6
        samples.append(sample)
    volume = (batch, 1, *SHAPE)
    inputs = dict(
        img=torch.randn(batch, 1, 3, *IMAGE_SIZE, generator=generator),
        tsdf=torch.rand(volume, generator=generator) * 2 - 1,
        tsdf_clean=torch.rand(volume, generator=generator) * 2 - 1,
        voxel_to_pixel=mapping.view(batch, *SHAPE),
    )
    return inputs, samples


def tiny_ammnet(**changes: Any) -> dict[str, Any]:
    """Config of an AMMNet; ``changes`` replace whole arguments."""
    arguments = dict(
        type='mmssc.AMMNet',
        head=dict(type='mmssc.ModulatedCompletionHead', channels=CHANNELS, num_classes=NUM_CLASSES),
        augmentation=dict(type='mmssc.VolumeAugmentation', flip_axes=(0, 2), swap_axes=(0, 2)),
        discriminator=dict(type='mmssc.VolumeDiscriminator', channels=8, hidden=8),
        loss_adv=dict(type='mmssc.AdversarialLoss', loss_weight=0.005),
        loss_disc=dict(type='mmssc.AdversarialLoss'),
    )
    return tiny_network(**{**arguments, **changes})


def tiny_optimisers(**changes: Any) -> dict[str, Any]:
    """Config of both optimisers of an AMMNet; ``changes`` are for both."""
    one = dict(
        optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
        paramwise_cfg=dict(flat_decay_mult=0.0),
        clip_grad=dict(max_norm=10, norm_type=2),
    )
    return dict(generator={**one, **changes}, discriminator={**one, **changes})


def assert_trains_in_bfloat16(model: torch.nn.Module) -> None:
    """One step as ``tools/train.py --amp`` does it: every learning weight moves.

    The losses are float32, and a prediction comes close to the exact one.
    """
    inputs, samples = tiny_batch()
    model.eval()
    with torch.no_grad():
        full = model(inputs, None)['logits']
        with torch.autocast('cpu', dtype=torch.bfloat16):
            low = model(inputs, None)['logits']
    assert low.dtype == torch.bfloat16
    assert (low.float() - full).abs().mean() < 0.05 * full.std()
    wrapper = build_optim_wrapper(
        model, dict(type='AutocastOptimWrapper', optimizer=dict(type='SGD', lr=0.1))
    )
    before = {name: p.detach().clone() for name, p in model.train().named_parameters()}
    with wrapper.optim_context(model):
        losses = model(inputs, samples, mode='loss')
    assert all(value.dtype == torch.float32 and value.isfinite() for value in losses.values())
    wrapper.update_params(model.parse_losses(losses)[0])
    for name, parameter in model.named_parameters():
        assert parameter.isfinite().all(), name
        assert torch.equal(parameter, before[name]) != parameter.requires_grad, name
