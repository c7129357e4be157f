"""Hooks, optimiser wrappers and functions that the training and testing tools share."""

from . import hooks, optim

__all__ = ['hooks', 'optim']
