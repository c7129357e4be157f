"""Pack loaded arrays into the tensors and the data sample of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from mmssc.registry import TRANSFORMS
from mmssc.structures import SSCDataSample
from mmssc.structures.sample_keys import SampleKey, keys_of_role

from .sample_changes import checked_keys

__all__ = ['PackSSCInputs']


@TRANSFORMS.register_module()
class PackSSCInputs(BaseTransform):
    """Pack a sample.

    Required Keys: those of ``meta_keys``, and what the model reads

    Added Keys (all others are dropped): ``inputs``, a dict of tensors, and ``data_samples``, a
    :class:`~mmssc.structures.SSCDataSample` with targets, ``eval_masks`` and metainfo. See
    :mod:`mmssc.structures.sample_keys` for the keys with their roles, shapes and types.

    Args:
        meta_keys: Keys that become metainfo, if present. Default: every key of role ``'meta'``.
    """

    def __init__(self, meta_keys: Sequence[str] | None = None) -> None:
        self.meta_keys = None if meta_keys is None else tuple(meta_keys)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Turn arrays into tensors."""
        checked_keys(results)
        meta_keys = self.meta_keys
        if meta_keys is None:
            meta_keys = tuple(name for name, _ in keys_of_role(results, 'meta'))
        sample = SSCDataSample(metainfo={key: results[key] for key in meta_keys if key in results})
        for name, key in keys_of_role(results, 'target'):
            sample.set_data({name: _pack(results[name], key)})
        for name, key in keys_of_role(results, 'mask'):
            masks = {part: _pack(mask, key) for part, mask in results[name].items()}
            sample.set_data({name: masks})
        inputs = {name: _pack(results[name], key) for name, key in keys_of_role(results, 'input')}
        return dict(inputs=inputs, data_samples=sample)


def _pack(value: Any, key: SampleKey) -> torch.Tensor:
    """The tensor of an array, or of a list of views, axes in the order of ``key.shape``."""
    array = np.stack(value) if key.has_views else value
    if key.has_channel and not key.over_pixels:
        array = array[None]
    elif key.over_pixels and array.ndim == len(key.shape) and len(key.shape) - key.has_views > 2:
        # Images have the colour last.
        array = np.moveaxis(array, -1, -3)
    if array.dtype.kind == 'f' and key.dtype.startswith('float'):
        array = array.astype(key.dtype, copy=False)
    return _tensor(array)


def _tensor(array: np.ndarray) -> torch.Tensor:
    # Copy an array that is a view of a file's bytes, because these are read-only.
    array = np.ascontiguousarray(array)
    return torch.from_numpy(array if array.flags.writeable else array.copy())
