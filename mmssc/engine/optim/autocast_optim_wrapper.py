"""Mixed precision without loss scaling, on any device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from mmssc.errors import DataError
from mmssc.registry import OPTIM_WRAPPERS

__all__ = ['AutocastOptimWrapper']


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """Runs the forward pass and the losses under ``torch.autocast`` in bfloat16.

    bfloat16 has the exponent range of float32, so gradients need no scaling; weights, optimiser
    state and checkpoints stay float32. mmengine's ``AmpOptimWrapper`` (float16 with loss
    scaling) refuses to be built without a GPU; this one works on the CPU and on CUDA.

    Args:
        dtype: Lower-precision type, ``'bfloat16'``.
        **kwargs: As for ``OptimWrapper``.

    Raises:
        DataError: ``dtype`` needs loss scaling.
    """

    def __init__(self, dtype: str = 'bfloat16', **kwargs: Any) -> None:
        if dtype != 'bfloat16':
            raise DataError(
                'config', 'AutocastOptimWrapper.dtype', "'bfloat16', which needs no loss scaling",
                repr(dtype), "For float16 on CUDA use type='AmpOptimWrapper'",
            )  # fmt: skip
        super().__init__(**kwargs)
        self.cast_dtype = torch.bfloat16

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast on the model's device, with the gradient accumulation of the base class."""
        device_type = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device_type, dtype=self.cast_dtype):
            yield
