"""Configs are small regular files, and those in YAML and JSON hold values only.

mmengine reads YAML with a loader that runs what a tag names (``!!python/object/apply:os.system``),
and of a key that is given twice it silently takes the last value. Here such a config is refused
before mmengine reads it, and so are pipes, devices, files that are too large to be a config, bases
that are no paths, and configs that are their own base. The mark that other programs write at the
start of a file (a byte order mark) is skipped. A config in Python stays a program.
"""

from __future__ import annotations

import builtins
import functools
import os
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from ..errors import DataError
from .import_hooks import after_import

__all__ = ['check_config_text', 'secure_config_texts']

# Configs that are being read, each the base of the one before.
_being_read: ContextVar[tuple[str, ...]] = ContextVar('being_read', default=())
# The largest config, dumped with its bases, has 24 kB.
_MAX_BYTES = 2**20
# A line of aliases can stand for billions of values.
_MAX_VALUES = 100_000
_YAML = 'tag:yaml.org,2002:'
_MERGE = f'{_YAML}merge'
_PLAIN = frozenset(
    f'{_YAML}{name}'
    for name in (
        'binary', 'bool', 'float', 'int', 'map', 'merge', 'null', 'omap', 'pairs', 'seq', 'set',
        'str', 'timestamp', 'value', 'python/tuple',  # Config.dump writes tuples with the last.
    )
)  # fmt: skip


def check_config_text(path: str) -> None:
    """Check a config in YAML or JSON; a config in Python passes.

    Args:
        path: The file, its variables replaced.

    Raises:
        DataError: It holds no settings, or has a tag that asks for code, a key twice, a key that is
            no plain value, a setting whose name is no text, or very many values.
        ValueError: It is not JSON.
        yaml.YAMLError: It is not YAML.
    """
    from ..formats.json_fields import parse_json
    from ..formats.regular_files import read_text

    kind = Path(path).suffix
    if kind == '.json':
        _check_settings(parse_json(read_text(path, _MAX_BYTES)))
    elif kind in ('.yml', '.yaml'):
        _check_yaml(read_text(path, _MAX_BYTES))


def _check_settings(content: Any) -> None:
    if not isinstance(content, dict):
        found = {list: 'a list', type(None): 'nothing'}.get(type(content), 'a single value')
        raise DataError('config', None, 'settings (NAME: VALUE)', found)


def _check_yaml(text: str) -> None:
    import yaml

    # The parser that mmengine takes, so that both see the same.
    root = yaml.compose(text, Loader=getattr(yaml, 'CSafeLoader', yaml.SafeLoader))
    kinds: dict[Any, Any] = {type(None): None, yaml.MappingNode: {}, yaml.SequenceNode: []}
    _check_settings(kinds.get(type(root), ''))
    for node in _nodes_of(root):
        place = f'line {node.start_mark.line + 1}'
        if node.tag not in _PLAIN:
            tag = node.tag.replace(_YAML, '!!')
            hint = 'YAML cannot run code here. Write this config in Python if you trust it'
            raise DataError('config', place, 'plain values', f'the tag {tag}', hint)
        if isinstance(node, yaml.MappingNode):
            _check_keys([key for key, _ in node.value], node is root)


def _nodes_of(root: Any) -> Iterator[Any]:
    """All nodes. A node that aliases name comes once for each alias, because mmengine copies it."""
    waiting, count = [] if root is None else [root], 0
    while waiting:
        node = waiting.pop()
        yield node
        values = node.value if isinstance(node.value, list) else ()
        inside = [one for value in values for one in (value if type(value) is tuple else (value,))]
        count += len(inside)
        if count > _MAX_VALUES:
            found = 'more (an alias counts each time)'
            raise DataError('config', 'values', f'at most {_MAX_VALUES} values', found)
        waiting += inside


def _check_keys(keys: list[Any], are_settings: bool) -> None:
    names = set()
    for key in keys:
        name = (key.tag, str(key.value))
        place = f'line {key.start_mark.line + 1}'
        if not isinstance(key.value, str):
            raise DataError('config', place, 'a word or a number as key', 'a list or a dict')
        if are_settings and key.tag not in (f'{_YAML}str', _MERGE):
            hint = 'Put it in quotes if it is the name of a variable'
            found = f'{key.value}, which YAML does not read as text'
            raise DataError('config', place, 'the name of a setting', found, hint)
        if name in names and key.tag != _MERGE:
            raise DataError('config', place, 'each key once', f'{key.value} again')
        names.add(name)


def _check_config_file(path: str) -> None:
    """Check kind and size of a config; a missing one is mmengine's to report."""
    from ..formats.regular_files import check_file_size, open_regular_file

    path = os.path.expanduser(path)
    if os.path.exists(path):
        with open_regular_file(path, 'a config file') as file:
            if os.fstat(file.fileno()).st_size:
                check_file_size(file, path, _MAX_BYTES)


def _check_before_reading(config_module: ModuleType) -> None:
    config = config_module.Config
    if hasattr(config._file2dict, '__wrapped__'):
        return
    # mmengine calls these for each config and each of its bases. The last one reads a copy.
    checks = dict(
        _is_lazy_import=_check_config_file, _file2dict=_check_config_file,
        _parse_lazy_import=_check_config_file, _get_base_files=check_config_text,
    )  # fmt: skip
    for name, check in checks.items():
        setattr(config, name, staticmethod(_after(check, getattr(config, name))))
    config._get_base_files = staticmethod(_with_paths(config._get_base_files))
    config_module.open = _open  # type: ignore[attr-defined]
    for name in ('_file2dict', '_parse_lazy_import'):
        setattr(config, name, staticmethod(_without_loops(getattr(config, name))))


def _after(check: Callable[[str], None], function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def checked(filename: str, *args: Any, **kwargs: Any) -> Any:
        check(filename)
        return function(filename, *args, **kwargs)

    return checked


def _with_paths(function: Callable[[str], list[Any]]) -> Callable[[str], list[Any]]:
    """Refuse bases that are no paths."""

    @functools.wraps(function)
    def get_base_files(filename: str) -> list[Any]:
        bases = function(filename)
        for base in bases:
            if not (isinstance(base, str) and base):
                expected = 'the path of a config, or a list of paths'
                raise DataError('config', '_base_', expected, repr(base))
        return bases

    return get_base_files


def _open(file: Any, mode: str = 'r', encoding: str | None = None) -> IO[Any]:
    """As ``open`` of Python; reading UTF-8, it skips a byte order mark."""
    if encoding == 'utf-8' and mode == 'r':
        encoding = 'utf-8-sig'
    return builtins.open(file, mode, encoding=encoding)


def _without_loops(function: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse a config that is a base of itself; mmengine reads it until Python stops it."""

    @functools.wraps(function)
    def read(filename: str, *args: Any, **kwargs: Any) -> Any:
        path = os.path.realpath(os.path.expanduser(filename))
        if path in _being_read.get():
            raise DataError(filename, '_base_', 'other configs', 'this config or one that needs it')
        outer = _being_read.set((*_being_read.get(), path))
        try:
            return function(filename, *args, **kwargs)
        finally:
            _being_read.reset(outer)

    return read


def secure_config_texts() -> None:
    """Let mmengine refuse YAML configs that run code, and keys that are given twice."""
    after_import('mmengine.config.config', _check_before_reading)
