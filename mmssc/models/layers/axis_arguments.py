"""Arguments of convolutions and poolings that treat one axis of a volume unlike the others."""

from __future__ import annotations

__all__ = ['along_axis']


def along_axis(axis: int, value: int, elsewhere: int) -> tuple[int, int, int]:
    """``value`` for one of the three axes (0, 1 or 2), ``elsewhere`` for the other two."""
    first, second, third = (value if number == axis else elsewhere for number in range(3))
    return first, second, third
