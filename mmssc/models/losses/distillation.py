"""Distillation losses: logits, and features, class centres and affinities of CleanerS."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from mmssc.errors import DataError
from mmssc.registry import MODELS

from .base_loss import OccupancyLoss, SSCLoss, check_reduction, sample_of_points

__all__ = ['ClassAffinityDistillationLoss', 'ClassCenterDistillationLoss',
           'FeatureDistillationLoss', 'LogitDistillationLoss', 'class_centers']  # fmt: skip


@MODELS.register_module()
class FeatureDistillationLoss(SSCLoss):
    """Mean squared difference of two feature volumes, over all their elements (KD-T).

    CleanerS (arXiv 2303.09977) distils the features of the TSDF encoder over all voxels, labelled
    or not.
    """

    def per_sample(self, features: Tensor, teacher_features: Tensor) -> Tensor:
        """The loss of every sample: (B, ...), (B, ...) -> (B,).

        Raises:
            ValueError: The shapes differ.
        """
        if features.shape != teacher_features.shape:
            raise ValueError(
                f'features of the student {tuple(features.shape)} and the teacher '
                f'{tuple(teacher_features.shape)} differ in shape'
            )
        return (features - teacher_features.float()).square().flatten(1).mean(1)


@MODELS.register_module()
class LogitDistillationLoss(SSCLoss):
    """Divergence of the class probabilities of a network from those of a teacher.

    ``KL(softmax(teacher / t) || softmax(student / t)) * t^2``, the mean over the points of each
    sample (Hinton et al., arXiv 1503.02531).

    Args:
        temperature: t; larger ones show more of the classes that the teacher finds unlikely.
        loss_weight: Factor of the result.
        reduction: ``'sample'``: the mean of the means of the samples. ``'batch'``: one mean over
            the points of the whole batch.
    """

    def __init__(
        self, temperature: float = 1.0, loss_weight: float = 1.0, reduction: str = 'sample'
    ) -> None:
        super().__init__(loss_weight)
        self.temperature = _check_temperature(temperature, type(self).__name__)
        self.reduction = check_reduction(reduction, type(self).__name__)

    def per_sample(
        self,
        logits: Tensor,
        teacher_logits: Tensor,
        batch_index: Tensor | None = None,
        batch_size: int | None = None,
    ) -> Tensor:
        """The loss of every sample, see :meth:`SSCLoss.per_sample`.

        Args:
            logits: (N, K) of the student.
            teacher_logits: (N, K) of the teacher.
            batch_index: (N,), the sample of each point; None: one sample has all points.
            batch_size: Number of samples.

        Returns:
            (B,) float32; 0 for a sample without points.

        Raises:
            ValueError: The shapes differ.
        """
        if logits.shape != teacher_logits.shape:
            shapes = f'{tuple(logits.shape)} and {tuple(teacher_logits.shape)}'
            raise ValueError(f'logits of student and teacher differ in shape: {shapes}')
        divergence = _divergence(logits, teacher_logits.float(), self.temperature, dim=1)
        sample, count = sample_of_points(divergence, batch_index, batch_size)
        zeros = divergence.new_zeros(count)
        total = zeros.index_add(0, sample, divergence)
        points = zeros.index_add(0, sample, torch.ones_like(divergence))
        if self.reduction == 'batch':
            points = points.sum() / count
        return total / points.clamp_min(torch.finfo(points.dtype).tiny)


class _Logits(NamedTuple):
    """Logits of one network: per voxel (B, K, V), and their mean per true class (B, K, K)."""

    voxels: Tensor
    centers: Tensor


class _RelationLoss(OccupancyLoss):
    """A loss on the logits of the labelled voxels, grouped by their true class.

    Args:
        empty_index: Class without a group; its voxels still count.
        loss_weight: Factor of the result.
        ignore_index: Label to ignore.
    """

    def per_sample(
        self, logits: Tensor, teacher_logits: Tensor, target: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """The loss of every sample.

        Args:
            logits: (B, K, ...) of the student.
            teacher_logits: (B, K, ...) of the teacher.
            target: (B, ...) class ids.
            mask: (B, ...) bool, voxels that count; None: all.

        Returns:
            (B,) float32; 0 for a sample without valid voxels of an occupied class.
        """
        student, label, valid = self.flatten_voxels(logits, target)
        if mask is not None:
            valid = valid & mask.bool().flatten(1)
        teacher = teacher_logits.float().flatten(2)
        student_centers, count = class_centers(student, label, valid)
        teacher_centers, _ = class_centers(teacher, label, valid)
        present = count > 0
        present[:, self.empty_index] = False
        return self.compare(
            _Logits(student, student_centers), _Logits(teacher, teacher_centers), present, valid
        )

    def compare(self, student: _Logits, teacher: _Logits, present: Tensor, valid: Tensor) -> Tensor:
        """The loss (B,) over ``present`` occupied classes (B, K) and ``valid`` voxels (B, V)."""
        raise NotImplementedError


@MODELS.register_module()
class ClassCenterDistillationLoss(_RelationLoss):
    """Divergence of the class centres of the logits (KD-SC).

    The centre of a class is the mean of the raw logits of the voxels with that label. The loss is
    the mean of ``KL(softmax(teacher / t) || softmax(student / t)) * t^2`` over the occupied
    classes that occur.

    Args:
        temperature: t.
        kwargs: ``empty_index`` (its channel stays in the distributions), ``loss_weight``,
            ``ignore_index``; see :class:`_RelationLoss`.
    """

    def __init__(self, temperature: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.temperature = _check_temperature(temperature, type(self).__name__)

    def compare(self, student: _Logits, teacher: _Logits, present: Tensor, valid: Tensor) -> Tensor:
        """See :class:`_RelationLoss`."""
        divergence = _divergence(student.centers, teacher.centers, self.temperature, dim=2)
        total = divergence.masked_fill(~present, 0).sum(1)
        return total / present.sum(1).clamp_min(1)


@MODELS.register_module()
class ClassAffinityDistillationLoss(_RelationLoss):
    """Squared difference of the cosine similarities of voxels and class centres (KD-SA).

    Compares every valid voxel (also empty ones) with the centre of every occupied class that
    occurs; each network uses its own centres. The loss is the mean over voxels and classes.
    Arguments: :class:`_RelationLoss`.
    """

    def compare(self, student: _Logits, teacher: _Logits, present: Tensor, valid: Tensor) -> Tensor:
        """See :class:`_RelationLoss`."""
        difference = _affinity(teacher) - _affinity(student)
        pairs = present.unsqueeze(2) & valid.unsqueeze(1)
        total = difference.square().masked_fill(~pairs, 0).flatten(1).sum(1)
        return total / (present.sum(1) * valid.sum(1)).clamp_min(1)


def _check_temperature(temperature: float, owner: str) -> float:
    if temperature <= 0:
        raise DataError('config', f'{owner}.temperature', 'a positive number', temperature)
    return temperature


def _divergence(student: Tensor, teacher: Tensor, temperature: float, dim: int) -> Tensor:
    """``KL(softmax(teacher / t) || softmax(student / t)) * t^2``, without the axis ``dim``."""
    log_student = (student / temperature).log_softmax(dim)
    log_teacher = (teacher / temperature).log_softmax(dim)
    return (log_teacher.exp() * (log_teacher - log_student)).sum(dim) * temperature**2


def class_centers(logits: Tensor, label: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Mean logits of the voxels of each class.

    Computed as a product with the membership matrix: one pass over all voxels, samples and
    classes, and deterministic on a GPU, unlike scattering.

    Args:
        logits: (B, K, V).
        label: (B, V) int64 in [0, K).
        valid: (B, V) bool.

    Returns:
        Centres (B, class, K), 0 for a class that does not occur, and voxels per class (B, K).
    """
    member = functional.one_hot(label, logits.shape[1]).to(logits.dtype)
    member = member * valid.unsqueeze(2)
    count = member.sum(1)
    sums = torch.einsum('bkv,bvc->bck', logits, member)
    return sums / count.clamp_min(1).unsqueeze(2), count


def _affinity(logits: _Logits, eps: float = 1e-8) -> Tensor:
    """Cosine similarity of centres and voxels: (B, class, V)."""
    unit = logits.voxels / logits.voxels.norm(dim=1, keepdim=True).clamp_min(eps)
    directions = logits.centers / logits.centers.norm(dim=2, keepdim=True).clamp_min(eps)
    return directions @ unit
