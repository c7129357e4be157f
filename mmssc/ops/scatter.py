"""Mean and maximum over groups of rows."""

from __future__ import annotations

import importlib.util

import torch
from torch import Tensor

from mmssc.errors import DataError, MissingDependencyError

__all__ = ['group_count', 'group_max', 'group_mean', 'torch_scatter_available']

_BACKENDS = ('torch', 'torch_scatter')


def torch_scatter_available() -> bool:
    """Whether the optional package torch-scatter is installed."""
    return importlib.util.find_spec('torch_scatter') is not None


def group_count(group: Tensor, num_groups: int) -> Tensor:
    """Number of rows of every group.

    Args:
        group: (N,) int64, group of every row.
        num_groups: Number of groups G.

    Returns:
        (G,) int64.
    """
    ones = torch.ones_like(group)
    return torch.zeros(num_groups, dtype=group.dtype, device=group.device).index_add_(
        0, group, ones
    )


def group_mean(features: Tensor, group: Tensor, num_groups: int, backend: str = 'torch') -> Tensor:
    """Mean of the rows of every group, 0 for a group without rows.

    On the CPU, sums run in input order with any number of threads, so a run is reproducible bit by
    bit. Half-precision input is summed in float32.

    Args:
        features: (N, C).
        group: (N,) int64, group of every row.
        num_groups: Number of groups G.
        backend: ``'torch'`` or ``'torch_scatter'`` (optional package).

    Returns:
        (G, C), dtype of ``features``.

    Raises:
        MissingDependencyError: ``backend`` is torch-scatter and it is not installed.
        ValueError: Unknown backend.
    """
    if _use_torch_scatter(backend):
        return _torch_scatter(features, group, num_groups, 'mean')
    wide = features.to(torch.promote_types(features.dtype, torch.float32))
    total = wide.new_zeros(num_groups, features.shape[1]).index_add(0, group, wide)
    count = group_count(group, num_groups).clamp(min=1).to(wide.dtype)
    return (total / count[:, None]).to(features.dtype)


def group_max(features: Tensor, group: Tensor, num_groups: int, backend: str = 'torch') -> Tensor:
    """Maximum of the rows of every group, per column; 0 for a group without rows.

    Equal maxima share the gradient evenly (torch-scatter gives it to one of them). Arguments,
    result and errors: :func:`group_mean`.
    """
    if _use_torch_scatter(backend):
        return _torch_scatter(features, group, num_groups, 'max')
    index = group[:, None].expand_as(features)
    output = features.new_zeros(num_groups, features.shape[1])
    return output.scatter_reduce(0, index, features, 'amax', include_self=False)


def _use_torch_scatter(backend: str) -> bool:
    if backend not in _BACKENDS:
        raise DataError('scatter', 'backend', f'one of {_BACKENDS}', repr(backend))
    if backend == 'torch_scatter' and not torch_scatter_available():
        raise MissingDependencyError(
            "torch-scatter is not installed: 'pip install torch-scatter', or use backend='torch'"
        )
    return backend == 'torch_scatter'


def _torch_scatter(features: Tensor, group: Tensor, num_groups: int, reduce: str) -> Tensor:
    from torch_scatter import scatter

    return scatter(features, group, dim=0, dim_size=num_groups, reduce=reduce)
