"""Read configs, and raise errors that name the config."""

from __future__ import annotations

import inspect
import os
import re
import reprlib
import tempfile
import textwrap
import traceback
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from os import PathLike
from pathlib import Path
from types import FrameType
from typing import Any

from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

from mmssc.config_options import (
    MAX_LEVELS,
    ConfigOptions,
    add_cfg_options,
    merge_options,
    runner_settings,
)
from mmssc.config_places import failed_layer, place_of_builders, place_of_type
from mmssc.config_values import check_custom_imports, check_values
from mmssc.errors import DataError, MMSSCError, join_sentences, nearest_name
from mmssc.file_kinds import HEAD_BYTES, describe_file
from mmssc.resources import find_config

__all__ = [
    'CONFIG_HELP', 'ConfigOptions', 'add_cfg_options', 'config_errors', 'config_files_of',
    'data_roots_of', 'datasets_of', 'merge_options', 'read_config_file',
]  # fmt: skip

#: Help of the argument of a tool that :func:`read_config_file` takes.
CONFIG_HELP = 'config file, or name of a config (mmssc info --list)'

# What mmengine reads.
_SUFFIXES = ('.py', '.yml', '.yaml', '.json')
_MISSING = (KeyError, AttributeError)
_INHERITED = 'Entries that a dict had before stay unless the new dict has _delete_=True'
_SEE_TRACEBACK = 'MMSSC_TRACEBACK=1 shows where it failed'
# What errors about values name as their file.
_VALUES_OF_CONFIGS = ('config', 'voxel grid')
# Packages whose own code refuses a value of a config.
_FRAMEWORKS = ('logging', 'mmcv', 'mmdet', 'mmengine', 'mmseg', 'numpy', 'random', 'torch')
# Types of the values in a config.
_SETTINGS = (str, int, float, list, tuple, dict, type(None))
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60
_SHORT.maxlevel = 2
_LONGEST_SETTINGS = 120


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


# Sections of mmcv 1.x, which nothing reads -> what replaced them.
_OLD_SECTIONS = {
    'checkpoint_config': 'default_hooks.checkpoint', 'dist_params': 'env_cfg.dist_cfg',
    'evaluation': 'train_cfg.val_interval', 'log_config': 'default_hooks.logger',
    'lr_config': 'param_scheduler', 'optimizer': 'optim_wrapper.optimizer',
    'optimizer_config': 'optim_wrapper.clip_grad', 'resume_from': 'load_from',
}  # fmt: skip


def _warn_of_old_sections(cfg: Config, path: str | PathLike[str]) -> None:
    """Warn about sections of mmcv 1.x that are not variables from which the place is computed."""
    for name in sorted({*cfg} & {*_OLD_SECTIONS}):
        place, value = _OLD_SECTIONS[name], cfg[name]
        used: Any = cfg._cfg_dict
        for part in place.split('.'):
            used = used.get(part) if isinstance(used, Mapping) else None
        is_used = value == used
        if isinstance(value, Mapping) and isinstance(used, Mapping):
            # A schedule of mmseg has a variable optimizer; configs based on it change its numbers.
            keys = ('type',) if name == 'optimizer' else value
            is_used = {*value} <= {*used} and all(value.get(key) == used.get(key) for key in keys)
        if value and not is_used:
            text = f'{path}: {name}: nothing reads this section of mmcv 1.x. Set {place} instead'
            warnings.warn(text, stacklevel=3)


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
        if _module_of(frame) == 'mmengine.config.config':
            file = frame.f_locals.get('filename', file)
        elif frame.f_code.co_name == '<module>':
            file, line = frame.f_code.co_filename, f'line {number}'
    is_config = _is_copy(file) or os.path.realpath(file) == os.path.realpath(config)
    parts = [] if is_config else [file]
    return ', '.join([*parts, line] if line else parts) or None


