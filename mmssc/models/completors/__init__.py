"""Completors: the top-level models."""

from .base_completor import BaseCompletor
from .sgn import SGN

__all__ = ['SGN', 'BaseCompletor']
