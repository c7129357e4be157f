"""Models: completors and the parts that configs wire together."""

from . import (
    adversarial,
    backbones,
    completors,
    data_preprocessors,
    heads,
    layers,
    lifters,
    losses,
    necks,
)

__all__ = [
    'adversarial', 'backbones', 'completors', 'data_preprocessors', 'heads', 'layers', 'lifters',
    'losses', 'necks',
]  # fmt: skip
