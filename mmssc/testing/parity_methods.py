"""The methods whose parity can be checked."""

from __future__ import annotations

from mmssc.errors import DataError

from .parity_ammnet import AMMNetParity
from .parity_cleaners import CleanersParity
from .parity_recipe import ParityRecipe
from .parity_sgn import SGNParity
from .parity_sketch import SketchParity
from .parity_symphonies import SymphoniesParity

__all__ = ['RECIPES', 'get_recipe', 'register_recipe']

RECIPES: dict[str, ParityRecipe] = {
    **{f'sgn-{kind}': SGNParity(kind) for kind in ('T', 'S', 'L', 'tiny')},
    'cleaners': CleanersParity(),
    'sketch': SketchParity(),
    'symphonies': SymphoniesParity('full'),
    'symphonies-small': SymphoniesParity('small'),
    'symphonies-decoder': SymphoniesParity('decoder'),
    'ammnet': AMMNetParity(),
}


def get_recipe(name: str) -> ParityRecipe:
    """The recipe of a method.

    Raises:
        DataError: No such method; the message lists those there are.
    """
    if name not in RECIPES:
        raise DataError('parity check', 'method', ', '.join(RECIPES), name)
    return RECIPES[name]


def register_recipe(name: str, recipe: ParityRecipe) -> None:
    """Make a method of a project known to the parity check.

    Raises:
        ValueError: There is another recipe of that name.
    """
    if RECIPES.setdefault(name, recipe) is not recipe:
        raise ValueError(f'there is another recipe {name!r}')
