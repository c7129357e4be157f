"""YAML and JSON configs hold values only.

mmengine reads YAML with a loader that runs what a tag names (``!!python/object/apply:os.system``),
and of a key that is given twice it silently takes the last value. Here such a config is refused
before mmengine reads it. A config in Python stays a program.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import DataError
from .import_hooks import after_import

__all__ = ['check_config_text', 'secure_config_texts']

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
        DataError: It has a tag that asks for code, or a key twice.
        ValueError: It is not JSON.
        yaml.YAMLError: It is not YAML.
    """
    from ..formats.json_fields import parse_json

    kind = Path(path).suffix
    if kind == '.json':
        parse_json(Path(path).read_text(encoding='utf-8'))
    elif kind in ('.yml', '.yaml'):
        _check_yaml(Path(path).read_text(encoding='utf-8'))


def _check_yaml(text: str) -> None:
    import yaml

    # The parser that mmengine takes, so that both see the same.
    root = yaml.compose(text, Loader=getattr(yaml, 'CSafeLoader', yaml.SafeLoader))
    for node in _nodes_of(root):
        place = f'line {node.start_mark.line + 1}'
        if node.tag not in _PLAIN:
            tag = node.tag.replace(_YAML, '!!')
            hint = 'YAML cannot run code here. Write this config in Python if you trust it'
            raise DataError('config', place, 'plain values', f'the tag {tag}', hint)
        if isinstance(node, yaml.MappingNode):
            _check_keys([key for key, _ in node.value])


def _nodes_of(root: Any) -> Iterator[Any]:
    """All nodes, each once: an alias names a node again."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        for value in node.value if isinstance(node.value, list) else ():
            waiting += value if isinstance(value, tuple) else (value,)


def _check_keys(keys: list[Any]) -> None:
    names = set()
    for key in keys:
        name = (key.tag, str(key.value))
        if name in names and key.tag != _MERGE:
            place = f'line {key.start_mark.line + 1}'
            raise DataError('config', place, 'each key once', f'{key.value} again')
        names.add(name)


def _check_before_reading(config_module: ModuleType) -> None:
    config = config_module.Config
    get_base_files = config._get_base_files
    if hasattr(get_base_files, '__wrapped__'):
        return

    # mmengine calls it for each config and each of its bases, before it reads the values.
    @functools.wraps(get_base_files)
    def checked(filename: str) -> list:
        check_config_text(filename)
        return get_base_files(filename)

    config._get_base_files = staticmethod(checked)


def secure_config_texts() -> None:
    """Let mmengine refuse YAML configs that run code, and keys that are given twice."""
    after_import('mmengine.config.config', _check_before_reading)
