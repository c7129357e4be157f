"""Settings of the files in a folder, so that results of two settings are never mixed."""

from __future__ import annotations

import filecmp
import json
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmssc.errors import DataError
from mmssc.file_kinds import HEAD_BYTES, describe_file
from mmssc.fileio import atomic_write, lock_folder, remove_stale_files, temporary_path
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
    baseline_focal='baseline times focal length', coarse_labels='--coarse-labels', color='--color',
    depth_kind='--depth-kind', depth_limits='--depth-limits', depth_scale='--depth-scale',
    drop_ids='--drop-ids', empty_from='--empty-from', fine_factor='--fine-factor',
    future='--future', height='--height', image_size='--image-size',
    max_disparity='--max-disparity', max_height='--max-height', moving='--moving',
    moving_ids='--moving-ids', origin='--origin', past='--past', poses='--poses', roll='--roll',
    rotate='--rotate', segmenter='--segmenter', segmenter_checkpoint='--segmenter-checkpoint',
    segmenter_table='--segmenter-table', tie='--tie', tilt='--tilt', truncation='--truncation',
    view_step='--view-step',
)  # fmt: skip
_GRID_IN_WORDS = dict(shape='--grid-shape', voxel_size='--voxel-size', origin='--grid-origin')
# Radians in the recipe, degrees on the command line.
_ANGLES = ('--tilt', '--roll')
# Seconds to wait for the other shards that start at the same time.
_CLAIM_TIMEOUT = 120.0
# Not a setting of the user; it differs between versions of this library.
_VERSION = 'floor_search'


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


def _difference(settings: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The settings that differ from others, as users write them."""
    own, others = _as_options(settings), _as_options(other)
    changed = [key for key in {**own, **others} if own.get(key) != others.get(key)]
    # Without a search of the floor there is no version of it, either.
    return [_in_words(key, own.get(key)) for key in changed if key != _VERSION]


def _as_options(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by the names that users know; a grid is several options."""
    grid = settings.get('voxel_grid')
    parts: Mapping[str, Any] = grid if isinstance(grid, Mapping) else {}
    named: dict[str, Any] = {_GRID_IN_WORDS.get(key, key): parts[key] for key in parts}
    for key, value in settings.items():
        if key != 'voxel_grid' or not parts:
            named[_IN_WORDS.get(key, key if key == _VERSION else key.replace('_', ' '))] = value
    return named


def _in_words(name: str, value: Any) -> str:
    if value is None:
        return f'no {name}'
    if name in _ANGLES and isinstance(value, (int, float)):
        value = f'{math.degrees(value):.6g}'
    if isinstance(value, list) and name.startswith('--'):
        value = ' '.join(map(str, value))
    return f'{name} {value}'


def find_results(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Finished files of a folder (which may not exist) with one of these endings."""
    paths = (path for suffix in suffixes for path in folder.glob(f'*{suffix}'))
    return [path for path in paths if path.name[0] != '.']


def claim_folder(
    folder: Path,
    recipe: Mapping[str, Any],
    suffixes: Sequence[str],
    overwrite: bool = False,
    elsewhere: str = '',
    shared: bool = False,
) -> bool:
    """Prepare ``folder`` for results of the settings ``recipe``.

    Removes unfinished files of a killed run. With ``overwrite`` it also removes every result of an
    earlier run, before the work starts, so that an interrupted run can continue without it.

    Args:
        folder: Results of one step for one sequence.
        recipe: Settings that decide the content, plain JSON values.
        suffixes: File name endings of results.
        overwrite: Make results of this library again.
        elsewhere: How the command is told another folder, for the message about other settings.
        shared: Other shards work in the folder, too: all need the same settings.

    Returns:
        False if the folder has results without a recipe: the user's own, which stay unchanged.

    Raises:
        DataError: The folder has results of other settings, and ``overwrite`` is False; or a file
            of somebody else has the name of the settings; or another shard has other settings.
    """
    if shared:
        # One after the other, so that each sees the settings of those before it.
        with lock_folder(folder, _CLAIM_TIMEOUT):
            return _claim(folder, recipe, suffixes, False, elsewhere, shared)
    return _claim(folder, recipe, suffixes, overwrite, elsewhere, shared)


def _claim(
    folder: Path,
    recipe: Mapping[str, Any],
    suffixes: Sequence[str],
    overwrite: bool,
    elsewhere: str,
    shared: bool,
) -> bool:
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
    elif before is not None and before != recipe and (results or shared):
        wanted, found = _difference(recipe, before), _difference(before, recipe)
        hint = f'Run with --overwrite to make the files of this folder again{elsewhere}'
        if shared:
            hint = 'Give all shards the same options, or remove this folder first'
        raise DataError(
            folder / RECIPE_NAME, 'settings', wanted or ['files of this mmssc'],
            found or ['files made by an older mmssc'], hint,
        )  # fmt: skip
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
