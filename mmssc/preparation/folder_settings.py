"""Settings of the files in a folder, so that results of two settings are never mixed."""

from __future__ import annotations

import filecmp
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmssc.errors import DataError
from mmssc.fileio import atomic_write, remove_stale_files, temporary_path
from mmssc.formats.json_fields import read_json

__all__ = ['RECIPE_NAME', 'claim_folder', 'find_results', 'read_recipe', 'replace_if_changed']

RECIPE_NAME = 'recipe.json'
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
        DataError: The folder has results of other settings, and ``overwrite`` is False.
    """
    remove_stale_files(folder)
    results = find_results(folder, suffixes)
    before = read_recipe(folder)
    if before is None and results:
        return False
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


def replace_if_changed(path: Path, write: Callable[[Path], None]) -> bool:
    """Write a file, unless it already has this content.

    Args:
        path: The file.
        write: Writes the content to a given path.

    Returns:
        Whether the file changed.
    """
    remove_stale_files(path.parent)
    draft = temporary_path(path)
    try:
        try:
            write(draft)
        except DataError as error:
            if error.file != str(draft):
                raise
            raise DataError(path, error.field, error.expected, error.found, error.hint) from error
        if path.is_file() and filecmp.cmp(draft, path, shallow=False):
            return False
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return True
