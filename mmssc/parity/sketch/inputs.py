"""Inputs of the parity cases of 3D-Sketch, from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmssc.geometry.sketch import label_sketch
from mmssc.parity import reference_fill as fill
from mmssc.parity.report import ParityCase, ParityReport
from mmssc.parity.rgbd.inputs import IMAGE_SIZE, NUM_CLASSES, SHAPE
from mmssc.structures import SSCDataSample

__all__ = ['SketchCaseInputs', 'check_inputs', 'make_inputs', 'repeat_each']

_IGNORE = 255
_NUM_VOXELS = SHAPE[0] * SHAPE[1] * SHAPE[2]
_NUM_PIXELS = IMAGE_SIZE[0] * IMAGE_SIZE[1]
_MAPPED = 30000
_QUARTER = tuple(side // 4 for side in SHAPE)
_NUM_SAMPLES, _LATENT = 4, 16


@dataclass(frozen=True)
class SketchCaseInputs:
    """The network case of a file.

    Args:
        inputs: ``img`` (B, 1, 3, H, W) normalised, ``tsdf`` (B, 1, X, Y, Z), ``voxel_to_pixel``
            (B, X, Y, Z), -1 = none.
        samples: With ``gt_voxels``, ``label_weight`` and ``gt_sketch``.
        codes: Codes of the prior by name, (S, B, L, X/4, Y/4, Z/4) each: ``noise`` for testing,
            ``noise_prior`` and the posterior's ``noise_posterior`` for training.
    """

    inputs: dict[str, Tensor]
    samples: list[SSCDataSample]
    codes: dict[str, Tensor]

    def to(self, device: str) -> SketchCaseInputs:
        """The same on another device."""
        inputs, codes = (
            {key: value.to(device) for key, value in tensors.items()}
            for tensors in (self.inputs, self.codes)
        )
        return SketchCaseInputs(inputs, [sample.to(device) for sample in self.samples], codes)


def repeat_each(array: np.ndarray, times: int, axes: int = 3) -> np.ndarray:
    """Repeat every entry ``times`` times along each of the last ``axes`` axes."""
    for axis in range(array.ndim - axes, array.ndim):
        array = array.repeat(times, axis)
    return array


def make_inputs(seed: int, batch: int) -> SketchCaseInputs:
    """Inputs of the network case.

    Args:
        seed: Seed of the case.
        batch: Number of samples; the values of a sample depend on it.
    """
    coarse = tuple(side // 16 for side in IMAGE_SIZE)
    image = repeat_each(fill.normal('image_coarse', (batch, 3, *coarse), seed, 2.0), 16, axes=2)
    image = image + fill.normal('image', (batch, 3, *IMAGE_SIZE), seed, 0.25)
    tsdf = repeat_each(fill.uniform('tsdf_coarse', (batch, 1, *_QUARTER), seed, -0.8, 0.8), 4)
    tsdf = tsdf + fill.uniform('tsdf', (batch, 1, *SHAPE), seed, -0.2, 0.2)
    inputs = dict(
        img=torch.from_numpy(image)[:, None],
        tsdf=torch.from_numpy(tsdf),
        voxel_to_pixel=_make_mapping(seed, batch),
    )
    codes = (_NUM_SAMPLES, batch, _LATENT, *_QUARTER)
    names = ('noise', 'noise_posterior', 'noise_prior')
    return SketchCaseInputs(
        inputs,
        _make_samples(seed, batch),
        {name: torch.from_numpy(fill.normal(name, codes, seed)) for name in names},
    )


def _make_mapping(seed: int, batch: int) -> Tensor:
    """30000 voxels, each with another pixel: (B, X, Y, Z) int64, -1 = none."""
    orders = (
        np.argsort(fill.uniform(name, (batch, count), seed), axis=1, kind='stable')[:, :_MAPPED]
        for name, count in (('mapping_voxel', _NUM_VOXELS), ('mapping_pixel', _NUM_PIXELS))
    )
    voxels, pixels = (torch.from_numpy(order) for order in orders)
    mapping = torch.full((batch, _NUM_VOXELS), -1)
    return mapping.scatter_(1, voxels, pixels).view(batch, *SHAPE)


def _make_samples(seed: int, batch: int) -> list[SSCDataSample]:
    labels = fill.integers('label', (batch, *_QUARTER), seed, 0, NUM_CLASSES)
    labels[fill.uniform('ignore', labels.shape, seed) < 0.15] = _IGNORE
    labels = repeat_each(labels, 4)
    labels[fill.uniform('ignore_fine', (batch, *SHAPE), seed) < 0.02] = _IGNORE
    weight = fill.uniform('label_weight', (batch, _NUM_VOXELS), seed) < 0.5
    samples = []
    for index in range(batch):
        sample = SSCDataSample(metainfo=dict(sequence='parity', frame_id=f'{seed}_{index}'))
        sample.gt_voxels = torch.from_numpy(labels[index].astype(np.uint8))
        sample.label_weight = torch.from_numpy(weight[index]).view(SHAPE)
        sample.gt_sketch = label_sketch(sample.gt_voxels)
        samples.append(sample)
    return samples


def check_inputs(made: SketchCaseInputs, case: ParityCase, report: ParityReport) -> None:
    """Compare the inputs with their sums in the case file."""
    mapping = made.inputs['voxel_to_pixel']
    labels, weight, sketch = (
        torch.stack([sample.get(field) for sample in made.samples])
        for field in ('gt_voxels', 'label_weight', 'gt_sketch')
    )
    for name, found in (
        # In the file, the number of pixels means that a voxel has no pixel.
        ('mapping.sum', mapping.where(mapping >= 0, _NUM_PIXELS).sum()),
        ('label.ignored', (labels == _IGNORE).sum()),
        ('label_weight.sum', weight.sum()),
        ('sketch_gt.sum', sketch.sum()),
    ):
        report.equal(f'input.{name}', int(found), case[f'input.{name}'])
    report.probed(case, 'input.sketch_gt', sketch, 0.0, absolute=1e-9)
