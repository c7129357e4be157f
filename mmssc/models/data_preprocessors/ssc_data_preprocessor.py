"""From collated samples to what a completor takes."""

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

__all__ = ['SSCDataPreprocessor']


@MODELS.register_module()
class SSCDataPreprocessor(BaseDataPreprocessor):
    """Move a batch to the device, normalise its images, stack images and cameras.

    ``inputs['img']`` becomes (B, N, 3, H, W) float32, ``(img / 255 - mean) / std``; uint8 and float
    images alike are in 0..255. ``inputs['depth']`` becomes (B, N, H, W). ``inputs['points']`` stays
    a list. ``inputs['cam2img']`` (B, 3, 3)
    and ``inputs['lidar2cam']`` (B, N, 4, 4), float64, come from the metainfo of the data samples.

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
            training: Unused: nothing is augmented here.

        Raises:
            DataError: Images of a batch differ in shape, or metainfo of a camera is missing.
        """
        data = self.cast_data(data)
        inputs, samples = dict(data['inputs']), data.get('data_samples')
        if 'img' in inputs:
            images = self._stack(inputs['img'], samples, 'image')
            inputs['img'] = (images.to(torch.float32) / 255 - self.mean) / self.std
            for field in ('cam2img', 'lidar2cam'):
                if field not in inputs:
                    inputs[field] = self._stack_matrices(samples, field)
        if 'depth' in inputs:
            inputs['depth'] = self._stack(inputs['depth'], samples, 'depth')
        return dict(inputs=inputs, data_samples=samples)

    @staticmethod
    def _stack(
        images: Sequence[Tensor] | Tensor,
        samples: Sequence[SSCDataSample] | None,
        kind: str,
    ) -> Tensor:
        for number, image in enumerate(images):
            if image.shape != images[0].shape:
                source = samples[number].get('img_paths') if samples else None
                raise DataError(
                    str(source or f'sample {number} of the batch'),
                    f'{kind} shape (frames, ..., height, width)',
                    tuple(images[0].shape),
                    tuple(image.shape),
                    'Crop all images to one size (CropSSCImages).',
                )
        return images if isinstance(images, Tensor) else torch.stack(list(images))

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