@contextmanager
def config_errors(config: str | PathLike[str] | None) -> Iterator[None]:
    """Turn errors that a config causes into a :class:`DataError` that names the config.

    Such errors are missing settings, everything that fails while mmengine builds something from the
    config (unregistered types, unknown or missing arguments, values that a constructor or torch
    refuses), values that mmengine or torch cannot use later, and sizes that torch refuses in a part
    of the model. Other exceptions do not change. ``MMSSC_TRACEBACK=1`` shows the traceback of a
    command (:func:`mmssc.command_line.command`).

    Args:
        config: The config file; None if the config has no file.

    Raises:
        DataError: The config is wrong.
    """
    name = config or 'config'
    try:
        yield
    except DataError as error:
        if error.file not in _VALUES_OF_CONFIGS or name == 'config':
            raise
        field = error.field if error.file == 'config' else f'{error.file}: {error.field}'
        raise DataError(name, field, error.expected, error.found, error.hint) from error
    except (MMSSCError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 A constructor can raise anything.
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        problem = _problem_of(error, frames) or _failed_building(error, frames)
        problem = problem or _refused_later(error, frames) or _failed_in_model(error, frames)
        if problem is None:
            raise
        raise DataError(name, *problem) from error


def _module_of(frame: FrameType) -> str:
    return frame.f_globals.get('__name__', '')


def _builders(frames: list[FrameType]) -> list[FrameType]:
    """The frames in which mmengine builds something from a config."""
    return [
        frame
        for frame in frames
        if _module_of(frame).startswith('mmengine.')
        and (frame.f_code.co_name.startswith('build_') or frame.f_code.co_name == 'from_cfg')
    ]


def _problem_of(error: Exception, frames: list[FrameType]) -> tuple[str | None, ...] | None:
    """Arguments of :class:`DataError` after the first, or None if the config is not the cause."""
    last = frames[-1]
    if _module_of(last) == 'mmengine.config.config' and isinstance(error, _MISSING):
        return re.findall(r"'([^']*)'", str(error))[-1], 'a setting', 'none'
    builders = _builders(frames)
    if not builders:
        return None
    if str(error) == 'None is not a callable object':
        # mmengine reads the signature of the optimiser's class before it builds the optimiser.
        return 'optim_wrapper.optimizer.type', 'a registered optimizer', 'none of this name'
    problem = _refused_building(error, last, builders[-1])
    found = place_of_builders(frames, builders)
    if problem is None or found is None:
        return problem
    (place, settings), (field, *rest) = found, problem
    if field != 'type':
        return (f'{place}: {field}', *rest)
    # An optimizer wrapper names its constructor in a setting of its own.
    unknown = builders[-1].f_locals.get('obj_type')
    if unknown is not None and unknown == settings.get('constructor'):
        field = 'constructor'
    return (f'{place}.{field}', *rest)


def _refused_building(
    error: Exception, last: FrameType, builder: FrameType
) -> tuple[str | None, ...] | None:
    """As :func:`_problem_of`, without the place: what a builder or the class refuses."""
    names = builder.f_locals
    kind = names.get('obj_cls')
    if kind is None and _module_of(last) == 'mmengine.registry.build_functions':
        return _unknown_type(names)
    if isinstance(error, TypeError):
        if last is builder and kind is None:
            return (str(error),)
        return _wrong_arguments(str(error), kind, names.get('args', ()), last is builder)
    if isinstance(error, (AssertionError, ValueError)) and str(error):
        if kind is None:
            return (str(error),)
        name, settings = _call(names)
        hint = f'Its settings: {settings}' if settings else None
        return f'{name}: {error}', None, None, hint
    return None


def _failed_building(error: Exception, frames: list[FrameType]) -> tuple[str | None, ...] | None:
    """Anything else that fails while something is built: the class, and what the config gave it."""
    builders = _builders(frames)
    if not builders:
        return None
    found = textwrap.shorten(f'{type(error).__name__}: {error}', 300)
    found_place = place_of_builders(frames, builders)
    place = None if found_place is None else found_place[0]
    names = builders[-1].f_locals
    call = '{}({})'.format(*_call(names)) if 'obj_cls' in names else 'settings'
    field = ': '.join(filter(None, (place, None if place and call == 'settings' else call)))
    return field, 'values that fit', found, _SEE_TRACEBACK


def _failed_in_model(error: Exception, frames: list[FrameType]) -> tuple[str, ...] | None:
    """Sizes that torch refuses when a part of the model computes, or too little memory."""
    layer = failed_layer(frames) if isinstance(error, RuntimeError) else None
    if layer is None:
        return None
    place, name = layer
    found = f'{textwrap.shorten(f"{type(error).__name__}: {error}", 300)} in {name}'
    if re.search('out of memory|allocate memory', str(error)):
        return place, 'enough memory', found, 'Try a smaller batch_size, or --amp in training'
    return place, 'sizes that fit each other', found, _SEE_TRACEBACK


def _call(names: Mapping[str, Any]) -> tuple[str, str]:
    """``Class`` and ``argument=value, ...`` (cut) from the variables of the registry's function."""
    # Without what the Runner adds: the weights for an optimiser, the optimiser for a schedule.
    settings = {
        key: value
        for key, value in names['cfg'].items()
        if isinstance(value, _SETTINGS) and key not in ('type', 'params')
    }
    values = ', '.join(f'{key}={_SHORT.repr(value)}' for key, value in settings.items())
    values = values if len(values) <= _LONGEST_SETTINGS else f'{values[:_LONGEST_SETTINGS]}...'
    return getattr(names['obj_cls'], '__name__', str(names['obj_cls'])), values


def _refused_later(error: Exception, frames: list[FrameType]) -> tuple[str, ...] | None:
    """A value that mmengine or torch cannot use: no code of mmssc or of a project was called."""
    if error.__suppress_context__ and isinstance(error.__context__, Exception):
        # mmengine raises errors of hooks again, without the place.
        error = error.__context__
        frames = frames + [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    inside = [frame for frame in frames if _module_of(frame).startswith('mmengine.')]
    if not inside:
        return None
    called = frames[frames.index(inside[0]) :]
    if any(_module_of(frame).partition('.')[0] not in _FRAMEWORKS for frame in called):
        return None
    kind = _last_user(called)
    name = 'settings' if kind is None else kind.__name__
    place = place_of_type(frames, name)
    name = name if place is None else f'{place}: {name}'
    return name, 'values that fit', f'{type(error).__name__}: {error}'


def _last_user(frames: list[FrameType]) -> type | None:
    """The class of mmengine whose method was the last one to be called."""
    for frame in reversed(frames):
        if 'self' in frame.f_locals and _module_of(frame).startswith('mmengine.'):
            return type(frame.f_locals['self'])
    return None


def _unknown_type(names: Mapping[str, Any]) -> tuple[str, ...]:
    kind = f'a registered {names["registry"].name}'
    if 'obj_type' not in names:
        cfg = names['cfg']
        found = f'only {", ".join(map(str, cfg))}' if isinstance(cfg, Mapping) else repr(cfg)
        return 'type', kind, found
    hint = 'Is the module that registers it in custom_imports?'
    return 'type', kind, repr(names['obj_type']), hint


def _wrong_arguments(
    text: str, kind: Any, given: Collection[str], is_direct: bool
) -> tuple[str | None, ...] | None:
    """Explain a TypeError about arguments of ``kind``; direct: raised by the registry's call."""
    unknown = re.search(r"unexpected keyword argument '(\w+)'", text)
    if unknown and unknown[1] in given:
        known = inspect.signature(kind).parameters
        hint = nearest_name(unknown[1], known, 0.7)
        hint = hint or join_sentences(nearest_name(unknown[1], known) or '', _INHERITED)
        return kind.__name__, 'known arguments', unknown[1], hint
    missing = re.search(r'(?:(\w+)\.)?\w+\(\) missing .* arguments?: (.+)', text)
    bases = [base.__name__ for base in getattr(kind, '__mro__', ())]
    # A class that takes **kwargs passes them to its base, so the base can lack an argument.
    if missing and (is_direct or missing[1] in bases):
        return kind.__name__, f'a value of {missing[2]}', 'none'
    return None
