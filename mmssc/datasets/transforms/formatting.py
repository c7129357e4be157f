"""From loaded arrays to the tensors and data sample of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from mmssc.registry import TRANSFORMS
from mmssc.structures import SSCDataSample

__all__ = ['PackSSCInputs']

_VOLUME_KEYS = ('tsdf', 'tsdf_clean', 'tsdf_fine', 'surface_offset')
_INPUT_KEYS = ('points', 'voxel_to_pixel', 'pixel_to_voxel', 'segmentation', 'voxel_segments')
_TARGET_KEYS = (
    'gt_voxels', 'gt_voxels_1_2', 'gt_voxels_1_4', 'gt_voxels_1_8', 'label_weight', 'gt_sketch',
    'frustum_index',
)  # fmt: skip


@TRANSFORMS.register_module()
class PackSSCInputs(BaseTransform):
    """Pack a sample.

    Required Keys: those of ``meta_keys``, and what the model reads

    Added Keys (all others are dropped): ``inputs``, dict of whatever was loaded of ``img``
    (N, 3, H, W) uint8 RGB, ``depth`` (N, H, W) float32, ``points`` (M, 3) float32, ``tsdf``,
    ``tsdf_clean``, ``tsdf_fine`` and ``surface_offset`` (1, X, Y, Z) float32, ``voxel_to_pixel``
    and ``voxel_segments`` (X, Y, Z) and ``pixel_to_voxel`` (H, W) int64, ``segmentation`` (H, W)
    uint8; ``data_samples``, a
    :class:`~mmssc.structures.SSCDataSample` with the loaded targets, the ``eval_masks`` and the
    metainfo.

    Args:
        meta_keys: Keys that become metainfo, where present.
    """

    def __init__(
        self,
        meta_keys: Sequence[str] = (
            'sample_idx', 'sequence', 'frame_id', 'voxel_grid', 'img_paths', 'img_shape',
            'cam2img', 'lidar2cam',
        ),
    ) -> None:  # fmt: skip
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Turn arrays into tensors."""
        inputs = {}
        if 'img' in results:
            images = np.stack(results['img']).transpose(0, 3, 1, 2)
            inputs['img'] = torch.from_numpy(np.ascontiguousarray(images))
        if 'depth' in results:
            inputs['depth'] = torch.from_numpy(np.stack(results['depth']))
        for key in (*_INPUT_KEYS, *_VOLUME_KEYS):
            if key in results:
                inputs[key] = _tensor(results[key][None] if key in _VOLUME_KEYS else results[key])
        sample = SSCDataSample(
            metainfo={key: results[key] for key in self.meta_keys if key in results}
        )
        for key in _TARGET_KEYS:
            if key in results:
                sample.set_data({key: _tensor(results[key])})
        if 'eval_masks' in results:
            masks = {name: _tensor(mask) for name, mask in results['eval_masks'].items()}
            sample.set_data(dict(eval_masks=masks))
        return dict(inputs=inputs, data_samples=sample)


def _tensor(array: np.ndarray) -> torch.Tensor:
    # A copy where the array is a view of a file's bytes, which must not be written to.
    array = np.ascontiguousarray(array)
    return torch.from_numpy(array if array.flags.writeable else array.copy())
