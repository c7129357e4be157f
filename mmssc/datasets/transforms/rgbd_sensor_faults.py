"""Faults of a 2D segmentation and of a depth camera, for training."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from mmssc.errors import DataError
from mmssc.registry import TRANSFORMS

from .rgbd_view_volumes import project_frame

__all__ = ['ConfuseRGBDSegments', 'EraseRGBDDepth']


@TRANSFORMS.register_module()
class ConfuseRGBDSegments(BaseTransform):
    """Give some regions of the 2D segmentation another id, or the id 0 (none).

    A region is a connected area of one id; its fate is drawn once. Use it before
    :class:`AddRGBDViewVolumes`.

    Required Keys: ``segmentation`` (H, W)

    Modified Keys: ``segmentation``

    Args:
        num_ids: Number of ids with the 0; a confused region gets one of 1 ... num_ids - 1.
        confuse_prob: Probability that a region gets another id.
        drop_prob: Probability that a region gets the id 0.

    Raises:
        DataError: The probabilities add up to more than 1, or there are fewer than 3 ids.
    """

    def __init__(self, num_ids: int, confuse_prob: float = 0.1, drop_prob: float = 0.0) -> None:
        if min(confuse_prob, drop_prob) < 0 or confuse_prob + drop_prob > 1:
            expected = 'two probabilities with a sum of at most 1'
            found = (confuse_prob, drop_prob)
            raise DataError('config', 'ConfuseRGBDSegments', expected, found)
        if num_ids < 3:
            raise DataError('config', 'ConfuseRGBDSegments.num_ids', 'at least 3', num_ids)
        self.num_ids, self.confuse_prob, self.drop_prob = num_ids, confuse_prob, drop_prob

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Draw the fate of every region."""
        from scipy.ndimage import label  # It takes long to import.

        segmentation = results['segmentation']
        changed = segmentation.copy()
        for one in np.unique(segmentation[segmentation > 0]).tolist():
            regions, count = label(segmentation == one)
            new = np.array([0, *(self._fate(one) for _ in range(count))], segmentation.dtype)
            inside = regions > 0
            changed[inside] = new[regions[inside]]
        results['segmentation'] = changed
        return results

    def _fate(self, one: int) -> int:
        """The new id of a region."""
        chance = random.random()
        if chance < self.drop_prob:
            return 0
        if chance >= self.drop_prob + self.confuse_prob:
            return one
        other = random.randrange(1, self.num_ids - 1)
        return other + (other >= one)

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(num_ids={self.num_ids}, confuse_prob={self.confuse_prob}, '
            f'drop_prob={self.drop_prob})'
        )


@TRANSFORMS.register_module()
class EraseRGBDDepth(BaseTransform):
    """Erase rectangles of the depth image in the volumes, and add noise to the TSDF.

    The published volumes have no depth images, so the volumes themselves change: voxels that
    project into a rectangle lose their pixel, and their TSDF becomes 0 (not observed), as in
    volumes of a depth image with holes. Labels stay. Use it before :class:`AddRGBDViewVolumes`.

    Required Keys: ``tsdf``, ``voxel_to_pixel`` (X, Y, Z), ``voxel_grid``, ``cam2img``,
    ``lidar2cam`` (1, 4, 4), ``image_size``

    Modified Keys: ``tsdf``, ``voxel_to_pixel``

    Args:
        max_rectangles: Largest number of rectangles; the number is drawn, from 0.
        max_side: Longest side of a rectangle, as a share of that side of the image.
        noise: Standard deviation of the noise of the TSDF near surfaces (where it is neither 0 nor
            +-1), in units of the truncation; the result stays in [-1, 1].

    Raises:
        DataError: An option is wrong, or the frame has no camera.
    """

    def __init__(self, max_rectangles: int = 3, max_side: float = 0.3, noise: float = 0.0) -> None:
        if not 0 < max_side <= 1 or max_rectangles < 0 or noise < 0:
            expected = 'max_rectangles from 0, max_side in 0..1, noise from 0'
            found = (max_rectangles, max_side, noise)
            raise DataError('config', 'EraseRGBDDepth', expected, found)
        self.max_rectangles, self.max_side, self.noise = max_rectangles, max_side, noise

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Draw the rectangles and the noise."""
        tsdf, mapping = results['tsdf'].copy(), results['voxel_to_pixel'].copy()
        image = np.zeros(results['image_size'], bool)
        for _ in range(random.randint(0, self.max_rectangles)):
            image[self._rectangle(image.shape)] = True
        if image.any():
            pixel, _, inside = project_frame(results)
            pixel, inside = pixel.reshape(mapping.shape), inside.reshape(mapping.shape)
            erased = image.reshape(-1)[np.where(mapping >= 0, mapping, pixel)]
            erased &= inside | (mapping >= 0)
            tsdf[erased], mapping[erased] = 0, -1
        if self.noise:
            near = (tsdf != 0) & (np.abs(tsdf) < 1)
            generator = np.random.default_rng(random.getrandbits(32))
            noisy = tsdf[near] + generator.normal(0, self.noise, int(near.sum()))
            tsdf[near] = noisy.clip(-1, 1)
        # A frame without any visible voxel shows nothing: it stays as it was.
        if (mapping >= 0).any():
            results['tsdf'], results['voxel_to_pixel'] = tsdf, mapping
        return results

    def _rectangle(self, image_size: tuple[int, ...]) -> tuple[slice, ...]:
        place = []
        for side in image_size:
            length = random.randint(1, max(1, round(self.max_side * side)))
            first = random.randint(0, side - length)
            place.append(slice(first, first + length))
        return tuple(place)

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(max_rectangles={self.max_rectangles}, '
            f'max_side={self.max_side}, noise={self.noise})'
        )
