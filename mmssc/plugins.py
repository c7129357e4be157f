"""Import projects: packages outside of mmssc that the tools load from a folder."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from os import PathLike
from pathlib import Path
from types import ModuleType

from mmssc.errors import DataError

__all__ = ['import_project']


def import_project(folder: str | PathLike[str], part: str | None = None) -> ModuleType:
    """Import the package of a project, which registers its models and data sets.

    The package of the folder ``NAME`` is ``NAME/NAME`` (see ``projects/example_project``). Parts
    that only a tool needs are modules of the package: ``checkpoints`` (importer tables) and
    ``parity`` (parity recipes).

    Args:
        folder: Folder of the project.
        part: Module of the package to import; None imports the package itself.

    Returns:
        The package, or the part.

    Raises:
        DataError: The folder has no such package, or the package has no such part.
    """
    folder = Path(os.path.realpath(folder))  # Path.resolve() fails at a loop of links.
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
