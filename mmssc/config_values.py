"""Values of a config that mmengine would take without a word, or refuse late.

The values of a class are its own to check. Here are those that it cannot check: text where it wants
a number or a switch (``shuffle='no'`` counts as true), and entries of dicts that no class takes as
arguments (a misspelt one is ignored).
"""

from __future__ import annotations

import inspect
import logging
import multiprocessing
import re
import warnings
from collections.abc import Collection, Iterator, Mapping
from os import PathLike
from typing import Any

import torch
from mmengine import registry as registries
from mmengine.config import Config
from mmengine.hooks import CheckpointHook
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmssc.config_options import OPTION, SWITCHES
from mmssc.errors import DataError, nearest_name

__all__ = ['check_custom_imports', 'check_values', 'places_of', 'registry_of', 'taker_of']

_PARAMWISE = (
    'bias_decay_mult', 'bias_lr_mult', 'bypass_duplicate', 'custom_keys', 'dcn_offset_lr_mult',
    'dwconv_decay_mult', 'flat_decay_mult', 'norm_decay_mult',
)  # fmt: skip
_CHECKPOINT = (
    'type', 'priority', '_scope_',
    *sorted({*inspect.signature(CheckpointHook).parameters} - {'kwargs'}), 'meta',
)  # fmt: skip
# Entries of a data loader that the Runner reads, besides the arguments of torch's DataLoader.
_LOADER = (
    *inspect.signature(DataLoader).parameters, '_scope_', 'disable_subprocess_warning',
    'num_batch_per_epoch',
)  # fmt: skip
# mmengine passes entries that it does not read on to torch; Slurm and MPI have a port.
_DIST = tuple(dict.fromkeys(('backend', 'init_backend', 'port', *(
    inspect.signature(torch.distributed.init_process_group).parameters
    if torch.distributed.is_available() else ()
))))  # fmt: skip
_RANDOMNESS = ('deterministic', 'diff_rank_seed', 'seed')
_IMPORTS = ('allow_failed_imports', 'imports')
# Pattern of a setting -> its entries.
_ENTRIES = {
    r'auto_scale_lr': ('base_batch_size', 'enable'),
    r'(train|val|test)_dataloader': _LOADER,
    r'env_cfg': ('cudnn_benchmark', 'dist_cfg', 'mp_cfg', 'resource_limit'),
    r'env_cfg\.dist_cfg': _DIST,
    r'env_cfg\.mp_cfg': ('mp_start_method', 'opencv_num_threads'),
    # It takes any entry, and passes those that it does not know on when it saves.
    r'default_hooks\.checkpoint': _CHECKPOINT,
    r'randomness': _RANDOMNESS,
    r'optim_wrapper(\.\w+)?\.paramwise_cfg': _PARAMWISE,
    r'optim_wrapper(\.\w+)?\.paramwise_cfg\.custom_keys\..+': ('decay_mult', 'lr_mult'),
}
# Settings that are a dict, or also a list; None leaves them out.
_DICTS = (
    'auto_scale_lr', 'default_hooks', 'env_cfg', 'log_processor', 'model', 'optim_wrapper',
    'randomness', 'test_cfg', 'train_cfg', 'train_dataloader', 'val_cfg', 'visualizer',
)  # fmt: skip
_DICTS_OR_LISTS = (
    'param_scheduler', 'test_dataloader', 'test_evaluator', 'val_dataloader', 'val_evaluator',
)  # fmt: skip
_CONSTRUCTORS = (None, 'DefaultOptimWrapperConstructor', 'AdversarialOptimWrapperConstructor')
# Pattern of a setting -> its smallest value. Other values would be ignored or fail after an epoch.
_SMALLEST = {
    r'train_cfg\.(max_epochs|max_iters|val_interval)': 1,
    r'(train|val|test)_dataloader\.batch_size': 1,
    r'(train|val|test)_dataloader\.num_workers': 0,
    r'log_processor\.window_size': 1,
    r'optim_wrapper(\.\w+)?\.accumulative_counts': 1,
    r'randomness\.seed': 0,
}
# Entries of a data set's metainfo that mmssc reads, besides those of the METAINFO of its class.
_METAINFO = (
    'class_counts', 'classes', 'dataset', 'ignore_index', 'inverse_learning_map', 'learning_map',
    'palette', 'roof_classes', 'voxel_grid',
)  # fmt: skip
# Name of a setting -> its values, if they are text. logging knows levels by number, too.
_CHOICES = {
    'log_level': ('CRITICAL', 'ERROR', 'WARNING', 'INFO', 'DEBUG', 'NOTSET'),
    'env_cfg.mp_cfg.mp_start_method': tuple(multiprocessing.get_all_start_methods()),
}
# Pattern of a dict without a type -> who takes its entries as arguments.
_TAKERS: dict[str, Any] = {
    '': Runner,
    r'(train|val|test)_dataloader': DataLoader,
    'randomness': Runner.set_randomness,
}
# Pattern of a setting that nobody takes as an argument -> its kinds.
_KINDS = {
    r'auto_scale_lr\.enable|env_cfg\.cudnn_benchmark|find_unused_parameters': {'bool'},
    r'model\.test_cfg\.keep_logits|stop_at_nan': {'bool'},
    r'sync_bn': {'bool', 'str'},
    r'auto_scale_lr\.base_batch_size|log_processor\.window_size': {'int'},
    r'optim_wrapper\..*clip_grad\.max_norm|env_cfg\.dist_cfg\.timeout': {'float'},
}
# Name in the path of a setting -> registry of its type; the last name counts.
_REGISTRIES = {
    'batch_sampler': registries.DATA_SAMPLERS, 'custom_hooks': registries.HOOKS,
    'data_preprocessor': registries.MODELS, 'dataset': registries.DATASETS,
    'default_hooks': registries.HOOKS, 'log_processor': registries.LOG_PROCESSORS,
    'model': registries.MODELS, 'optim_wrapper': registries.OPTIM_WRAPPERS,
    'optimizer': registries.OPTIMIZERS, 'param_scheduler': registries.PARAM_SCHEDULERS,
    'pipeline': registries.TRANSFORMS, 'sampler': registries.DATA_SAMPLERS,
    'test_cfg': registries.LOOPS, 'test_evaluator': registries.METRICS,
    'train_cfg': registries.LOOPS, 'val_cfg': registries.LOOPS,
    'val_evaluator': registries.METRICS, 'vis_backends': registries.VISBACKENDS,
    'visualizer': registries.VISUALIZERS,
}  # fmt: skip
# Words of annotations of which no text can be a value.
_NO_TEXT = {'None', 'NoneType', 'Optional', 'Tensor', 'Union', 'torch', 'typing'}
_NUMBERS = {'bool', 'float', 'int'}
# Words of annotations of text only.
_TEXTS = {'Path', 'PathLike', 'os', 'pathlib', 'str'}


