"""Importing this makes new models, and what their preprocessor gives them, float64."""

from __future__ import annotations

from typing import Any

import torch

from mmssc.models.data_preprocessors import SSCDataPreprocessor
from mmssc.registry import MODELS

torch.set_default_dtype(torch.float64)


@MODELS.register_module()
class DoublePrecisionPreprocessor(SSCDataPreprocessor):
    """Casts every floating point input to float64."""

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        batch = super().forward(data, training)
        for key, value in batch['inputs'].items():
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                batch['inputs'][key] = value.double()
        return batch
