"""Optimiser wrappers."""

from .adversarial import AdversarialOptimWrapperConstructor, AdversarialOptimWrapperDict
from .autocast_optim_wrapper import AutocastOptimWrapper

__all__ = [
    'AdversarialOptimWrapperConstructor', 'AdversarialOptimWrapperDict', 'AutocastOptimWrapper',
]  # fmt: skip
