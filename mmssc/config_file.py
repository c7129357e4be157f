"""Read configs, check them, and say which files and data sets they name."""

from __future__ import annotations

import ast
import os
import re
import tempfile
import traceback
import warnings
from collections.abc import Mapping
from contextlib import suppress
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

from mmssc.config_errors import config_errors, module_of
from mmssc.config_options import MAX_LEVELS, OLD_SECTIONS, merge_options, runner_settings
from mmssc.config_values import check_custom_imports, check_values
from mmssc.errors import DataError, nearest_name
from mmssc.file_kinds import HEAD_BYTES, describe_file
from mmssc.resources import find_config

__all__ = [
    'config_errors', 'config_files_of', 'data_roots_of', 'datasets_of', 'merge_options',
    'read_config_file',
]  # fmt: skip

# What mmengine reads.
_SUFFIXES = ('.py', '.yml', '.yaml', '.json')


def read_config_file(
    path: str | PathLike[str], cfg_options: Mapping[str, Any] | None = None
) -> Config:
    """Read a config, apply overrides, import its ``custom_imports`` and check its values.

    Args:
        path: Config file, or the name of one, see :func:`mmssc.resources.find_config`.
        cfg_options: Overrides, ``{'model.backbone.depth': 18}``.

    Raises:
        DataError: There is no such file; it or one of its bases cannot be read; a YAML or JSON
            config has a key twice or a tag that runs code; a module of ``custom_imports`` cannot
            be imported; an override does not fit; or a value is wrong (:func:`check_values`).
    """
    path = find_config(path)
    _check_kind(path)
    try:
        cfg = Config.fromfile(path, import_custom_modules=False)
    except DataError as error:
        base = error.file if error.file not in ('config', str(path)) else None
        base = None if base and _is_copy(base) else base
        place = ', '.join(filter(None, (_place_of(error, path) or base, error.field)))
        raise DataError(path, place or None, error.expected, error.found, error.hint) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 A config is a program: it can raise anything.
        found = _in_words(error)
        raise DataError(path, _place_of(error, path), 'a readable config', found) from error
    _check_levels(path, cfg._cfg_dict)
    _warn_of_old_sections(cfg, path)
    switches = merge_options(cfg, cfg_options)  # They can change the custom imports, too.
    _check_levels(path, cfg._cfg_dict)
    check_custom_imports(cfg.get('custom_imports'), path)
    try:
        import_modules_from_strings(**(cfg.get('custom_imports') or dict(imports=[])))
    except SystemExit as error:
        raise DataError(path, 'custom_imports', 'modules', _in_words(error)) from error
    except (ImportError, TypeError) as error:
        hint = 'The folder of the module has to be in PYTHONPATH'
        cause = error.__context__ or error
        raise DataError(path, 'custom_imports', 'installed modules', cause, hint) from error
    check_values(cfg, cfg_options, path, switches)
    _warn_of_misspelt(cfg, path)
    return cfg


def _warn_of_misspelt(cfg: Config, path: str | PathLike[str]) -> None:
    """Warn about a section whose name is almost that of a setting: nothing reads it."""
    settings = runner_settings()
    for name in {*cfg} - settings:
        hint = nearest_name(name, settings, 0.9)
        # train_cfg_2 may be a variable of the config.
        if hint and isinstance(cfg[name], (dict, list)) and not re.search(r'\d$', name):
            warnings.warn(f'{path}: {name}: no setting has this name. {hint}', stacklevel=3)


# Some have names that a config of today may use, too: entries of the dicts of mmcv 1.x.
_OLD_ENTRIES = {
    'data': {'samples_per_gpu', 'workers_per_gpu', 'train', 'val', 'test'},
    'runner': {'type', 'max_epochs', 'max_iters'},
}


def _warn_of_old_sections(cfg: Config, path: str | PathLike[str]) -> None:
    """Warn about sections of mmcv 1.x that are not variables which the config itself reads."""
    names = {*cfg} & {*OLD_SECTIONS}
    for name in sorted(names - _names_read(cfg) if names else ()):
        place, value = OLD_SECTIONS[name], cfg[name]
        used: Any = cfg._cfg_dict
        for part in place.split('.'):
            used = used.get(part) if isinstance(used, Mapping) else None
        # 0 is a seed; None, False and an empty dict ask for nothing.
        is_set = bool(value) or type(value) is int
        entries = _OLD_ENTRIES.get(name)
        is_old = entries is None or (isinstance(value, Mapping) and bool({*value} & entries))
        if is_set and is_old and value != used:
            text = f'{path}: {name}: nothing reads this section of mmcv 1.x. Set {place} instead'
            warnings.warn(text, stacklevel=3)


