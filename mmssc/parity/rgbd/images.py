"""Parity of the image pipeline of CleanerS and AMMNet: resize, crop, flip, normalise, pad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from mmssc.datasets.transforms import (
    CropRGBDImage,
    FlipRGBDImage,
    PadRGBDImage,
    ResizeRGBDImage,
)
from mmssc.models.data_preprocessors import SSCDataPreprocessor
from mmssc.parity import reference_fill as fill
from mmssc.parity.report import ParityCase, ParityReport, crc32

from .inputs import IMAGE_SIZE, make_mapping

__all__ = ['check_image_pipeline']

_PIXEL = 1e-4  # for a normalised image, relative to its deviation


@dataclass(frozen=True)
class _Draw:
    """Random choices of a pipeline: limits (height, width), corner (top, left), flip."""

    limits: tuple[int, int]
    corner: tuple[int, int]
    flip: bool


_DRAWS = dict(
    aug2d_a=_Draw((408, 544), (0, 0), True),
    aug2d_b=_Draw((552, 736), (37, 58), False),
)


def check_image_pipeline(seed: int, case: ParityCase, report: ParityReport) -> None:
    """Compare ``aug2d_a`` (reduced, flipped) and ``aug2d_b`` (enlarged, cropped).

    Args:
        seed: Seed of the case.
        case: The case file.
        report: Collects the rows.
    """
    image = fill.integers('aug_img', (*IMAGE_SIZE, 3), seed, 0, 256).astype(np.float32)
    _, pixel_to_voxel = make_mapping(seed)
    for name, draw in _DRAWS.items():
        results: dict[str, Any] = dict(
            img=[image[..., ::-1]],  # The recipe's image is BGR.
            pixel_to_voxel=pixel_to_voxel.numpy(),
            img_shape=IMAGE_SIZE,
            sequence='parity',
            frame_id=name,
        )
        results = ResizeRGBDImage.resize(results, draw.limits)
        report.equal(f'{name}.resized', np.array(results['img_shape']), case[f'{name}.resized'])
        results = CropRGBDImage(IMAGE_SIZE).crop(results, *draw.corner)
        if draw.flip:
            results = FlipRGBDImage.flip(results)
        results = PadRGBDImage(IMAGE_SIZE).transform(results)
        report.probed(case, f'{name}.img', _normalised(results), _PIXEL)
        mapping = results['pixel_to_voxel']
        hit = mapping[mapping >= 0]
        report.equal(f'{name}.valid', hit.size, case[f'{name}.valid'])
        report.equal(f'{name}.unique', np.unique(hit).size, case[f'{name}.unique'])
        report.equal(f'{name}.crc32', crc32(mapping, '<i4'), case[f'{name}.crc32'])


def _normalised(results: dict[str, Any]) -> torch.Tensor:
    """(H, W, 3), the input of the network."""
    image = torch.from_numpy(np.ascontiguousarray(results['img'][0])).movedim(-1, 0)
    # With a mapping, the batch needs no camera.
    inputs = dict(img=[image[None]], pixel_to_voxel=[torch.from_numpy(results['pixel_to_voxel'])])
    made = SSCDataPreprocessor()(dict(inputs=inputs, data_samples=None))
    return made['inputs']['img'][0, 0].movedim(0, -1)
