"""Normalisation layers built from configs, and batch normalisation over several processes."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
import torch.distributed as dist
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn.modules.batchnorm import _BatchNorm

from mmssc.ops.autocast import computes_float32_on_cpu
from mmssc.ops.exact_norm import has_inexact_sums, normalize
from mmssc.ops.normalized_classifier import classify_normalized
from mmssc.registry import MODELS

__all__ = [
    'DistributedBN', 'build_norm', 'classify_activated', 'normalize_rows', 'with_exact_norms',
]  # fmt: skip

_Module = TypeVar('_Module', bound=nn.Module)


class _ExactBatchNorm(_BatchNorm):
    """Batch normalisation with exact sums of channels-last tensors, also on a CPU.

    A frozen layer keeps nothing for the backward pass; PyTorch's keeps its whole input.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, ...) over all axes but C."""
        if _is_frozen(self) and input.requires_grad and input.dtype == torch.float32:
            return _scale_and_shift(self, input)
        if not self.takes_exact_batch(input):
            return super().forward(input)
        self._check_input_dim(input)
        output, mean, var = normalize(input, self.weight, self.bias, self.eps)
        self.note_batch(input, mean[0], var[0])
        return output

    def takes_exact_batch(self, input: Tensor) -> bool:
        """Whether the statistics are exact ones of the batch, on a CPU and in this process."""
        takes_batch = self.training or self.running_mean is None
        return takes_batch and has_inexact_sums(input) and _takes_float32(self)

    def note_batch(self, input: Tensor, mean: Tensor, var: Tensor) -> None:
        """Let the running statistics follow those of a batch: mean and biased variance (C,)."""
        count = input.numel() // self.num_features
        if self.training:
            self._update_running_statistics(mean, var * count / (count - 1))

    def _update_running_statistics(self, mean: Tensor, unbiased_var: Tensor) -> None:
        if not self.track_running_stats:
            return
        running_mean, running_var = self.running_mean, self.running_var
        batches = self.num_batches_tracked
        if running_mean is None or running_var is None or batches is None:
            return
        batches.add_(1)
        weight = 1.0 / float(batches) if self.momentum is None else self.momentum
        running_mean.lerp_(mean.to(running_mean.dtype), weight)
        running_var.lerp_(unbiased_var.to(running_var.dtype), weight)


class _BatchNorm1d(_ExactBatchNorm, nn.BatchNorm1d):
    pass


class _BatchNorm2d(_ExactBatchNorm, nn.BatchNorm2d):
    pass


class _BatchNorm3d(_ExactBatchNorm, nn.BatchNorm3d):
    pass


class _GroupNorm(nn.GroupNorm):
    def forward(self, input: Tensor) -> Tensor:
        if not (has_inexact_sums(input) and _takes_float32(self)):
            return super().forward(input)
        return normalize(input, self.weight, self.bias, self.eps, self.num_groups)[0]


def _is_frozen(norm: _BatchNorm) -> bool:
    """Whether the output is a fixed scale and shift of the input."""
    parameters = norm.weight, norm.bias
    if norm.training or norm.running_mean is None or None in parameters:
        return False
    return not any(one.requires_grad for one in parameters)


def _scale_and_shift(norm: _BatchNorm, input: Tensor) -> Tensor:
    assert norm.running_mean is not None and norm.running_var is not None
    view = [1, -1] + [1] * (input.dim() - 2)
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    shift = norm.bias - norm.running_mean * scale
    return torch.addcmul(shift.view(view), input, scale.view(view))


def _takes_float32(norm: nn.Module) -> bool:
    return norm.weight is None or norm.weight.dtype == torch.float32


# Of layers of these very classes; others, such as nn.SyncBatchNorm, stay as they are.
_EXACT: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: _BatchNorm1d,
    nn.BatchNorm2d: _BatchNorm2d,
    nn.BatchNorm3d: _BatchNorm3d,
    nn.GroupNorm: _GroupNorm,
}


