"""Distillation losses of CleanerS: features, class centres and affinities."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from mmssc.errors import DataError
from mmssc.registry import MODELS

from .base_loss import OccupancyLoss, SSCLoss

__all__ = ['ClassAffinityDistillationLoss', 'ClassCenterDistillationLoss',
           'FeatureDistillationLoss', 'class_centers']  # fmt: skip


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
        if temperature <= 0:
            field = f'{type(self).__name__}.temperature'
            raise DataError('config', field, 'a positive number', temperature)
        self.temperature = temperature

    def compare(self, student: _Logits, teacher: _Logits, present: Tensor, valid: Tensor) -> Tensor:
        """See :class:`_RelationLoss`."""
        log_student = (student.centers / self.temperature).log_softmax(2)
        log_teacher = (teacher.centers / self.temperature).log_softmax(2)
        divergence = (log_teacher.exp() * (log_teacher - log_student)).sum(2)
        total = divergence.masked_fill(~present, 0).sum(1) * self.temperature**2
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
