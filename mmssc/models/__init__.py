"""Models: completors and the parts that configs wire together."""

from . import backbones, completors, data_preprocessors, heads, layers, lifters, losses

__all__ = ['backbones', 'completors', 'data_preprocessors', 'heads', 'layers', 'lifters', 'losses']
