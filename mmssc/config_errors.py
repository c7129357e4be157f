"""Turn errors that a config causes, when mmengine builds or runs it, into ones that name it."""

from __future__ import annotations

import inspect
import re
import reprlib
import textwrap
import traceback
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from os import PathLike
from types import FrameType
from typing import Any

from mmengine.registry import Registry

from mmssc.config_places import failed_layer, place_of_builders, place_of_type
from mmssc.errors import DataError, MMSSCError, join_sentences, nearest_name

__all__ = ['config_errors', 'functions_taking', 'module_of', 'unknown_argument', 'unknown_type']

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


def module_of(frame: FrameType) -> str:
    """Name of the module whose code a frame runs."""
    return frame.f_globals.get('__name__', '')


def _builders(frames: list[FrameType]) -> list[FrameType]:
    """The frames in which mmengine builds something from a config."""
    return [
        frame
        for frame in frames
        if module_of(frame).startswith('mmengine.')
        and (frame.f_code.co_name.startswith('build_') or frame.f_code.co_name == 'from_cfg')
    ]


def _problem_of(error: Exception, frames: list[FrameType]) -> tuple[str | None, ...] | None:
    """Arguments of :class:`DataError` after the first, or None if the config is not the cause."""
    last = frames[-1]
    if module_of(last) == 'mmengine.config.config' and isinstance(error, _MISSING):
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
    if kind is None and module_of(last) == 'mmengine.registry.build_functions':
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
    # Without what others add: the weights for an optimiser, the optimiser for a schedule.
    settings = {
        key: value
        for key, value in names['cfg'].items()
        if isinstance(value, _SETTINGS) and key not in ('type', 'params', 'lazy_init')
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
    inside = [frame for frame in frames if module_of(frame).startswith('mmengine.')]
    if not inside:
        return None
    called = frames[frames.index(inside[0]) :]
    if any(module_of(frame).partition('.')[0] not in _FRAMEWORKS for frame in called):
        return None
    kind = _last_user(called)
    name = 'settings' if kind is None else kind.__name__
    place = place_of_type(frames, name)
    name = name if place is None else f'{place}: {name}'
    return name, 'values that fit', f'{type(error).__name__}: {error}'


def _last_user(frames: list[FrameType]) -> type | None:
    """The class of mmengine whose method was the last one to be called."""
    for frame in reversed(frames):
        if 'self' in frame.f_locals and module_of(frame).startswith('mmengine.'):
            return type(frame.f_locals['self'])
    return None


def _unknown_type(names: Mapping[str, Any]) -> tuple[str, ...]:
    kind = f'a registered {names["registry"].name}'
    if 'obj_type' not in names:
        cfg = names['cfg']
        found = f'only {", ".join(map(str, cfg))}' if isinstance(cfg, Mapping) else repr(cfg)
        return 'type', kind, found
    return unknown_type(names['registry'], names['obj_type'])


def unknown_type(registry: Registry, name: str) -> tuple[str, str, str, str]:
    """Field, expected, found and hint for a name that is not in a registry or its parents."""
    known: set[str] = set()
    one: Registry | None = registry
    while one is not None:
        known.update(one.module_dict)
        one = one.parent
    near = nearest_name(name.rpartition('.')[2], known, 0.7)
    hint = join_sentences(near or '', 'Is the module that registers it in custom_imports?')
    return 'type', f'a registered {registry.name}', repr(name), hint


def functions_taking(kind: Any) -> list[Any]:
    """A function; or of a class its constructor and those of its bases, which get ``**kwargs``."""
    if not isinstance(kind, type):
        return [kind]
    bases = [base for base in kind.__mro__ if base is not object]
    return [vars(base)['__init__'] for base in bases if '__init__' in vars(base)]


def unknown_argument(name: str, kind: Any) -> tuple[str, str, str, str]:
    """Field, expected, found and hint for an argument that a class or function does not take."""
    known: set[str] = set()
    for function in functions_taking(kind):
        with suppress(TypeError, ValueError):  # A function in C.
            known.update(inspect.signature(function).parameters)
    hint = nearest_name(name, known - {'self', 'args', 'kwargs'}, 0.7)
    hint = hint or join_sentences(nearest_name(name, known) or '', _INHERITED)
    return kind.__name__, 'known arguments', name, hint


def _wrong_arguments(
    text: str, kind: Any, given: Collection[str], is_direct: bool
) -> tuple[str | None, ...] | None:
    """Explain a TypeError about arguments of ``kind``; direct: raised by the registry's call."""
    unknown = re.search(r"unexpected keyword argument '(\w+)'", text)
    if unknown and unknown[1] in given:
        return unknown_argument(unknown[1], kind)
    missing = re.search(r'(?:(\w+)\.)?\w+\(\) missing .* arguments?: (.+)', text)
    bases = [base.__name__ for base in getattr(kind, '__mro__', ())]
    # A class that takes **kwargs passes them to its base, so the base can lack an argument.
    if missing and (is_direct or missing[1] in bases):
        return kind.__name__, f'a value of {missing[2]}', 'none'
    return None
