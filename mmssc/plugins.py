"""Projects: packages beside the library that the tools load by their folder."""

from __future__ import annotations

import sys
from importlib import import_module
from os import PathLike
from pathlib import Path
from types import ModuleType

from mmssc.errors import DataError

__all__ = ['import_project']


def import_project(folder: str | PathLike[str], part: str | None = None) -> ModuleType:
    """Import the package of a project, so that what it registers is known.

    The package of the folder ``NAME`` is ``NAME/NAME`` (see ``projects/example_project``). Its
    models and data sets register when it is imported; a part that only a tool needs is a module of
    the package: ``checkpoints`` (importer tables) and ``parity`` (parity recipes).

    Args:
        folder: Folder of the project.
        part: Module of the package that is needed.

    Returns:
        The package, or the part.

    Raises:
        DataError: The folder holds no such package, or the package no such part.
    """
    folder = Path(folder).resolve()
    package = folder / folder.name
    if not (package / '__init__.py').is_file():
        expected = f'a project: a folder with the package {folder.name}/'
        raise DataError(folder, expected=expected, found='none')
    if part is not None and not (package / f'{part}.py').is_file():
        raise DataError(package, 'module', f'{part}.py', 'none')
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    module = import_module(folder.name if part is None else f'{folder.name}.{part}')
    found = Path(str(sys.modules[folder.name].__file__)).parent
    if found != package:
        raise DataError(folder, f'package {folder.name}', package, f'another one in {found}')
    return module
