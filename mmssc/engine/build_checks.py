"""Find what cannot be built from a config before a command writes anything."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from os.path import isfile
from typing import Any

from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS, DefaultScope

from mmssc.config_errors import config_errors, functions_taking, unknown_argument, unknown_type
from mmssc.config_file import datasets_of
from mmssc.config_values import places_of, registry_of, taker_of
from mmssc.errors import DataError

__all__ = ['check_buildable']

# What every command builds, and what training builds besides its data.
_ALWAYS = ('model', 'visualizer', 'log_processor', 'default_hooks', 'custom_hooks')
_TRAINING = ('optim_wrapper', 'param_scheduler')
# Settings that others read before the class gets its arguments.
_READ_BEFORE = {
    r'(default|custom)_hooks\.\w+': {'priority'},
    r'optim_wrapper(\.\w+)?': {'constructor', 'paramwise_cfg'},
    r'param_scheduler(\.\w+)*': {'convert_to_iter_based'},
}
# Parts of a model take entries out of such dicts themselves, e.g. requires_grad of norm_cfg.
_READ_BY_PARTS = re.compile(r'model\..*_cfgs?(\.|$)')
# Places where the table of registries is sure, so that a name without a class is an error.
_SURE = re.compile(
    r'model|visualizer(\.vis_backends\.\d+)?|log_processor|(default|custom)_hooks\.\w+|'
    r'optim_wrapper\.optimizer|(train|val|test)_(cfg|dataloader\.(batch_)?sampler)|param_scheduler(\.\d+)?'
)
# Classes of these packages pass **kwargs on to their base.
_PASS_ON = ('mmengine', 'mmssc')


def check_buildable(cfg: Config, phases: Sequence[str]) -> None:
    """Check what can be checked cheaply of the parts that a command builds from a config.

    These are the types, the names of the arguments, and the data sets with their info files.

    Args:
        cfg: The config. One with a ``runner_type`` of its own is not checked.
        phases: What runs: ``'train'``, ``'val'``, ``'test'``.

    Raises:
        DataError: A type is not registered, a class does not take an argument, or a data set has
            wrong settings or no readable info file.
    """
    if 'runner_type' in cfg:
        return
    sections = [*_ALWAYS, *(_TRAINING if 'train' in phases else ())]
    sections += [f'{one}_{part}' for one in phases for part in ('cfg', 'dataloader', 'evaluator')]
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'mmssc'):
        for section in sections:
            for place, _, _, value in places_of(section, {}, section, cfg.get(section)):
                if isinstance(value, Mapping) and not _READ_BY_PARTS.match(place):
                    _check_arguments(place, value)
        for loader in (f'{phase}_dataloader' for phase in phases):
            if isinstance(cfg.get(loader), Mapping):
                _check_datasets(Config({loader: cfg[loader]}))


def _check_arguments(place: str, settings: Mapping[str, Any]) -> None:
    """Refuse a type that is not registered, and arguments that its class does not take."""
    if 'type' not in settings:
        return
    kind, registry = taker_of(place, settings), registry_of(place)
    if kind is None and registry is not None and _SURE.fullmatch(place):
        with registry.switch_scope_and_registry(None) as own:
            field, expected, found, hint = unknown_type(own, settings['type'])
        raise DataError('config', f'{place}.{field}', expected, found, hint)
    tables = [names for key, names in _READ_BEFORE.items() if re.fullmatch(key, place)]
    others = {'type', '_scope_'}.union(*tables)
    # A constructor of another project can read any entries.
    if not callable(kind) or 'constructor' in settings:
        return
    for name in _not_taken(kind, [one for one in settings if one not in others]):
        field, expected, found, hint = unknown_argument(name, kind)
        raise DataError('config', f'{place}: {field}', expected, found, hint)


def _not_taken(kind: Any, names: Iterable[str]) -> list[str]:
    """Those of the names that a class or function surely does not take as arguments."""
    functions = functions_taking(kind)
    if not functions:
        return list(names) if kind.__new__ is object.__new__ else []
    known: set[str] = set()
    for function in functions:
        if hasattr(function, '__wrapped__') and not hasattr(function, 'old_names'):
            return []  # Its decorator may take other names.
        try:
            arguments = inspect.signature(function).parameters
        except (TypeError, ValueError):  # A function in C.
            return []
        known |= {*arguments, *getattr(function, 'old_names', ())}
        if not any(one.kind is one.VAR_KEYWORD for one in arguments.values()):
            return [name for name in names if name not in known]
        if function.__module__.partition('.')[0] not in _PASS_ON:
            return []
    return []


def _check_datasets(cfg: Config) -> None:
    """Build the data sets of a config without their samples, and read their info files.

    The config has one loader only, so that errors name that one, not an equal one.
    """
    for settings in datasets_of(cfg):
        kind = taker_of('dataset', settings)
        is_lazy = isinstance(kind, type) and issubclass(kind, BaseDataset)
        if not is_lazy or _not_taken(kind, ['lazy_init']):
            continue
        settings['lazy_init'] = True
        with config_errors(None):
            dataset = DATASETS.build(settings)
            if hasattr(dataset, 'read_list'):  # Those of mmssc.
                dataset.read_list()
            elif dataset.ann_file and not isfile(dataset.ann_file):
                dataset.load_data_list()  # Its own error says what to do.
