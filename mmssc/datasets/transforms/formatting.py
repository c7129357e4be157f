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

_TARGET_KEYS = ('gt_voxels', 'gt_voxels_1_2', 'gt_voxels_1_4', 'gt_voxels_1_8')


@TRANSFORMS.register_module()
class PackSSCInputs(BaseTransform):
    """Pack a sample.

    Required Keys: ``img`` and/or ``points``, and those of ``meta_keys``

    Added Keys (all others are dropped): ``inputs``, dict of ``img`` (N, 3, H, W) uint8 RGB,
    ``depth`` (N, H, W) float32 and ``points`` (M, 3) float32, whichever was loaded;
    ``data_samples``, a
    :class:`~mmssc.structures.SSCDataSample` with the loaded targets and the metainfo.

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
        if 'points' in results:
            inputs['points'] = torch.from_numpy(np.ascontiguousarray(results['points']))
        sample = SSCDataSample(
            metainfo={key: results[key] for key in self.meta_keys if key in results}
        )
        for key in _TARGET_KEYS:
            if key in results:
                sample.set_data({key: torch.from_numpy(np.ascontiguousarray(results[key]))})
        return dict(inputs=inputs, data_samples=sample)