def check_custom_imports(value: Any, file: str | PathLike[str] = 'config') -> None:
    """Check ``custom_imports`` of a config before its modules are imported.

    Args:
        value: The setting; None if the config has none.
        file: What errors name.

    Raises:
        DataError: It has an unknown entry, or something else than names of modules.
    """
    place, form = 'custom_imports', "custom_imports=dict(imports=['my_package.my_module'])"
    if value is None:
        return
    if not isinstance(value, Mapping):
        raise DataError(file, place, form, repr(value))
    for name in sorted({*value} - {*_IMPORTS}, key=str):
        hint = nearest_name(str(name), _IMPORTS)
        raise DataError(file, f'{place}.{name}', f'an entry of {form}', name, hint)
    if value and 'imports' not in value:
        raise DataError(file, place, form, f'only {", ".join(value)}')
    names = value.get('imports') or []
    if isinstance(names, tuple):
        raise DataError(file, f'{place}.imports', 'a list in brackets [...]', repr(names))
    for name in names if isinstance(names, list) else [names]:
        if not (isinstance(name, str) and all(name.split('.')) and '/' not in name):
            expected = 'names of modules, such as my_package.my_module'
            raise DataError(file, f'{place}.imports', expected, repr(name))
    failed = value.get('allow_failed_imports', False)
    if not isinstance(failed, bool):
        raise DataError(file, f'{place}.allow_failed_imports', 'True or False', repr(failed))


