"""Sums over the voxels of a batch, from which several losses are computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmssc.geometry.frustum import NO_FRUSTUM

from .base_loss import SSCLoss, sum_by_class

__all__ = ['ClassSums', 'ClassSumsLoss', 'SumSettings']

# Voxels per step: on the CPU, those of a step stay in the cache.
_CPU_STEP, _STEP = 1 << 14, 1 << 20


class SumSettings(NamedTuple):
    """What the sums of a loss depend on, besides logits and targets; see :class:`SSCLoss`."""

    ignore_index: int
    empty_index: int
    reduction: str


class ClassSums:
    """Sums of the softmax p over the labelled voxels of each sample.

    The losses of :class:`ClassSumsLoss` need nothing else of the logits. One pass over the logits
    computes all sums, and a second one all gradients; both go in steps, so only the logits and
    their gradient exist as a whole.

    Args:
        logits: (B, K, V) of any floating type; sums are float32 or wider.
        target: (B, V) class ids.
        ignore_index: Target value of voxels that do not count.
        empty_index: Class id of empty voxels.
        frustum_index: (B, V) uint8, see :func:`mmssc.geometry.frustum_index`; None: one group of
            all voxels.

    Attributes:
        log_score: (B, K), sum of ``log p[k]`` over the voxels of class k.
        hit: (B, K), sum of ``p[k]`` over the voxels of class k.
        occupied: (B, K), sum of ``1 - p[empty]`` over the voxels of class k.
        mass: (B, G, K), sum of p over each of the G groups: the frustums and, as the last one, the
            voxels without a frustum.
        count: (B, G, K), voxels of each group and class.
    """

    def __init__(
        self,
        logits: Tensor,
        target: Tensor,
        ignore_index: int = 255,
        empty_index: int = 0,
        frustum_index: Tensor | None = None,
    ) -> None:
        settings = ignore_index, empty_index
        sums, self.mass = _SoftmaxSums.apply(logits, target, frustum_index, *settings)
        self.log_score, self.hit, self.occupied = sums.unbind(1)
        self.count = _count(target, ignore_index, frustum_index, *self.mass.shape[1:]).to(sums)

    @property
    def class_mass(self) -> Tensor:
        """(B, K), sum of p over all labelled voxels."""
        return self.mass.sum(1)

    @property
    def class_count(self) -> Tensor:
        """(B, K), labelled voxels of each class."""
        return self.count.sum(1)


class ClassSumsLoss(SSCLoss):
    """A loss that is computed from :class:`ClassSums`; several losses can share them.

    Arguments: :class:`SSCLoss`.

    Attributes:
        empty_index: Class id of empty voxels.
    """

    empty_index = 0

    def forward(
        self,
        logits: Tensor,
        target: Tensor,
        *args: Any,
        sums: ClassSums | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """The loss of a batch, see :class:`SSCLoss`.

        Args:
            logits: See :meth:`per_sample`.
            target: See :meth:`per_sample`.
            args: Further arguments of :meth:`per_sample`.
            sums: Those of the same logits and targets with the :meth:`sum_settings` of this loss,
                which another loss shares; None: they are computed.
            kwargs: Further arguments of :meth:`per_sample`.

        Raises:
            ValueError: The shapes do not match.
            DataError: An id of the first target is not a class of the logits.
        """
        if sums is None:
            return super().forward(logits, target, *args, **kwargs)
        return self.loss_weight * self.from_sums(sums).mean()

    def sum_settings(self) -> SumSettings | None:
        """Losses with equal settings can share sums; None: this loss needs its own arguments.

        A subclass with a ``forward`` or ``per_sample`` of its own shares no sums, unless it also
        has a ``from_sums``.
        """
        kind: Any = type(self)
        owner: Any = next(base for base in kind.__mro__ if 'from_sums' in vars(base))
        if kind.forward is not owner.forward or kind.per_sample is not owner.per_sample:
            return None
        return SumSettings(self.ignore_index, self.empty_index, self.reduction)

    def make_sums(
        self, logits: Tensor, target: Tensor, frustum_index: Tensor | None = None
    ) -> ClassSums:
        """The sums that :meth:`from_sums` takes.

        Args:
            logits: (B, K, ...).
            target: (B, ...) class ids.
            frustum_index: (B, ...) uint8, for losses that compare frustums.

        Raises:
            ValueError: The shapes do not match.
            DataError: An id of the first target is not a class of the logits.
        """
        self.check_shapes(logits, target)
        self._check_ids(logits, target)
        volumes = [target] if frustum_index is None else [target, frustum_index]
        with torch.autocast(logits.device.type, enabled=False):
            logits, *volumes = self.pool_batch(logits, *volumes)
            target, *frustums = (volume.flatten(1) for volume in volumes)
            settings = self.ignore_index, self.empty_index
            return ClassSums(logits.flatten(2), target, *settings, *frustums)

    def per_sample(self, logits: Tensor, target: Tensor, /, *args: Any, **kwargs: Any) -> Tensor:
        """The loss of every sample, see :meth:`SSCLoss.per_sample`."""
        return self.from_sums(self.make_sums(logits, target, *args, **kwargs))

    def from_sums(self, sums: ClassSums) -> Tensor:
        """The loss of every sample: (B,), or (1,) with ``reduction='batch'``."""
        raise NotImplementedError


class _SoftmaxSums(torch.autograd.Function):
    """The sums (B, 3, K) ``log_score``, ``hit``, ``occupied``, and ``mass`` (B, G, K)."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        target: Tensor,
        frustum_index: Tensor | None,
        ignore_index: int,
        empty_index: int,
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(logits, target, frustum_index)
        ctx.settings = ignore_index, empty_index
        batch, classes = logits.shape[:2]
        wide = torch.promote_types(logits.dtype, torch.float32)
        sums = logits.new_zeros(batch, 3, classes, dtype=wide)
        groups = 1 if frustum_index is None else NO_FRUSTUM + 1
        mass = logits.new_zeros(batch, groups, classes, dtype=wide)
        for sample, part in _steps(logits):
            scores = logits[sample, :, part].t().to(wide).log_softmax(1)
            own = _own_class(target[sample, part], ignore_index, classes)
            is_labelled = own < classes
            log_own = scores.gather(1, own.clamp(max=classes - 1)[:, None])[:, 0]
            share = scores.exp()
            columns = torch.stack([log_own, log_own.exp(), 1 - share[:, empty_index]])
            by_class = sum_by_class(columns, own.expand(3, -1), classes + 1)
            sums[sample] += by_class[:, :classes]
            share.masked_fill_(~is_labelled[:, None], 0)
            if frustum_index is None:
                mass[sample] += share.sum(0)
            else:
                mass[sample] += _sum_rows(share, frustum_index[sample, part].long(), groups)
        return sums, mass

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_sums: Tensor, to_mass: Tensor) -> tuple[Tensor | None, ...]:
        logits, target, frustum_index = ctx.saved_tensors
        ignore_index, empty_index = ctx.settings
        classes = logits.shape[1]
        gradient = torch.empty_like(logits)
        # The last class, of voxels that do not count, has a gradient of 0.
        to_sums = F.pad(to_sums, (0, 1))
        for sample, part in _steps(logits):
            share = logits[sample, :, part].t().to(to_sums.dtype).softmax(1)
            own = _own_class(target[sample, part], ignore_index, classes)
            to_log, to_hit, to_occupied = to_sums[sample].index_select(1, own)
            column = own.clamp(max=classes - 1)[:, None]
            to_own = to_log + to_hit * share.gather(1, column)[:, 0]
            to_empty = to_occupied * share[:, empty_index]
            group = to_mass[sample]
            if frustum_index is not None:
                group = group.index_select(0, frustum_index[sample, part].long())
            step = (share * group).masked_fill_((own == classes)[:, None], 0)
            total = step.sum(1) + to_own - to_empty
            step.addcmul_(share, total[:, None], value=-1)
            step.scatter_add_(1, column, to_own[:, None])
            step[:, empty_index] -= to_empty
            gradient[sample, :, part] = step.t()
        return gradient, None, None, None, None


