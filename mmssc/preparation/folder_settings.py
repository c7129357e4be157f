"""Settings of the files in a folder, so that results of two settings are never mixed."""

from __future__ import annotations

import filecmp
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmssc.errors import DataError
from mmssc.file_kinds import HEAD_BYTES, describe_file
from mmssc.fileio import atomic_write, remove_stale_files, temporary_path
from mmssc.formats.json_fields import read_json
from mmssc.formats.regular_files import open_regular_file

__all__ = [
    'RECIPE_NAME', 'claim_folder', 'find_results', 'info_list_to_write', 'read_recipe',
    'replace_if_changed',
]  # fmt: skip

RECIPE_NAME = 'recipe.json'
_INFO_LIST = re.compile(rb'\s*\{\s*"metainfo"')
# Setting of a recipe -> its name in messages; others are called as they are.
_IN_WORDS = dict(
    baseline_focal='baseline times focal length', depth_scale='--depth-scale',
    floor_search='version of the floor search', height='--height', poses='--poses',
    roll='roll (radians)', rotate='--rotate', tilt='tilt (radians)',
)  # fmt: skip


def read_recipe(folder: Path) -> dict[str, Any] | None:
    """The settings of the files of ``folder``, None if mmssc did not make them.

    Raises:
        DataError: The file exists but is not a JSON object.
    """
    path = folder / RECIPE_NAME
    if not path.exists():
        return None
    recipe = read_json(path)
    if not isinstance(recipe, dict):
        raise DataError(path, 'content', 'a JSON object', type(recipe).__name__)
    return recipe


def _difference(settings: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that differ from others, under the names that users know."""
    changed = [key for key in {**settings, **other} if settings.get(key) != other.get(key)]
    return {_IN_WORDS.get(key, key.replace('_', ' ')): settings.get(key) for key in changed}


def find_results(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Finished files of a folder (which may not exist) with one of these endings."""
    paths = (path for suffix in suffixes for path in folder.glob(f'*{suffix}'))
    return [path for path in paths if path.name[0] != '.']


def claim_folder(
    folder: Path, recipe: Mapping[str, Any], suffixes: Sequence[str], overwrite: bool = False
) -> bool:
    """Prepare ``folder`` for results of the settings ``recipe``.

    Removes unfinished files of a killed run. With ``overwrite`` it also removes every result of an
    earlier run, before the work starts, so that an interrupted run can continue without it.

    Args:
        folder: Results of one step for one sequence.
        recipe: Settings that decide the content, plain JSON values.
        suffixes: File name endings of results.
        overwrite: Make results of this library again.

    Returns:
        False if the folder has results without a recipe: the user's own, which stay unchanged.

    Raises:
        DataError: The folder has results of other settings, and ``overwrite`` is False; or a file
            of somebody else has the name of the settings.
    """
    remove_stale_files(folder)
    results = find_results(folder, suffixes)
    before = read_recipe(folder)
    if before is None and results:
        return False
    if before is not None and recipe and not before.keys() & recipe.keys():
        hint = 'Move this file to another place'
        raise DataError(
            folder / RECIPE_NAME, None, 'settings of this command', 'another JSON file', hint
        )
    recipe = json.loads(json.dumps(recipe))
    if overwrite:
        for path in results:
            path.unlink()
    elif before is not None and results and before != recipe:
        wanted, found = _difference(recipe, before), _difference(before, recipe)
        hint = 'Run with --overwrite to make the files of this folder again'
        raise DataError(folder / RECIPE_NAME, 'settings', wanted, found, hint)
    if before != recipe:
        with atomic_write(folder / RECIPE_NAME, 'w') as file:
            json.dump(recipe, file, indent=1)
    return True


def info_list_to_write(path: Path) -> Path:
    """The file that ``path`` names, also through links.

    Raises:
        DataError: There is a file of the user, a folder, a pipe or a device.
    """
    target = Path(os.path.realpath(path))
    if not os.path.lexists(target):
        return target
    expected, hint = 'an info list of this command, or no file', 'Move it to another place'
    try:
        with open_regular_file(target, expected) as file:
            head = file.read(HEAD_BYTES)
    except DataError as error:
        raise DataError(path, None, expected, error.found, hint) from error
    if head and not _INFO_LIST.match(head):
        raise DataError(path, None, expected, describe_file(head).text, hint)
    return target


def replace_if_changed(path: Path, write: Callable[[Path], None]) -> bool:
    """Write an info list, unless the file already has this content. A link stays.

    Args:
        path: The file.
        write: Writes the content to a given path.

    Returns:
        Whether the file changed.

    Raises:
        DataError: As :func:`info_list_to_write`.
    """
    target = info_list_to_write(path)
    remove_stale_files(target.parent)
    draft = temporary_path(target)
    try:
        try:
            write(draft)
        except DataError as error:
            if error.file != str(draft):
                raise
            raise DataError(path, error.field, error.expected, error.found, error.hint) from error
        if target.is_file() and filecmp.cmp(draft, target, shallow=False):
            return False
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return True
