"""A toy data set and completor: everything that the tools touch, in milliseconds."""

from __future__ import annotations

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.dist import get_rank
from mmengine.model import BaseModel
from torch import nn

from mmssc.errors import DataError
from mmssc.registry import DATASETS, MODELS
from mmssc.structures import SSCDataSample

GRID = (4, 4, 2)
NUM_CLASSES = 3


@DATASETS.register_module()
class InstantDataset(BaseDataset):
    """Random volumes of labels; the noise in the input comes from NumPy's global generator.

    ``failure='data'`` or ``'bug'``: sample 0 raises an error.
    """

    METAINFO = dict(classes=('empty', 'road', 'car'))

    def __init__(self, length: int = 6, failure: str = '', **kwargs) -> None:
        self.length, self.failure = length, failure
        super().__init__(serialize_data=False, **kwargs)

    def load_data_list(self) -> list[dict]:
        return [dict(number=number) for number in range(self.length)]

    def prepare_data(self, idx: int) -> dict:
        if self.failure and idx == 0:
            raise DataError('0.bin', 'size', 16, 15) if self.failure == 'data' else KeyError('bug')
        labels = torch.from_numpy(
            np.random.RandomState(idx).randint(0, NUM_CLASSES, GRID).astype(np.uint8)
        )
        noise = 0.0 if self.test_mode else torch.from_numpy(np.random.normal(0, 0.3, GRID)).float()
        sample = SSCDataSample(metainfo=dict(sequence='00', frame_id=f'{idx:06d}'))
        sample.gt_voxels = labels
        return dict(inputs=dict(volume=(labels.float() + noise)[None]), data_samples=sample)


@MODELS.register_module()
class InstantCompletor(BaseModel):
    """Convolution, BatchNorm and dropout; ``sleep`` seconds per step leave time to kill it."""

    def __init__(self, sleep: float = 0.0, channels: int = 8, **kwargs) -> None:
        super().__init__(**kwargs)
        self.sleep = sleep
        self.layers = nn.Sequential(
            nn.Conv3d(1, channels, 3, padding=1),
            nn.BatchNorm3d(channels),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Conv3d(channels, NUM_CLASSES, 1),
        )

    def forward(self, inputs: dict, data_samples: list | None = None, mode: str = 'tensor'):
        logits = self.layers(torch.stack(list(inputs['volume'])))
        if mode == 'loss':
            target = torch.stack([sample.gt_voxels for sample in data_samples]).long()
            if self.sleep:
                import time

                time.sleep(self.sleep)
            return dict(loss=nn.functional.cross_entropy(logits.float(), target))
        if mode == 'predict':
            for sample, volume in zip(data_samples, logits.argmax(1)):
                sample.pred_voxels = volume.to(torch.uint8)
            return data_samples
        return dict(logits=logits)


@MODELS.register_module()
class RememberingCompletor(InstantCompletor):
    """Its predictions depend on buffers of several types, which each process fills differently."""

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.register_buffer('seen', torch.zeros((), dtype=torch.int64))
        self.register_buffer('bias', torch.zeros(NUM_CLASSES))
        self.register_buffer('odd', torch.zeros((), dtype=torch.bool))

    def forward(self, inputs: dict, data_samples: list | None = None, mode: str = 'tensor'):
        if mode == 'loss':
            labels = torch.stack([sample.gt_voxels for sample in data_samples]).long().flatten()
            counts = labels.bincount(minlength=NUM_CLASSES)
            self.seen += counts[2]
            self.odd.fill_(bool(self.seen % 2))
            self.bias += counts / len(labels)
        result = super().forward(inputs, data_samples, mode)
        if mode == 'predict':
            changed = (self.bias * 100 + self.seen + self.odd).long() % NUM_CLASSES
            for sample in data_samples:
                sample.pred_voxels = changed[sample.pred_voxels.long()].to(torch.uint8)
        return result


@MODELS.register_module()
class DyingCompletor(InstantCompletor):
    """Something is not finite from training iteration ``iteration`` (from 1) on.

    Args:
        iteration: The first bad one.
        rank: Only on this process.
        value: Of the loss ``loss_dying``; None: it is 0, but its gradient is NaN.
    """

    def __init__(
        self, iteration: int, rank: int = 0, value: float | None = float('nan'), **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self.iteration, self.rank, self.value = iteration, rank, value
        self.calls = 0

    def forward(self, inputs: dict, data_samples: list | None = None, mode: str = 'tensor'):
        result = super().forward(inputs, data_samples, mode)
        if mode == 'loss':
            self.calls += 1
            weight = self.layers[0].weight.sum()
            result['loss_dying'] = 0 * weight
            if self.calls >= self.iteration and get_rank() == self.rank:
                result['loss_dying'] = (
                    0 * (0 * weight).sqrt() if self.value is None else self.value * weight.abs()
                )
        return result
