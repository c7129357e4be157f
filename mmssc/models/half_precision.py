"""Predictions in mixed precision: bfloat16, or float16 on GPUs without it."""

from __future__ import annotations

import torch

from mmssc.errors import DataError

from .completors import BaseCompletor

__all__ = ['half_type', 'predict_in_half_precision']


def half_type(device_type: str) -> torch.dtype:
    """The 16-bit type of mixed precision: bfloat16 on the CPU and on GPUs that support it."""
    if device_type == 'cuda' and not torch.cuda.is_bf16_supported():
        return torch.float16
    return torch.bfloat16


def predict_in_half_precision(model: BaseCompletor) -> BaseCompletor:
    """Let a model predict under ``torch.autocast``: less time and memory, a few labels differ.

    Weights stay float32. Geometry, sampling positions, sums over sparse voxels and softmax stay
    float32 or wider in every model of mmssc; training is not affected.

    Args:
        model: Changed in place.

    Returns:
        The same model.

    Raises:
        DataError: It does not derive from :class:`BaseCompletor`.
    """
    if not isinstance(model, BaseCompletor):
        hint = 'Leave --amp out (in Python: amp), or derive the model from BaseCompletor'
        raise DataError('config', 'model', 'a BaseCompletor', type(model).__name__, hint)
    model.prediction_type = half_type(next(model.parameters()).device.type)
    return model
