"""The methods with a parity check."""

from __future__ import annotations

from mmssc.errors import DataError
from mmssc.parity.lidar.recipe import CarlaParity, LidarParity
from mmssc.parity.rgbd.ammnet import AMMNetParity
from mmssc.parity.rgbd.cleaners import CleanersParity
from mmssc.parity.sgn.recipe import SGNParity
from mmssc.parity.sketch.recipe import SketchParity
from mmssc.parity.symphonies.recipe import SymphoniesParity
from mmssc.parity.voxdet.recipe import VoxDetLidarParity

from .recipe import ParityRecipe

__all__ = ['RECIPES', 'get_recipe', 'register_recipe']

RECIPES: dict[str, ParityRecipe] = {
    **{f'sgn-{kind}': SGNParity(kind) for kind in ('T', 'S', 'L', 'tiny')},
    'cleaners': CleanersParity(),
    'sketch': SketchParity(),
    'symphonies': SymphoniesParity('full'),
    'symphonies-small': SymphoniesParity('small'),
    'symphonies-decoder': SymphoniesParity('decoder'),
    'ammnet': AMMNetParity(),
    **{kind: LidarParity(kind) for kind in ('lmscnet', 'lmscnet-ss', 'sscnet-full', 'sscnet')},
    **{f'carla-{kind}': CarlaParity(kind) for kind in ('lmscnet-ss', 'sscnet-full')},
    'voxdet-lidar': VoxDetLidarParity(),
}


def get_recipe(name: str) -> ParityRecipe:
    """The recipe of a method.

    Raises:
        DataError: The method is unknown; the message lists the known methods.
    """
    if name not in RECIPES:
        raise DataError('parity check', 'method', ', '.join(RECIPES), name)
    return RECIPES[name]


def register_recipe(name: str, recipe: ParityRecipe) -> None:
    """Register the recipe of a project's method.

    Raises:
        ValueError: There is another recipe with this name.
    """
    if RECIPES.setdefault(name, recipe) is not recipe:
        raise ValueError(f'there is another recipe {name!r}')