def check_values(
    cfg: Config,
    cfg_options: Mapping[str, Any] | None = None,
    file: str | PathLike[str] = 'config',
    switches: Collection[str] = (),
) -> None:
    """Check a config whose overrides are applied and whose ``custom_imports`` are imported.

    Text such as ``yes`` or ``off`` becomes True or False where a class takes a switch.

    Args:
        cfg: The config.
        cfg_options: The overrides, to name ``--cfg-options`` in errors about them.
        file: What errors name otherwise.
        switches: Overrides of True or False, as :func:`~mmssc.config_options.merge_options` returns
            them: their class must say that it takes such a value.

    Raises:
        DataError: A dict has an unknown entry, a number is too small, or text is given where a
            number or True or False is needed, or a number where text or a list of hooks is needed.
    """
    given = {place for key, value in (cfg_options or {}).items()
             for place, *_ in places_of(key, {}, key, value)}  # fmt: skip
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'mmssc'):
        for place, owner, name, value in places_of('', {}, '', cfg._cfg_dict):
            source = OPTION if place in given else file
            if place in _CHOICES and not isinstance(value, int):
                _check_choice(place, value, source)
            _check_section(place, value, source)
            if isinstance(value, Mapping):
                _check_entries(cfg, place, value, given, file)
                if name == 'metainfo':
                    _warn_of_metainfo(place, owner, value, source)
            elif isinstance(value, str):
                if place in given or value.lower() in SWITCHES or _is_number(value):
                    _check_text(place, owner, name, source)
            elif isinstance(value, (int, float)):
                _check_number(place, owner, name, source)
            if place in switches and isinstance(value, (str, int, float)):
                _check_switch(place, owner, name)


def places_of(place: str, owner: Any, name: Any, value: Any) -> Iterator[tuple[str, Any, Any, Any]]:
    """Path, dict or list, name in it, and value: of a value and of everything in it."""
    yield place, owner, name, value
    inside: Any = ()
    if isinstance(value, Mapping):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    for key, one in inside:
        yield from places_of(f'{place}.{key}'.lstrip('.'), value, key, one)


def _first_match(table: Mapping[str, Any], place: str) -> Any:
    return next((value for key, value in table.items() if re.fullmatch(key, place)), None)


def _check_entries(
    cfg: Config, place: str, value: Mapping[str, Any], given: Collection[str], file: Any
) -> None:
    others = [name for name in value if 'type' in value and not isinstance(name, str)]
    if others:
        raise DataError(file, place, 'names of arguments', repr(others[0]))
    known = _first_match(_ENTRIES, place)
    if known is None:
        return
    if known in (_LOADER, _RANDOMNESS) and 'runner_type' in cfg:
        return  # A Runner of a project can read other entries.
    if known is _CHECKPOINT and value.get('type', 'CheckpointHook') != 'CheckpointHook':
        return
    if 'paramwise_cfg' in place and cfg.optim_wrapper.get('constructor') not in _CONSTRUCTORS:
        return
    for name in sorted({*value} - {*known}, key=str):
        source = OPTION if f'{place}.{name}' in given else file
        expected = f'an entry of {place} ({", ".join(known)})'
        raise DataError(source, f'{place}.{name}', expected, name, nearest_name(str(name), known))


def _warn_of_metainfo(place: str, owner: Any, value: Mapping[str, Any], source: Any) -> None:
    """Warn about entries for a data set of mmssc that nothing reads; a hook of a project may."""
    kind = taker_of(place.rpartition('.')[0], owner)
    bases = [base for base in getattr(kind, '__mro__', ()) if hasattr(base, 'METAINFO')]
    if not any(base.__module__.startswith('mmssc.') for base in bases):
        return
    known = {*_METAINFO, *kind.METAINFO}
    for name in sorted({*value} - known, key=str):
        hint = nearest_name(str(name), known) or f'mmssc reads {", ".join(sorted(known))}'
        text = f'{source}: {place}.{name}: nothing in mmssc reads this entry. {hint}'
        warnings.warn(text, stacklevel=4)


def _check_section(place: str, value: Any, source: Any) -> None:
    """Refuse a top-level setting that is text, a number or a list in place of a dict."""
    if place == 'custom_hooks' and not isinstance(value, (list, tuple, type(None))):
        hint = f'Put the hooks in brackets: "{place}=[dict(type=...)]"'
        raise DataError(source, place, 'a list of hooks', repr(value), hint)
    is_text = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    is_list = isinstance(value, (list, tuple)) and place in _DICTS
    if is_list or (is_text and place in _DICTS + _DICTS_OR_LISTS):
        hint = f'Write {place}=dict(...); None leaves it out'
        raise DataError(source, place, 'a dict', repr(value), hint)


def _check_choice(place: str, value: Any, source: Any) -> None:
    choices = _CHOICES[place]
    # A program can add names of levels; WARN and FATAL are old names.
    is_level = place == 'log_level' and isinstance(logging.getLevelName(value), int)
    if value not in choices and not is_level:
        hint = nearest_name(str(value), choices)  # INF is read as a number.
        raise DataError(source, place, f'one of {", ".join(choices)}', repr(value), hint)


