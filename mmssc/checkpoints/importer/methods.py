"""The methods that the importer knows."""

from __future__ import annotations

from mmssc.errors import DataError

from .ammnet import AMMNET
from .cleaners import CLEANERS, CLEANERS_TEACHER
from .key_map import CheckpointMethod
from .lidar import LMSCNET, SSCNET, SSCNET_FULL
from .sgn import SGN
from .sketch import SKETCH, SKETCH_BACKBONE
from .symphonies import SYMPHONIES
from .voxdet import VOXDET_LIDAR

__all__ = ['METHODS', 'get_method', 'register_method']

METHODS: dict[str, CheckpointMethod] = {
    method.name: method
    for method in (
        SGN, CLEANERS, CLEANERS_TEACHER, AMMNET, SKETCH, SKETCH_BACKBONE, SYMPHONIES, LMSCNET,
        SSCNET_FULL, SSCNET, VOXDET_LIDAR,
    )
}  # fmt: skip


def get_method(name: str) -> CheckpointMethod:
    """The tables of a method.

    Raises:
        DataError: The method is unknown; the message lists the known ones.
    """
    if name not in METHODS:
        raise DataError('checkpoint importer', 'method', ', '.join(METHODS), name)
    return METHODS[name]


def register_method(method: CheckpointMethod) -> None:
    """Register a method of a project.

    Raises:
        ValueError: There is already a method with this name.
    """
    if METHODS.setdefault(method.name, method) is not method:
        raise ValueError(f'there is another method {method.name!r}')