def _names_read(cfg: Config) -> set[str]:
    """The variables that a config and its bases read."""
    found: set[str] = set()
    for path in config_files_of(cfg):
        text = path.read_text(encoding='utf-8', errors='replace')
        found.update(re.findall(r'\b_base_\.(\w+)', text))
        with suppress(SyntaxError):  # YAML and JSON have no other variables.
            names = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)]
            found.update(node.id for node in names if isinstance(node.ctx, ast.Load))
    return found


def _in_words(error: BaseException) -> str:
    """What went wrong in a config or module, for users."""
    if isinstance(error, SystemExit):
        return 'a program that ends itself (sys.exit)'
    if isinstance(error, RecursionError):
        return 'values nested too deeply, or in themselves'
    return f'{type(error).__name__}: {error}'


# Python refuses to print longer ones.
_MAX_BITS = 13_000


def _check_levels(path: str | PathLike[str], settings: Any) -> None:
    """Refuse what mmengine cannot copy or print: values nested too deeply, endless numbers."""
    level = [settings]
    for _ in range(MAX_LEVELS):
        groups = [one.values() if isinstance(one, dict) else one for one in level]
        values = list(chain.from_iterable(groups))
        if any(isinstance(one, int) and one.bit_length() > _MAX_BITS for one in values):
            raise DataError(path, 'values', 'numbers of at most 4000 digits', 'a longer one')
        level = [one for one in values if isinstance(one, (dict, list, tuple))]
        if not level:
            return
    raise DataError(path, 'values', f'at most {MAX_LEVELS} levels', 'more')


_LOADERS = ('test_dataloader', 'val_dataloader', 'train_dataloader')


def datasets_of(cfg: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The configs of all data sets of a config, without wrappers such as ``ConcatDataset``."""
    todo = [(cfg.get(loader) or {}).get('dataset') for loader in _LOADERS]
    found: list[dict[str, Any]] = []
    while todo:
        dataset = todo.pop(0)
        if isinstance(dataset, (list, tuple)):
            todo[:0] = dataset
        elif isinstance(dataset, dict):
            inner = dataset.get('dataset') or dataset.get('datasets')
            if inner and isinstance(inner, (list, tuple, dict)):
                todo.insert(0, inner)
            else:
                found.append(dataset)
    return found


def config_files_of(cfg: Config) -> list[Path]:
    """The file of a config and its bases, which no output may replace."""
    # mmengine keeps the text of all of them, each below a line with its path.
    lines = str(cfg.text or '').splitlines()
    bases = [one for one in lines if os.path.isabs(one) and os.path.isfile(one)]
    return [Path(one) for one in (str(cfg.filename), *bases)]


def data_roots_of(cfg: Mapping[str, Any]) -> list[Path]:
    """The folders of the data sets of a config."""
    return [Path(one['data_root']) for one in datasets_of(cfg) if one.get('data_root')]


def _check_kind(path: Path) -> None:
    """Refuse what cannot be a config, such as a checkpoint, and say what it is."""
    if not path.is_file():
        raise DataError(path, None, 'a config file', 'a pipe or a device', 'Give a file')
    with path.open('rb') as file:
        head = file.read(HEAD_BYTES)
    found, remedy, _ = describe_file(head)
    # Anything else may be text in another encoding; Python decides.
    may_be_text = found.startswith(('a text', 'a JSON', 'an empty', 'a file that starts'))
    if path.suffix not in _SUFFIXES or not may_be_text:
        kinds = f'a config file ({", ".join(_SUFFIXES)})'
        hint = remedy or 'Give the config here; a checkpoint is an argument of its own'
        raise DataError(path, None, kinds, found, hint)


def _is_copy(file: str) -> bool:
    """Whether mmengine made this file, a copy of a config: its name tells users nothing."""
    folder, name = os.path.split(file)
    is_temporary = os.path.dirname(folder) == tempfile.gettempdir()
    return is_temporary and os.path.basename(folder)[:3] == name[:3] == 'tmp'


def _place_of(error: BaseException, config: str | PathLike[str]) -> str | None:
    """The line or the base of a config that caused an exception."""
    file, line = str(config), ''
    for frame, number in traceback.walk_tb(error.__traceback__):
        if module_of(frame) == 'mmengine.config.config':
            file = frame.f_locals.get('filename', file)
        elif frame.f_code.co_name == '<module>':
            file, line = frame.f_code.co_filename, f'line {number}'
    is_config = _is_copy(file) or os.path.realpath(file) == os.path.realpath(config)
    parts = [] if is_config else [file]
    return ', '.join([*parts, line] if line else parts) or None
