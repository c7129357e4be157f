"""Divergence of a variational posterior from its prior."""

from __future__ import annotations

from torch import Tensor

from mmssc.registry import MODELS

from .base_loss import SSCLoss

__all__ = ['StandardNormalKLLoss']


@MODELS.register_module()
class StandardNormalKLLoss(SSCLoss):
    """Kullback-Leibler divergence of N(mean, exp(log_var)) from N(0, 1), mean over all elements.

    ``-0.5 * mean(1 + log_var - mean^2 - exp(log_var))``. It is the mean over the latent
    dimensions, not the usual sum (3D-Sketch, CVPR 2020).
    """

    def per_sample(self, mean: Tensor, log_var: Tensor) -> Tensor:
        """The loss of every sample: (B, ...), (B, ...) -> (B,).

        Raises:
            ValueError: The shapes differ.
        """
        if mean.shape != log_var.shape:
            shapes = f'mean {tuple(mean.shape)} and log_var {tuple(log_var.shape)}'
            raise ValueError(f'{shapes} differ in shape')
        log_var = log_var.float()
        terms = 1 + log_var - mean.square() - log_var.exp()
        return -0.5 * terms.flatten(1).mean(1)
