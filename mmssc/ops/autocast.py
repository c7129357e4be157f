"""State of autocast, in every supported version of PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor

from mmssc.geometry.tracing import has_values

__all__ = ['autocast_dtype', 'computes_float32_on_cpu']


def autocast_dtype(device_type: str) -> torch.dtype | None:
    """Type that autocast uses on a device, None if autocast is off."""
    if hasattr(torch, 'getautocast_dtype'):
        enabled = torch.is_autocast_enabled(device_type)
        return torch.getautocast_dtype(device_type) if enabled else None
    if device_type == 'cpu':
        return torch.get_autocast_cpu_dtype() if torch.is_autocast_cpu_enabled() else None
    return torch.get_autocast_gpu_dtype() if torch.is_autocast_enabled() else None


def computes_float32_on_cpu(x: Tensor, weight: Tensor) -> bool:
    """Whether a layer computes in float32 on a CPU, outside of autocast and of traced programs."""
    return (
        x.device.type == 'cpu'
        and x.dtype == weight.dtype == torch.float32
        and autocast_dtype('cpu') is None
        and not torch.jit.is_tracing()
        and has_values()
    )
