"""The methods whose parity can be checked."""

from __future__ import annotations

from mmssc.errors import DataError

from .parity import ParityRecipe
from .parity_cleaners import CleanersParity
from .parity_sgn import SGNParity
from .parity_sketch import SketchParity
from .parity_symphonies import SymphoniesParity

__all__ = ['RECIPES', 'get_recipe']

RECIPES: dict[str, ParityRecipe] = {
    **{f'sgn-{kind}': SGNParity(kind) for kind in ('T', 'S', 'L', 'tiny')},
    'cleaners': CleanersParity(),
    'sketch': SketchParity(),
    'symphonies': SymphoniesParity('full'),
    'symphonies-small': SymphoniesParity('small'),
    'symphonies-decoder': SymphoniesParity('decoder'),
}


def get_recipe(name: str) -> ParityRecipe:
    """The recipe of a method.

    Raises:
        DataError: No such method; the message lists those there are.
    """
    if name not in RECIPES:
        raise DataError('parity check', 'method', ', '.join(RECIPES), name)
    return RECIPES[name]
