"""From collated samples to the inputs of a completor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from mmssc.errors import DataError
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample
from mmssc.structures.sample_keys import SAMPLE_KEYS, SampleKey, keys_of_role

__all__ = ['SSCDataPreprocessor']

_IMAGE_HINT = 'Crop all images to one size (CropDrivingImages).'
# Matrices that place a view in the grid.
_CAMERA = ('cam2img', 'lidar2cam')
_AXES = dict(N='frames', H='height', W='width')


@MODELS.register_module()
class SSCDataPreprocessor(BaseDataPreprocessor):
    """Move a batch to the device, normalise its images, stack images, volumes and cameras.

    ``inputs['img']`` becomes (B, N, 3, H, W) float32, ``(img / 255 - mean) / std``; uint8 and float
    images are both in 0..255. ``inputs['depth']`` becomes (B, N, H, W), ``inputs['points']`` stays
    a list; TSDF volumes, mappings and segmentations are only stacked. ``inputs['cam2img']``
    (B, 3, 3) and ``inputs['lidar2cam']`` (B, N, 4, 4), float64, come from the metainfo of the data
    samples; the samples of an RGB-D batch (with a TSDF or a mapping) may lack them.

    Args:
        mean: Mean of each channel, for images in 0..1.
        std: Standard deviation of each channel, for images in 0..1.
        non_blocking: Copy to the device without waiting.
    """

    def __init__(
        self,
        mean: Sequence[float] = (0.485, 0.456, 0.406),
        std: Sequence[float] = (0.229, 0.224, 0.225),
        non_blocking: bool = False,
    ) -> None:
        super().__init__(non_blocking)
        for name, values in (('mean', mean), ('std', std)):
            tensor = torch.tensor(values, dtype=torch.float32).view(-1, 1, 1)
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Prepare a batch.

        Args:
            data: ``inputs``, a dict of lists (or stacked tensors), and ``data_samples``.
            training: Not used; this class does not augment.

        Raises:
            DataError: The batch has no inputs, its images or volumes differ in shape, or camera
                metainfo is missing.
        """
        if 'inputs' not in data:
            expected, found = 'PackSSCInputs as the last transform', 'samples without inputs'
            raise DataError('config', 'pipeline of the data set', expected, found)
        data = self.cast_data(data)
        inputs, samples = dict(data['inputs']), data.get('data_samples')
        for name, key in keys_of_role(inputs, 'input'):
            if key.is_stacked:
                inputs[name] = _stack(inputs[name], samples, key)
        if 'img' in inputs:
            inputs['img'] = (inputs['img'].to(torch.float32) / 255 - self.mean) / self.std
            for field, key in keys_of_role(SAMPLE_KEYS, 'meta'):
                if key.is_matrix and field not in inputs and self._needs(inputs, samples, field):
                    inputs[field] = self._stack_matrices(samples, field)
        return dict(inputs=inputs, data_samples=samples)

    @staticmethod
    def _needs(inputs: dict[str, Any], samples: Sequence[SSCDataSample] | None, field: str) -> bool:
        """Whether to stack a matrix: all samples have it, or the images are useless without it."""
        if samples and all(sample.get(field) is not None for sample in samples):
            return True
        in_the_grid = any(
            key.over_voxels or key.refers_to for _, key in keys_of_role(inputs, 'input')
        )
        return field in _CAMERA and not in_the_grid

    def _stack_matrices(self, samples: Sequence[SSCDataSample] | None, field: str) -> Tensor:
        matrices = []
        for sample in samples or ():
            matrix = sample.get(field)
            if matrix is None:
                name = f'sample {sample.get("sequence")}/{sample.get("frame_id")}'
                raise DataError(name, field, 'a matrix in the metainfo', 'none')
            matrices.append(np.asarray(matrix, dtype=np.float64))
        if not matrices:
            raise DataError('batch', field, 'data samples with cameras, or an input', 'neither')
        return torch.from_numpy(np.stack(matrices)).to(self.device)


def _stack(
    tensors: Sequence[Tensor] | Tensor, samples: Sequence[SSCDataSample] | None, key: SampleKey
) -> Tensor:
    for number, tensor in enumerate(tensors):
        if tensor.shape != tensors[0].shape:
            hint = _IMAGE_HINT if key.has_views else None
            source = _source(number, samples)
            expected, found = tuple(tensors[0].shape), tuple(tensor.shape)
            raise DataError(source, f'{key.name}, shape {_axes(key)}', expected, found, hint)
    return tensors if isinstance(tensors, Tensor) else torch.stack(list(tensors))


def _axes(key: SampleKey) -> str:
    """Axes in words, e.g. ``(frames, 3, height, width)``."""
    return f'({", ".join(_AXES.get(str(axis), str(axis)) for axis in key.shape)})'


def _source(number: int, samples: Sequence[SSCDataSample] | None) -> str:
    source = samples[number].get('img_paths') if samples else None
    return str(source or f'sample {number} of the batch')