@MODELS.register_module()
class DistributedBN(_ExactBatchNorm):
    """Batch normalisation over the samples of all processes.

    Like ``nn.SyncBatchNorm``, but for any number of dimensions, any device and any backend (also
    gloo on the CPU). All elements have the same weight, even if the processes hold different
    numbers of sparse rows; a process may hold none. Two processes with one sample each give the
    output, gradients and running statistics of one process with both samples. In one process this
    is plain batch normalisation.

    If all processes together have fewer than two elements per channel, the layer normalises with
    the running statistics and does not update them.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f'expected (N, C, ...), got {input.dim()} dimensions')

    def takes_exact_batch(self, input: Tensor) -> bool:
        """See the base class."""
        shares = self.training and _is_distributed()
        return super().takes_exact_batch(input) and not shares

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, ...) over all axes but C."""
        if not self.training:
            return super().forward(input)
        count = input.numel() // self.num_features
        if not _is_distributed():
            return super().forward(input) if count > 1 else _with_running_statistics(self, input)
        return self._forward_distributed(input, count)

    def _forward_distributed(self, input: Tensor, local_count: int) -> Tensor:
        wide = input.to(torch.promote_types(input.dtype, torch.float32))
        axes = [0, *range(2, input.dim())]
        view = [1, -1] + [1] * (input.dim() - 2)
        sums = torch.cat([wide.sum(axes), wide.new_tensor([local_count])])
        sums = _AllReduceSum.apply(sums)
        count = sums[-1].detach()
        if count < 2:
            return _with_running_statistics(self, input)
        # Two passes: the variance as a difference of large sums would lose precision.
        mean = sums[:-1] / count
        centered = wide - mean.view(view)
        var = _AllReduceSum.apply(centered.square().sum(axes)) / count
        self._update_running_statistics(mean.detach(), var.detach() * count / (count - 1))
        output = centered * torch.rsqrt(var + self.eps).view(view)
        if self.affine:
            output = output * self.weight.view(view) + self.bias.view(view)
        return output.to(input.dtype)


def _is_distributed() -> bool:
    return dist.is_initialized() and dist.get_world_size() > 1


class _AllReduceSum(torch.autograd.Function):
    """Sum over processes; the gradient is the sum of the gradients of all processes."""

    @staticmethod
    def forward(ctx: FunctionCtx, value: Tensor) -> Tensor:
        value = value.clone()
        dist.all_reduce(value)
        return value

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> Tensor:
        grad = grad.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(grad)
        return grad


def classify_activated(norm: nn.Module, classifier: nn.Conv3d, volume: Tensor) -> Tensor:
    """``classifier(F.relu(norm(volume)))``, in blocks of voxels where that is possible.

    Then the volume that is normalised is never stored, and the result is channels-last.

    Args:
        norm: Any layer for volumes.
        classifier: A kernel of one voxel.
        volume: (B, C, X, Y, Z).

    Returns:
        Logits (B, K, X, Y, Z).
    """
    weight, bias = classifier.weight.flatten(1), classifier.bias
    if (
        isinstance(norm, _ExactBatchNorm)
        and norm.affine
        and bias is not None
        and norm.takes_exact_batch(volume)
        and computes_float32_on_cpu(volume, weight)
    ):
        affine = norm.weight, norm.bias, norm.eps
        logits, mean, var = classify_normalized(volume, *affine, weight, bias)
        norm.note_batch(volume, mean, var)
        return logits
    # In place: normalisation saves its input for the gradient, not its output.
    return classifier(F.relu(norm(volume), inplace=True))


def build_norm(norm_cfg: dict[str, Any], channels: int, dims: int) -> nn.Module:
    """Build a normalisation layer.

    Batch and group normalisation have exact statistics in any order in memory; on a CPU, those of
    PyTorch (2.13) are wrong for large channels-last tensors.

    Args:
        norm_cfg: ``type`` and arguments. ``'BN'`` is plain batch normalisation for
            ``dims``; other names come from the registry, e.g. ``'DistributedBN'``, ``'SyncBN'`` or
            ``'GN'``. ``requires_grad=False`` freezes the affine parameters. In one process,
            ``'SyncBN'`` is ``'BN'``, which it equals there: start the processes before.
        channels: Number of channels.
        dims: 1 for (N, C) rows, 2 for images, 3 for volumes.
    """
    # mmcv's 'BN' is always BatchNorm2d, and mmcv looks up names without our scope.
    names = {'BN': f'BN{dims}d', 'DistributedBN': 'mmssc.DistributedBN'}
    if not _is_distributed():
        # mmengine's runner would replace it by a layer with PyTorch's sums.
        names['SyncBN'] = names['BN']
    cfg = {**norm_cfg, 'type': names.get(norm_cfg['type'], norm_cfg['type'])}
    return with_exact_norms(build_norm_layer(cfg, channels)[1])


def with_exact_norms(model: _Module) -> _Module:
    """Let the normalisation layers of a network from another library be exact, as those built here.

    Frozen layers also store less for the backward pass. Outputs differ by rounding only.

    Args:
        model: Changed in place; subclasses of PyTorch's layers stay as they are.

    Returns:
        The model.
    """
    for module in model.modules():
        module.__class__ = _EXACT.get(type(module), type(module))
    return model


def normalize_rows(norm: nn.Module, rows: Tensor) -> Tensor:
    """Apply a normalisation layer to sparse rows.

    Args:
        norm: Any layer. Plain batch normalisation of fewer than two rows uses the running
            statistics, because one row has no variance.
        rows: (N, C); N may be 0.

    Returns:
        (N, C).
    """
    if isinstance(norm, nn.BatchNorm1d) and norm.training and len(rows) < 2:
        return _with_running_statistics(norm, rows)
    return norm(rows)


def _with_running_statistics(norm: _BatchNorm, input: Tensor) -> Tensor:
    return F.batch_norm(
        input, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps
    )
