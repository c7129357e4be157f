"""State of autocast, in every supported version of PyTorch."""

from __future__ import annotations

import torch

__all__ = ['autocast_dtype']


def autocast_dtype(device_type: str) -> torch.dtype | None:
    """Type that autocast uses on a device, None if autocast is off."""
    if hasattr(torch, 'getautocast_dtype'):
        enabled = torch.is_autocast_enabled(device_type)
        return torch.getautocast_dtype(device_type) if enabled else None
    if device_type == 'cpu':
        return torch.get_autocast_cpu_dtype() if torch.is_autocast_cpu_enabled() else None
    return torch.get_autocast_gpu_dtype() if torch.is_autocast_enabled() else None
