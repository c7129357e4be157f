"""Read configs, and raise errors that name the config."""

from __future__ import annotations

import argparse
import ast
import re
import traceback
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from types import FrameType
from typing import Any

from mmengine.config import Config, DictAction
from mmengine.utils import import_modules_from_strings

from mmssc.errors import DataError

__all__ = [
    'ConfigOptions', 'add_cfg_options', 'config_errors', 'merge_options', 'read_config_file',
]  # fmt: skip


_MISSING = (KeyError, AttributeError)
# What errors about values name as their file.
_VALUES_OF_CONFIGS = ('config', 'voxel grid')
# Packages whose own code refuses a value of a config.
_FRAMEWORKS = ('logging', 'mmcv', 'mmdet', 'mmengine', 'mmseg', 'numpy', 'random', 'torch')


def read_config_file(
    path: str | PathLike[str], cfg_options: Mapping[str, Any] | None = None
) -> Config:
    """Read a config, import its ``custom_imports`` and apply overrides.

    Args:
        path: Config file.
        cfg_options: Overrides, ``{'model.backbone.depth': 18}``.

    Raises:
        DataError: There is no such file; it or one of its bases cannot be read; a module of
            ``custom_imports`` cannot be imported; or an override does not fit.
    """
    if not Path(path).is_file():
        raise DataError(path, expected='a config file', found='no such file', hint='See configs/')
    try:
        cfg = Config.fromfile(path, import_custom_modules=False)
    except Exception as error:  # noqa: BLE001 A config is a program: it can raise anything.
        found = f'{type(error).__name__}: {error}'
        raise DataError(path, _place_of(error, path), 'a readable config', found) from error
    try:
        import_modules_from_strings(**(cfg.get('custom_imports') or dict(imports=[])))
    except (ImportError, TypeError) as error:
        hint = 'The folder of the module has to be in PYTHONPATH'
        cause = error.__context__ or error
        raise DataError(path, 'custom_imports', 'installed modules', cause, hint) from error
    merge_options(cfg, cfg_options)
    return cfg


def merge_options(cfg: Config, cfg_options: Mapping[str, Any] | None) -> None:
    """Apply overrides to a config.

    Raises:
        DataError: An override does not fit, e.g. it is for an entry of a list that is shorter.
    """
    try:
        cfg.merge_from_dict(dict(cfg_options or {}))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        expected = 'settings that fit the config'
        raise DataError(cfg.filename or 'config', 'cfg_options', expected, error) from error


def _place_of(error: Exception, config: str | PathLike[str]) -> str | None:
    """The line or the base of a config that caused an exception."""
    file, line = str(config), ''
    for frame, number in traceback.walk_tb(error.__traceback__):
        if _module_of(frame) == 'mmengine.config.config':
            file = frame.f_locals.get('filename', file)
        elif frame.f_code.co_name == '<module>':
            file, line = frame.f_code.co_filename, f'line {number}'
    parts = [] if Path(file).resolve() == Path(config).resolve() else [file]
    return ', '.join([*parts, line] if line else parts) or None


@contextmanager
def config_errors(config: str | PathLike[str] | None) -> Iterator[None]:
    """Turn errors that a config causes into a :class:`DataError` that names the config.

    Such errors are unregistered types, unknown or missing arguments of a class, values that a
    constructor refuses, and missing settings. Other exceptions do not change.

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
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError) as error:
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        problem = _problem_of(error, frames)
        if problem is None and _builders(frames):
            problem = _refused_elsewhere(error, frames)
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
    names = builders[-1].f_locals
    kind = names.get('obj_cls')
    if kind is None and _module_of(last) == 'mmengine.registry.build_functions':
        return _unknown_type(names)
    if isinstance(error, TypeError):
        if last is builders[-1] and kind is None:
            return (str(error),)
        if str(error) == 'None is not a callable object':
            # mmengine reads the signature of the optimiser's class before it builds the optimiser.
            return 'optim_wrapper.optimizer.type', 'a registered optimizer', 'none of this name'
        return _wrong_arguments(str(error), kind, names.get('args', ()), last is builders[-1])
    if isinstance(error, (AssertionError, ValueError)):
        return (str(error) if kind is None else f'{kind.__name__}: {error}',)
    return None


def _refused_elsewhere(error: Exception, frames: list[FrameType]) -> tuple[str, ...] | None:
    """A value that mmengine or torch cannot use: no code of mmssc or of a project was called."""
    start = frames.index(_builders(frames)[-1])
    called = frames[start + 1 :]
    if any(_module_of(frame).partition('.')[0] not in _FRAMEWORKS for frame in called):
        return None
    kind = frames[start].f_locals.get('obj_cls')
    name = 'settings' if kind is None else kind.__name__
    return name, 'values that fit', f'{type(error).__name__}: {error}'


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
) -> tuple[str, ...] | None:
    """Explain a TypeError about arguments of ``kind``; direct: raised by the registry's call."""
    unknown = re.search(r"unexpected keyword argument '(\w+)'", text)
    if unknown and unknown[1] in given:
        return kind.__name__, 'known arguments', unknown[1]
    missing = re.search(r'(?:(\w+)\.)?\w+\(\) missing .* arguments?: (.+)', text)
    bases = [base.__name__ for base in getattr(kind, '__mro__', ())]
    # A class that takes **kwargs passes them to its base, so the base can lack an argument.
    if missing and (is_direct or missing[1] in bases):
        return kind.__name__, f'a value of {missing[2]}', 'none'
    return None


class ConfigOptions(DictAction):
    """Parses ``KEY=VALUE ...``: numbers, words and lists as mmengine does, and dicts.

    For example ``custom_hooks=[dict(type='EMAHook')]``.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Sequence[str],
        option_string: str | None = None,
    ) -> None:
        """Add the settings to the namespace."""
        wrong = [
            text for text in values if '=' not in text or not all(text.partition('=')[0].split('.'))
        ]
        if wrong:
            raise argparse.ArgumentError(self, f'expected KEY=VALUE, found {wrong[0]}')
        super().__call__(parser, namespace, values, option_string)

    @staticmethod
    def _parse_iterable(val: str) -> Any:
        if 'dict(' not in val and '{' not in val:
            return DictAction._parse_iterable(val)
        try:
            return _literal(ast.parse(val.strip(), mode='eval').body)
        except (SyntaxError, ValueError) as error:
            raise argparse.ArgumentError(None, f'cannot read {val}: {error}') from None


def _literal(node: ast.expr | None) -> Any:
    if node is None:  # The key of `**other` in a dict.
        raise ValueError('** is not supported')
    if isinstance(node, (ast.List, ast.Tuple)):
        values = [_literal(element) for element in node.elts]
        return values if isinstance(node, ast.List) else tuple(values)
    if isinstance(node, ast.Dict):
        return {_literal(key): _literal(value) for key, value in zip(node.keys, node.values)}
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict':
        if node.args or any(keyword.arg is None for keyword in node.keywords):
            raise ValueError('only dict(key=value, ...) is supported')
        return {keyword.arg: _literal(keyword.value) for keyword in node.keywords}
    return ast.literal_eval(node)


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options KEY=VALUE ...``, a dict for :meth:`Config.merge_from_dict` or None."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigOptions,
        metavar='KEY=VALUE',
        help='override settings of the config, e.g. train_cfg.max_epochs=2 '
        'model.backbone.init_cfg=None "custom_hooks=[dict(type=\'EMAHook\')]"',
    )
