"""The tensors that a network takes: of random samples, of a data set, or of a user's frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch import Tensor

from mmssc.apis import DrivingInferencer, RGBDInferencer
from mmssc.apis.base_inferencer import build_test_transforms
from mmssc.apis.random_samples import random_samples
from mmssc.datasets.transforms import reading_transforms
from mmssc.errors import DataError
from mmssc.models.completors import BaseCompletor

__all__ = ['capture_inputs', 'config_inputs', 'used_inputs']


class _Recorder(dict):
    """Notes which of its entries are read."""

    def __init__(self, content: dict[str, Any]) -> None:
        super().__init__(content)
        self.read: list[str] = []

    def __getitem__(self, key: str) -> Any:
        self.read.append(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.read.extend([key] if key in self else [])
        return super().get(key, default)


@torch.no_grad()
def used_inputs(model: BaseCompletor, inputs: dict[str, Any]) -> dict[str, Tensor]:
    """Those inputs that a prediction of the model reads.

    Args:
        model: In evaluation mode.
        inputs: A batch, as the data preprocessor returns it.

    Raises:
        DataError: An input is not one tensor per batch.
    """
    recorder = _Recorder(inputs)
    model.predict_logits(recorder)
    used = {key: inputs[key] for key in dict.fromkeys(recorder.read)}
    for key, value in used.items():
        if not isinstance(value, Tensor):
            found = f'{type(value).__name__} of arrays of any length'
            raise DataError('config', f'input {key} of the model', 'one tensor', found)
    return used


def config_inputs(
    model: BaseCompletor, cfg: Config, samples: Sequence[dict[str, Any]] | None = None
) -> dict[str, Tensor]:
    """A batch for the model of a config.

    Args:
        model: The model.
        cfg: Its config.
        samples: Of the data set; None: two random samples, with the sizes of the config and the
            inputs that its test pipeline reads.

    Returns:
        The inputs that the network takes.

    Raises:
        DataError: The config does not say the size of the inputs, see :func:`random_samples`; or
            see :func:`used_inputs`.
    """
    if samples is None:
        load = random_samples(cfg, remedy='Take samples of the test data set: --index N')
        samples = [load(seed) for seed in range(2)]
        readings = [one for step in build_test_transforms(cfg) for one in reading_transforms(step)]
        if not any('pixel_to_voxel' in one.inputs for one in readings):
            # A random sample has both mappings. Networks prefer this one.
            for sample in samples:
                sample['inputs'].pop('pixel_to_voxel', None)
    batch = model.data_preprocessor(pseudo_collate(list(samples)), False)
    return used_inputs(model, batch['inputs'])


def capture_inputs(
    inferencer: DrivingInferencer | RGBDInferencer, *args: Any, **kwargs: Any
) -> dict[str, Any]:
    """What the model of an inferencer gets for a frame: a batch of 1 after the preprocessor.

    Args:
        inferencer: The inferencer.
        args: Arguments of its call.
        kwargs: The same.

    Raises:
        DataError: See the inferencer.
    """
    captured: dict[str, Any] = {}

    def capture(model: Any, positional: tuple, named: dict[str, Any]) -> None:
        captured.update(named['inputs'])

    hook = inferencer.model.register_forward_pre_hook(capture, with_kwargs=True)
    try:
        inferencer(*args, **kwargs)
    finally:
        hook.remove()
    return captured
