"""Completors: the top-level models."""

from .base_completor import BaseCompletor
from .rgbd_completor import RGBDCompletor
from .sgn import SGN

__all__ = ['SGN', 'BaseCompletor', 'RGBDCompletor']
