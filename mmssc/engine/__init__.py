"""Hooks, optimiser wrappers and what the training and testing tools share."""

from . import hooks, optim

__all__ = ['hooks', 'optim']
