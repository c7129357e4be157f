"""Models: completors and the parts that configs wire together."""

from . import (
    backbones,
    completors,
    data_preprocessors,
    heads,
    layers,
    lifters,
    losses,
    model_wrappers,
    necks,
)

__all__ = [
    'backbones', 'completors', 'data_preprocessors', 'heads', 'layers', 'lifters', 'losses',
    'model_wrappers', 'necks',
]  # fmt: skip