def _check_number(place: str, owner: Any, name: str, source: Any) -> None:
    """Refuse a number that is too small or in place of text, and read 1e3 as a whole number."""
    value = owner[name]
    # The names at the top, such as experiment_name, may be numbers.
    if '.' in place and not isinstance(value, bool) and _is_only_text(place, owner, name):
        hint = f'Put it in quotes: "{place}=\'TEXT\'"' if source == OPTION else 'Put it in quotes'
        raise DataError(source, place, 'text', value, hint)
    if re.fullmatch(r'optim_wrapper\..*clip_grad\.max_norm', place) and not value > 0:
        raise DataError(source, place, 'a number above 0', value)
    smallest = _first_match(_SMALLEST, place)
    if smallest is None:
        return
    if isinstance(value, bool) or not value >= smallest or value % 1:
        raise DataError(source, place, f'a whole number of {smallest} or more', value)
    owner[name] = int(value)


def _is_only_text(place: str, owner: Any, name: str) -> bool:
    kinds = _kinds_at(place, owner, name)
    return 'str' in kinds and kinds <= _TEXTS


def _check_text(place: str, owner: Any, name: str, source: Any) -> None:
    """Refuse text for a number, and read text for a switch."""
    text, kinds = owner[name], _kinds_at(place, owner, name)
    if 'bool' in kinds and 'str' not in kinds and text.lower() in SWITCHES:
        owner[name] = SWITCHES[text.lower()]
    elif kinds and kinds <= _NUMBERS:
        expected = 'True or False' if kinds == {'bool'} else 'a number'
        hint = 'Write it without quotes; YAML reads 1e-3 as text and 1.0e-3 as a number'
        raise DataError(source, place, expected, repr(text), hint if _is_number(text) else None)


def _is_number(text: str) -> bool:
    return re.fullmatch(r'[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?', text.strip(), re.I) is not None


def _check_switch(place: str, owner: Any, name: str) -> None:
    """Refuse a value in place of True or False unless its class says that it takes such values."""
    value = owner[name]
    unfit = _NUMBERS if isinstance(value, str) else {'bool', 'str'}
    kinds = _kinds_at(place, owner, name) - unfit - {'unsure'}
    if not (kinds or isinstance(value, bool)):
        hint = 'If it takes other values, too, set it in a config file'
        raise DataError(OPTION, f'{place}={value}', 'True or False', repr(value), hint)


def _kinds_at(place: str, owner: Any, name: str) -> set[str]:
    above = place.rpartition('.')[0]
    return _first_match(_KINDS, place) or _kinds_of(taker_of(above, owner), name)


def taker_of(place: str, owner: Any) -> Any:
    """The class or function that takes a dict of the config as arguments; None if unknown."""
    if not isinstance(owner, Mapping):
        return None
    kind = owner.get('type')
    if not isinstance(kind, str):
        return kind or _first_match(_TAKERS, place)
    found = registry_of(place)
    if found is None:
        return None
    try:
        with found.switch_scope_and_registry(None) as registry:
            return registry.get(kind)
    except (ImportError, KeyError):
        return None  # The error comes when it is built.


def registry_of(place: str) -> registries.Registry | None:
    """The registry of the types at a place of a config; None if unknown."""
    names = reversed(place.split('.'))
    if place.startswith('default_hooks.'):  # A hook can be called param_scheduler.
        return registries.HOOKS
    return next((_REGISTRIES[name] for name in names if name in _REGISTRIES), None)


def _kinds_of(taker: Any, name: str) -> set[str]:
    """Words of the annotation of an argument without None; of an unannotated switch ``bool?``."""
    functions = [taker]
    if isinstance(taker, type):
        # A class that takes **kwargs passes them to its base.
        functions = [vars(base)['__init__'] for base in taker.__mro__ if '__init__' in vars(base)]
    for function in filter(callable, functions):
        try:
            argument = inspect.signature(function).parameters.get(name)
        except ValueError:  # Functions in C, such as torch.stack, do not say their arguments.
            continue
        if argument is None:
            continue
        if argument.annotation is argument.empty:
            return {'bool', 'unsure'} if isinstance(argument.default, bool) else set()
        annotation = argument.annotation
        text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
        return {*re.findall(r'\w+', text)} - _NO_TEXT
    return set()
