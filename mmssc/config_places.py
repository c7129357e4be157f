"""Where in a config something is that has failed, from the frames of a traceback."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

from mmengine.config import Config
from torch import nn

from mmssc.config_options import runner_settings

__all__ = ['failed_layer', 'place_of_builders', 'place_of_type']


def _config_of(frames: Sequence[FrameType]) -> dict[str, Any]:
    """The settings of the config that the outermost function holds; variables are left out."""
    known = runner_settings()
    for frame in frames:
        for value in list(frame.f_locals.values()):
            if isinstance(value, Config):
                return {key: one for key, one in value._cfg_dict.items() if key in known}
    return {}


def _dicts(place: str, value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, Mapping):
        yield place, value
    if isinstance(value, (list, tuple, Mapping)):
        for key, one in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _dicts(f'{place}.{key}'.lstrip('.'), one)


def place_of_builders(frames: Sequence[FrameType], builders: Sequence[FrameType]) -> str | None:
    """The place of the settings that mmengine was building something from.

    Args:
        frames: Of the traceback.
        builders: Those of them that build something. Outer parts may have added values to the
            settings of inner ones.

    Returns:
        For example ``'model.backbone'``; None if the config does not hold the settings.
    """
    cfg = _config_of(frames)
    for frame in reversed(builders):
        names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
        given = [frame.f_locals.get(name) for name in names]
        for settings in given:
            if isinstance(settings, Mapping) and settings and not isinstance(settings, Config):
                for place, value in _dicts('', cfg):
                    if place and _is_from(value, settings):
                        return place
    return None


def _is_from(value: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether settings are those of the config, or these and more."""
    return value == settings or (
        'type' in value and all(key in settings and settings[key] == value[key] for key in value)
    )


def place_of_type(frames: Sequence[FrameType], kind: str) -> str | None:
    """The place of the first settings of a class, for example ``'default_hooks.logger'``."""
    for place, value in _dicts('', _config_of(frames)):
        if str(value.get('type')).rpartition('.')[2] == kind:
            return place
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
