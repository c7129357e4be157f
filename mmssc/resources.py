"""Where configs, tools, metafiles and weights are, and how a config is found by its name."""

from __future__ import annotations

from functools import cache
from os import PathLike, fspath
from pathlib import Path

from mmssc.errors import DataError, nearest_name

__all__ = ['PACKAGE_PREFIX', 'config_names', 'find_config', 'resource_folder']

#: Marks a config of this package, as other mm projects do: ``mmssc::sgn/sgn-T.py``.
PACKAGE_PREFIX = 'mmssc::'


def resource_folder() -> Path:
    """The folder with ``configs/``, ``tools/``, ``checkpoints/`` and ``model-index.yml``.

    It is ``.mim/`` in an installed wheel (setup.py fills it), and the clone itself otherwise.

    Raises:
        DataError: The installation has no such files.
    """
    package = Path(__file__).resolve().parent
    inside = package / '.mim'
    folder = inside if inside.is_dir() else package.parent
    if not (folder / 'model-index.yml').is_file():
        hint = 'Install the wheel of mmssc, or a clone with pip install -e'
        raise DataError(folder, None, 'configs/, tools/ and model-index.yml', 'none', hint)
    return folder


@cache
def config_names() -> dict[str, Path]:
    """Name -> file of every config that can be run: the name is the file without ``.py``.

    Raises:
        DataError: The installation has no configs.
    """
    configs = resource_folder() / 'configs'
    files = sorted(configs.glob('[!_]*/*.py'))
    return {path.stem: path for path in files}


def find_config(config: str | PathLike[str]) -> Path:
    """Find a config by its path or its name.

    A file of the current folder comes before a name. ``mmssc::FOLDER/FILE.py`` and
    ``configs/FOLDER/FILE.py`` are files of this package, wherever the command runs.

    Args:
        config: Path, name (``sgn-T``), or ``mmssc::sgn/sgn-T.py``.

    Raises:
        DataError: There is no such config.
    """
    path = Path(config)
    if path.exists() and not path.is_dir():
        return path
    if path.is_symlink() and not path.is_dir():
        raise DataError(config, None, 'a config file', 'a link that leads to no file')
    text = fspath(config)
    for start in filter(text.startswith, (PACKAGE_PREFIX, 'configs/')):
        inside = resource_folder() / 'configs' / text[len(start) :]
        if inside.is_file():
            return inside
    names = config_names()
    if text in names:
        return names[text]
    if path.is_dir():
        raise DataError(config, None, 'a config file', 'a folder', 'Give a file in it')
    if text.startswith(PACKAGE_PREFIX):
        files = [f'{file.parent.name}/{file.name}' for file in names.values()]
        near = nearest_name(text[len(PACKAGE_PREFIX) :], files)
    else:
        near = nearest_name(path.stem, names)
    hint = near or 'Give a file, or a name that mmssc info --list prints'
    raise DataError(config, None, 'a config file', 'no such file', hint)
