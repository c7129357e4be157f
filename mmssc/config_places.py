"""Where in a config something is that has failed, from the frames of a traceback."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner
from torch import nn

from mmssc.config_options import runner_settings

__all__ = [
    'failed_layer', 'place_of_builders', 'place_of_part', 'place_of_type', 'place_of_value',
]  # fmt: skip


def _config_of(frames: Sequence[FrameType]) -> dict[str, Any]:
    """The settings of the config that the outermost function holds."""
    for frame in frames:
        for value in list(frame.f_locals.values()):
            if isinstance(value, Config):
                return _settings_of(value)
    return {}


def _settings_of(cfg: Config) -> dict[str, Any]:
    """The settings of a config without its variables."""
    known = runner_settings()
    return {key: one for key, one in cfg._cfg_dict.items() if key in known}


def _dicts(place: str, value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, Mapping):
        yield place, value
    if isinstance(value, (list, tuple, Mapping)):
        for key, one in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _dicts(f'{place}.{key}'.lstrip('.'), one)


def place_of_builders(
    frames: Sequence[FrameType], builders: Sequence[FrameType]
) -> tuple[str, Mapping[str, Any]] | None:
    """The settings that mmengine was building something from.

    The place is followed from the outer to the inner builders: equal settings can be in several
    places, and an outer part may have added values to the settings of an inner one.

    Args:
        frames: Of the traceback.
        builders: Those of them that build something, the outermost first.

    Returns:
        Their place, for example ``'model.backbone'``, and their value in the config; None if the
        config does not hold them.
    """
    cfg = _config_of(frames)
    runner = next((one for one in (frame.f_locals.get('self') for frame in frames)
                   if isinstance(one, Runner)), None)  # fmt: skip
    found: tuple[str, Mapping[str, Any]] | None = None
    outer: Mapping[str, Any] = {}
    for frame in builders:
        names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
        for settings in (frame.f_locals.get(name) for name in names):
            if not isinstance(settings, Mapping) or not settings or isinstance(settings, Config):
                continue
            inner = _place_inside(found, outer, settings) or _place_on_top(cfg, runner, settings)
            if inner is None and found is None:
                inner = _first_place(_dicts('', cfg), settings)
            if inner is not None:
                found, outer = inner, settings
    return found


def _place_inside(
    found: tuple[str, Mapping[str, Any]] | None, outer: Mapping[str, Any], settings: Any
) -> tuple[str, Mapping[str, Any]] | None:
    """The settings inside of those of an outer builder, which are ``found`` in the config."""
    if found is None:
        return None
    place, value = found
    pairs = [one for one in _dicts(place, value) if one[1]]
    # mmengine hands the same objects on; where it copies, values have to do.
    paths = [path for path, one in _dicts(place, outer) if one is settings]
    same = [pair for pair in pairs if pair[0] in paths]
    return same[0] if same else _first_place(pairs, settings)


def _place_on_top(
    cfg: Mapping[str, Any], runner: Any, settings: Mapping[str, Any]
) -> tuple[str, Mapping[str, Any]] | None:
    """The top-level setting that is given: the one of the Runner, or an equal one."""
    for name, value in vars(runner).items() if runner is not None else ():
        place = name.removeprefix('_').replace('_loop', '_cfg')
        if value is settings and isinstance(cfg.get(place), Mapping):
            return place, cfg[place]
    return next(((place, value) for place, value in cfg.items() if value == settings), None)


def _first_place(
    pairs: Iterable[tuple[str, Mapping[str, Any]]], settings: Mapping[str, Any]
) -> tuple[str, Mapping[str, Any]] | None:
    """The first place of equal settings, or else of those that outer parts have added values to."""
    pairs = [pair for pair in pairs if pair[0]]
    equal = [pair for pair in pairs if pair[1] == settings]
    # A type alone says too little.
    less = [(place, value) for place, value in pairs if 'type' in value and len(value) > 1
            and all(key in settings and settings[key] == value[key] for key in value)]  # fmt: skip
    return next(iter(equal + less), None)


def place_of_type(frames: Sequence[FrameType], kind: str) -> str | None:
    """The place of the first settings of a class, for example ``'default_hooks.logger'``."""
    for place, value in _dicts('', _config_of(frames)):
        if _name_of_type(value) == kind:
            return place
    return None


def _name_of_type(settings: Mapping[str, Any]) -> str:
    kind = settings.get('type')
    return kind.__name__ if isinstance(kind, type) else str(kind).rpartition('.')[2]


def place_of_value(cfg: Config, kind: str, key: str, value: Any) -> str | None:
    """The place of the settings of a class that give an argument a value.

    Args:
        cfg: The config.
        kind: Name of the class.
        key: The argument.
        value: Its value, or an entry of it if it is a list.

    Returns:
        For example ``'custom_hooks.0'``; None if the config does not give this value.
    """
    for place, settings in _dicts('', _settings_of(cfg)):
        given = settings.get(key)
        values = given if isinstance(given, (list, tuple)) else [given]
        if _name_of_type(settings) == kind and value in values:
            return place
    return None


def place_of_part(cfg: Config, outer: Mapping[str, Any], kind: str) -> str | None:
    """The place of the first settings of a class inside of other settings of a config.

    Args:
        cfg: The config.
        outer: The other settings: an object that ``cfg`` holds, not a copy.
        kind: Name of the class.

    Returns:
        For example ``'test_dataloader.dataset.pipeline.1'``; None if there are none.
    """
    for place, settings in _dicts('', _settings_of(cfg)):
        if settings is outer:
            parts = _dicts(place, settings)
            return next((path for path, part in parts if _name_of_type(part) == kind), None)
    return None


def failed_layer(frames: Sequence[FrameType]) -> tuple[str, str] | None:
    """The part of the model in the config, and the layer, that was computing.

    Returns:
        For example ``('model.head', 'layer head.stem.conv (Conv3d)')``; None if no part of a model
        was computing.
    """
    modules = [one for one in (frame.f_locals.get('self') for frame in frames)
               if isinstance(one, nn.Module)]  # fmt: skip
    if not modules:
        return None
    name = {id(module): name for name, module in modules[0].named_modules()}.get(id(modules[-1]))
    if not name:
        return None
    known = {place for place, _ in _dicts('', _config_of(frames))}
    # A wrapped model is called module.
    parts = ['model', *name.removeprefix('module.').split('.')]
    while len(parts) > 1 and '.'.join(parts) not in known:
        parts.pop()
    return '.'.join(parts), f'layer {name} ({type(modules[-1]).__name__})'