def _steps(logits: Tensor) -> Iterator[tuple[int, slice]]:
    """Sample and voxels of each step over (B, K, V)."""
    batch, _, length = logits.shape
    size = _CPU_STEP if logits.device.type == 'cpu' else _STEP
    for sample in range(batch):
        for start in range(0, length, size):
            yield sample, slice(start, start + size)


def _own_class(target: Tensor, ignore_index: int, classes: int) -> Tensor:
    """Class ids in int64; K for voxels that do not count."""
    return target.long().masked_fill(target == ignore_index, classes)


def _sum_rows(rows: Tensor, index: Tensor, groups: int) -> Tensor:
    """Sum (V, K) over the voxels of each group, through partial sums as :func:`sum_by_class`."""
    parts = max(1, len(rows) // _CPU_STEP)
    part = torch.arange(len(rows), device=rows.device) % parts
    sums = rows.new_zeros(parts * groups, rows.shape[1])
    return sums.index_add_(0, part * groups + index, rows).view(parts, groups, -1).sum(0)


def _count(
    target: Tensor, ignore_index: int, frustum_index: Tensor | None, groups: int, classes: int
) -> Tensor:
    """Labelled voxels (B, G, K) of each group and class."""
    bins = _own_class(target, ignore_index, groups * classes)
    if frustum_index is not None:
        is_labelled = bins < classes
        bins = bins + (frustum_index.long() * classes).masked_fill_(~is_labelled, 0)
    length = groups * classes + 1
    counts = torch.stack([torch.bincount(row, minlength=length) for row in bins])
    return counts[:, :-1].view(-1, groups, classes)
