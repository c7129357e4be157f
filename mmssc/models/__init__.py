"""Models: completors and the parts that configs wire together."""

from . import completors, data_preprocessors, heads, layers, lifters, losses

__all__ = ['completors', 'data_preprocessors', 'heads', 'layers', 'lifters', 'losses']
