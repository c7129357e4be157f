"""Lifters: image features to voxel features."""

from .flosp import FLoSP, lift_features

__all__ = ['FLoSP', 'lift_features']
