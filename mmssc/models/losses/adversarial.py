"""Adversarial loss of a discriminator and of its generator."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mmssc.registry import MODELS

from .base_loss import SSCLoss

__all__ = ['AdversarialLoss']


@MODELS.register_module()
class AdversarialLoss(SSCLoss):
    """Binary cross entropy of one logit per sample."""

    def per_sample(
        self, logits: Tensor, target: Tensor | float, valid: Tensor | None = None
    ) -> Tensor:
        """The loss of every sample.

        Args:
            logits: (B,), positive for "real".
            target: 1 for real, 0 for fake; one number, or (B,).
            valid: (B,) bool, samples that count; None: all.

        Returns:
            (B,) float32. Its mean is the mean over the valid samples, 0 if there are none.
        """
        target = torch.as_tensor(target, dtype=logits.dtype, device=logits.device)
        loss = functional.binary_cross_entropy_with_logits(
            logits, target.expand_as(logits), reduction='none'
        )
        if valid is None:
            return loss
        return loss * valid * (len(loss) / valid.sum().clamp_min(1))
