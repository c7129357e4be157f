"""Inputs of the parity cases of CleanerS and AMMNet, from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmssc.geometry.depth_mapping import invert_mapping
from mmssc.parity import reference_fill as fill
from mmssc.structures import SSCDataSample

__all__ = [
    'IMAGE_SIZE', 'NUM_CLASSES', 'SHAPE', 'RGBDCaseInputs', 'SyntheticBatch', 'make_inputs',
    'make_labels', 'make_mapping', 'make_sample', 'synthetic_batch',
]  # fmt: skip

SHAPE = (60, 36, 60)
IMAGE_SIZE = (480, 640)
NUM_CLASSES = 12
IGNORE = 255
_NUM_VOXELS = 60 * 36 * 60
_NUM_PIXELS = 480 * 640
_MAPPED, _SHARED = 8192, 64


@dataclass(frozen=True)
class RGBDCaseInputs:
    """The network case of a file, batch of one.

    Args:
        inputs: ``img`` (1, 1, 3, H, W) normalised, ``tsdf`` and ``tsdf_clean`` (1, 1, X, Y, Z),
            ``voxel_to_pixel`` (1, X, Y, Z) and ``pixel_to_voxel`` (1, H, W), -1 = none.
        sample: With ``gt_voxels`` and ``label_weight``.
    """

    inputs: dict[str, Tensor]
    sample: SSCDataSample

    def to(self, device: str) -> RGBDCaseInputs:
        """The same on another device."""
        inputs = {key: value.to(device) for key, value in self.inputs.items()}
        return RGBDCaseInputs(inputs, self.sample.to(device))


@dataclass(frozen=True)
class SyntheticBatch:
    """Two samples with targets and logits, no network.

    Args:
        samples: With ``gt_voxels`` and ``label_weight``.
        voxel_to_pixel: (2, X, Y, Z), -1 = none.
        pixel_to_voxel: (2, H, W), -1 = none.
        logits_3d: (2, K, X, Y, Z), noise and the one-hot label.
        logits_2d: (2, K, H, W), noise.
    """

    samples: list[SSCDataSample]
    voxel_to_pixel: Tensor
    pixel_to_voxel: Tensor
    logits_3d: Tensor
    logits_2d: Tensor

    def to(self, device: str) -> SyntheticBatch:
        """The same on another device."""
        tensors = (self.voxel_to_pixel, self.pixel_to_voxel, self.logits_3d, self.logits_2d)
        samples = [sample.to(device) for sample in self.samples]
        return SyntheticBatch(samples, *(tensor.to(device) for tensor in tensors))


def make_mapping(seed: int, tag: str = '') -> tuple[Tensor, Tensor]:
    """8192 voxels with a pixel; 64 share one: (X, Y, Z) and (H, W) int64, -1 = none."""
    voxels = _order(f'mapping_voxel{tag}', _NUM_VOXELS, seed)[:_MAPPED]
    pixels = _order(f'mapping_pixel{tag}', _NUM_PIXELS, seed)[:_MAPPED]
    pixels[-_SHARED:] = pixels[:_SHARED]
    mapping = np.full(_NUM_VOXELS, -1)
    mapping[voxels] = pixels
    voxel_to_pixel = torch.from_numpy(mapping).view(SHAPE)
    return voxel_to_pixel, invert_mapping(voxel_to_pixel, IMAGE_SIZE)


def _order(name: str, count: int, seed: int) -> np.ndarray:
    return np.argsort(fill.uniform(name, (count,), seed), kind='stable')


def make_labels(seed: int, tag: str = '') -> Tensor:
    """Blocks of 4x4x4 voxels of one class, every second empty, 5 % ignored: (X, Y, Z) uint8."""
    blocks = fill.integers(f'label_block{tag}', tuple(side // 4 for side in SHAPE), seed, 0, 24)
    blocks = np.where(blocks >= NUM_CLASSES, 0, blocks)
    labels = blocks.repeat(4, 0).repeat(4, 1).repeat(4, 2).reshape(-1)
    ignored = fill.uniform(f'label_ignore{tag}', (_NUM_VOXELS,), seed) < np.float32(0.05)
    return torch.from_numpy(np.where(ignored, IGNORE, labels).astype(np.uint8)).view(SHAPE)


def make_sample(seed: int, tag: str = '') -> SSCDataSample:
    """Labels and ``label_weight`` (60 % of the voxels)."""
    weight = fill.uniform(f'label_weight{tag}', (_NUM_VOXELS,), seed) < np.float32(0.6)
    sample = SSCDataSample(metainfo=dict(sequence='parity', frame_id=f'{seed}{tag}'))
    sample.gt_voxels = make_labels(seed, tag)
    sample.label_weight = torch.from_numpy(weight).view(SHAPE)
    return sample


def make_inputs(seed: int) -> RGBDCaseInputs:
    """Inputs of the network case."""
    voxel_to_pixel, pixel_to_voxel = make_mapping(seed)
    volume = (1, 1, *SHAPE)
    inputs = dict(
        img=torch.from_numpy(fill.normal('img', (1, 3, *IMAGE_SIZE), seed))[:, None],
        tsdf=torch.from_numpy(fill.uniform('tsdf', volume, seed, -1, 1)),
        tsdf_clean=torch.from_numpy(fill.uniform('tsdf_cad', volume, seed, -1, 1)),
        voxel_to_pixel=voxel_to_pixel[None],
        pixel_to_voxel=pixel_to_voxel[None],
    )
    return RGBDCaseInputs(inputs, make_sample(seed))


def synthetic_batch(seed: int, name: str = 'synth_logits3d', signal: float = 1.5) -> SyntheticBatch:
    """The synthetic batch of two.

    Args:
        seed: Seed of the case.
        name: Name of the noise of the 3D logits.
        signal: Factor of the one-hot label (ignored voxels count as empty) added to it.
    """
    tags = ('_s0', '_s1')
    samples = [make_sample(seed, tag) for tag in tags]
    mappings = [make_mapping(seed, tag) for tag in tags]
    labels = torch.stack([sample.gt_voxels for sample in samples]).long()
    labels = labels.masked_fill(labels == IGNORE, 0)
    one_hot = torch.nn.functional.one_hot(labels, NUM_CLASSES).movedim(-1, 1).float()
    noise_3d = torch.from_numpy(fill.normal(name, (2, NUM_CLASSES, *SHAPE), seed))
    noise_2d = torch.from_numpy(fill.normal('synth_logits2d', (2, NUM_CLASSES, *IMAGE_SIZE), seed))
    return SyntheticBatch(
        samples,
        torch.stack([pair[0] for pair in mappings]),
        torch.stack([pair[1] for pair in mappings]),
        noise_3d + signal * one_hot,
        noise_2d,
    )
