"""Overrides of a config: ``--cfg-options KEY=VALUE ...`` and the keyword ``cfg_options``."""

from __future__ import annotations

import argparse
import inspect
import re
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mmssc.errors import DataError, nearest_name

if TYPE_CHECKING:  # Parsers import this module: --help does not need mmengine.
    from mmengine.config import Config

__all__ = [
    'CONFIG_HELP', 'MAX_LEVELS', 'OLD_SECTIONS', 'OPTION', 'SWITCHES', 'ConfigOptions',
    'add_cfg_options', 'merge_options', 'nearest_name', 'parse_value', 'runner_settings',
]  # fmt: skip

#: Help of the argument of a tool that :func:`mmssc.config_file.read_config_file` takes.
CONFIG_HELP = 'config file, or name of a config (mmssc info --list)'
#: What errors about an override name.
OPTION = '--cfg-options'
#: Text that stands for True or False, in lower case.
SWITCHES = dict(yes=True, on=True, true=True, no=False, off=False, false=False)
#: Sections of mmcv 1.x, which nothing reads -> what replaced them.
OLD_SECTIONS = {
    'auto_resume': 'resume', 'checkpoint_config': 'default_hooks.checkpoint',
    'cudnn_benchmark': 'env_cfg.cudnn_benchmark',
    'data': 'train_dataloader, val_dataloader and test_dataloader',
    'deterministic': 'randomness.deterministic',
    'dist_params': 'env_cfg.dist_cfg', 'evaluation': 'train_cfg.val_interval',
    'fp16': "optim_wrapper.type='AmpOptimWrapper'", 'log_config': 'default_hooks.logger',
    'lr_config': 'param_scheduler', 'momentum_config': 'param_scheduler',
    'optimizer': 'optim_wrapper.optimizer', 'optimizer_config': 'optim_wrapper.clip_grad',
    'resume_from': 'load_from and resume=True', 'runner': 'train_cfg', 'seed': 'randomness.seed',
    'total_epochs': 'train_cfg.max_epochs', 'total_iters': 'train_cfg.max_iters',
}  # fmt: skip
_BRACKETS = {'(': ')', '[': ']', '{': '}'}
_PLAIN_WORD = re.compile(r'\w[\w-]*')
_NOTHING = object()
#: Values of a config may be nested so deeply. mmengine copies and prints them by recursion.
MAX_LEVELS = 40
# Top-level settings that mmengine and mmssc read, besides the arguments of the Runner.
_MORE_SETTINGS = (
    'activation_checkpointing', 'compile', 'custom_imports', 'efficient_conv_bn_eval',
    'find_unused_parameters', 'model_wrapper_cfg', 'runner_type', 'stop_at_nan',
    'sync_bn',
)  # fmt: skip


class ConfigOptions(argparse.Action):
    """Parses ``KEY=VALUE ...`` into a dict; :func:`parse_value` says how values are read.

    Raises:
        DataError: A word is not ``KEY=VALUE``, or brackets or quotes in a value do not match.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Add the settings to the namespace."""
        options = dict(getattr(namespace, self.dest, None) or {})
        for typed in values or ():
            key, equals, text = typed.partition('=')
            key = key.strip()
            if not equals or not all(key.split('.')):
                hint = f'Put a value with blanks in quotes: {OPTION} "KEY=[1, 2]"'
                found = _short(typed) if equals else f'{_short(typed)} without "=VALUE"'
                raise DataError(OPTION, None, 'KEY=VALUE', found, hint)
            try:
                options[key] = parse_value(text)
            except ValueError as error:
                hint = f'Put a value with blanks in quotes: {OPTION} "{_short(key)}=[1, 2]"'
                hint = hint if 'no closing' in str(error) else ''
                raise DataError(OPTION, _short(typed), 'a value', error, hint or None) from error
        setattr(namespace, self.dest, options)


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options KEY=VALUE ...``, a dict for :func:`merge_options` or None."""
    parser.add_argument(
        OPTION,
        nargs='+',
        action=ConfigOptions,
        metavar='KEY=VALUE',
        help='override settings of the config, e.g. train_cfg.max_epochs=2 '
        'model.backbone.init_cfg=None "custom_hooks=[dict(type=\'EMAHook\')]"',
    )


def _short(text: Any) -> str:
    words = str(text)
    return words if len(words) <= 100 else f'{words[:100]}...'


class _CommaList(list):
    """Items that commas separate, without brackets; ``typed`` is the whole text."""

    def __init__(self, items: Sequence[Any], typed: str) -> None:
        super().__init__(items)
        self.typed = typed


def parse_value(text: str) -> Any:
    """Read the value of an option.

    - Numbers, ``True``, ``False`` and ``None`` are what they look like.
    - ``[...]`` is a list, ``(...)`` a tuple, ``{KEY: VALUE}`` and ``dict(KEY=VALUE)`` are dicts.
      Text in them needs no quotes, but text with commas or brackets does.
    - ``1,2`` and ``a,b`` are lists if every item is a number, a plain word or in brackets.
    - Everything else is text, exactly as typed. One pair of quotes around a value is removed; what
      was in quotes is text, unless it is in brackets (a list that a script put in quotes).

    Args:
        text: What follows ``KEY=``.

    Raises:
        ValueError: Brackets or quotes do not match, or an entry of a dict is not a pair.
    """
    bare = text.strip()
    if _is_quoted(bare):
        bare = text = bare[1:-1]
        if not _starts_with_bracket(bare):
            return bare
    # "[old] data/x" is text, but not "[1, 2": the shell cut off what follows the blank.
    must_match = _starts_with_bracket(bare) or not re.search(r'[^\W\d]', bare)
    try:
        if _is_enclosed(bare):
            return _container(bare)
        items = _split(bare)
    except ValueError:
        if must_match:
            raise
        return text
    if ',' in bare and items and all(map(_is_plain, items)):
        return _CommaList([_item(item) for item in items], text)
    return _word(text)


def _starts_with_bracket(text: str) -> bool:
    return text[:1] in _BRACKETS or text.startswith('dict(')


def _is_quoted(text: str) -> bool:
    quote = text[:1]
    return len(text) > 1 and quote in '\'"' and text[-1] == quote and quote not in text[1:-1]


def _walk(text: str) -> Iterator[tuple[int, str, int]]:
    """Position and character of what is not in quotes, and the number of open brackets after it."""
    expected, quote, starts_item = [], '', True
    for position, character in enumerate(text):
        if quote:
            quote = '' if character == quote else quote
            continue
        # Inside a word, as in it's, a quote is a character like others.
        if character in '\'"' and starts_item:
            quote = character
            continue
        if character in _BRACKETS:
            expected.append(_BRACKETS[character])
        elif character in _BRACKETS.values() and (not expected or expected.pop() != character):
            raise ValueError(f'"{character}" without its opening bracket')
        if len(expected) > MAX_LEVELS:
            raise ValueError(f'more than {MAX_LEVELS} brackets in brackets')
        starts_item = character in ',=:' or character in _BRACKETS or (
            starts_item and character.isspace()
        )  # fmt: skip
        yield position, character, len(expected)
    if quote or expected:
        raise ValueError(f'no closing {quote or expected[-1]}')


def _split(text: str) -> list[str]:
    """The items between the commas that are not in brackets or quotes."""
    commas = [place for place, character, depth in _walk(text) if character == ',' and not depth]
    starts, ends = [0, *(comma + 1 for comma in commas)], [*commas, len(text)]
    items = [text[start:end].strip() for start, end in zip(starts, ends)]
    # As in Python, a comma may follow the last item.
    return items if items[-1] else items[:-1]


def _is_enclosed(text: str) -> bool:
    """Whether the first bracket closes at the end: ``[a],[b]`` is not enclosed."""
    if not _starts_with_bracket(text):
        return False
    start = text.index('(') if text.startswith('dict(') else 0
    ends = [place for place, _, depth in _walk(text) if place > start and not depth]
    return ends[0] + 1 == len(text)


def _is_plain(item: str) -> bool:
    """Whether a bare comma next to an item separates values: it may also be a part of a path."""
    value = _word(item)
    is_word = isinstance(value, str) and _PLAIN_WORD.fullmatch(item) is not None
    return not isinstance(value, str) or is_word or _is_quoted(item) or _is_enclosed(item)


def _item(text: str) -> Any:
    """Read an item of a list, a tuple or a dict."""
    if not text:
        raise ValueError('nothing between two commas')
    if _is_quoted(text):
        return text[1:-1]
    if _is_enclosed(text):
        return _container(text)
    if re.fullmatch(r'[\w.]+\(.*\)', text, re.DOTALL):
        raise ValueError(f'cannot read {text}: only dict(KEY=VALUE) looks like a call')
    return _word(text)


def _container(text: str) -> Any:
    if text.startswith('dict('):
        return _dict_of(_pair(item, '=') for item in _split(text[5:-1]))
    items = _split(text[1:-1])
    if text[0] == '{':
        return _dict_of((_item(key), value) for key, value in (_pair(one, ':') for one in items))
    values = [_item(item) for item in items]
    return values if text[0] == '[' else tuple(values)


def _dict_of(pairs: Iterable[tuple[Any, str]]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key, value in pairs:
        if isinstance(key, (dict, list, tuple)):
            raise ValueError(f'the key {key}, which is neither text nor a number')
        if key in found:
            raise ValueError(f'the key {key} twice')
        found[key] = _item(value)
    return found


def _pair(text: str, sign: str) -> tuple[str, str]:
    for place, character, depth in _walk(text):
        if character == sign and not depth:
            key, value = text[:place].strip(), text[place + 1 :].strip()
            if sign == ':' or key.isidentifier():
                return key, value
            break
    raise ValueError(f'cannot read {text}: an entry of a dict is KEY{sign}VALUE')


def _word(text: str) -> Any:
    bare = text.strip()
    if re.fullmatch(r'[+-]?[0-9]+', bare):
        return int(bare)
    words = {'true': True, 'false': False}
    if bare == 'None' or bare.lower() in words:
        return words.get(bare.lower())
    try:
        # Python reads 2024_01_05 as a number, too.
        return text if '_' in bare else float(bare)
    except ValueError:
        return text


def runner_settings() -> set[str]:
    """The top-level settings that mmengine and mmssc read; others are variables of a config."""
    from mmengine.runner import Runner

    return {*inspect.signature(Runner).parameters, *_MORE_SETTINGS} - {'cfg'}


def merge_options(cfg: Config, cfg_options: Mapping[str, Any] | None) -> set[str]:
    """Apply overrides to a config, one after the other.

    A key that starts with a variable of the config (neither mmengine nor mmssc reads it) is applied
    with a warning: the settings that the config computed from it do not change.

    Args:
        cfg: The config, changed in place.
        cfg_options: Overrides, ``{'model.backbone.depth': 18}``; a number is an entry of a list.

    Returns:
        Settings that were True or False and now have another value. Any text would count as true;
        :func:`mmssc.config_values.check_values` knows which classes take it.

    Raises:
        DataError: A key starts with a setting that does not exist, names no entry of a list, goes
            through a value that is neither a dict nor a list, or replaces a dict by a plain value.
    """
    # "_delete_" empties a dict: first, so that it does not delete other options.
    options = sorted((cfg_options or {}).items(), key=lambda pair: not pair[0].endswith('_delete_'))
    settings, switches = runner_settings(), set()
    for key, value in options:
        if key.count('.') >= MAX_LEVELS:
            raise DataError(OPTION, _short(key), f'at most {MAX_LEVELS} names', key.count('.') + 1)
        _check_first(key, cfg, settings)
        owner, current = _find(cfg, key)
        if isinstance(value, _CommaList):
            value = value.typed if isinstance(current, str) else list(value)
        if isinstance(current, bool):
            value = _as_switch(value)
            switches |= set() if isinstance(value, bool) else {key}
        if isinstance(current, Mapping) and not _can_replace_dict(value):
            hint = f'Set an entry: {key}.NAME=VALUE, or the whole: "{key}=dict(...)"'
            raise DataError(OPTION, f'{key}={value}', 'a dict', repr(value), hint)
        try:
            cfg.merge_from_dict(_for_mmengine(key, value, owner, current))
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            expected = 'a setting that fits the config'
            raise DataError(OPTION, f'{key}={value}', expected, error) from error
    return switches


def _for_mmengine(key: str, value: Any, owner: Any, current: Any) -> dict[str, Any]:
    """The override that mmengine takes: it sets no plain entry of a list, and keeps None."""
    if isinstance(current, Mapping) and isinstance(value, Mapping):
        return {key: value}
    if isinstance(owner, list):
        name, _, number = key.rpartition('.')
        return {name: [*owner[: int(number)], value, *owner[int(number) + 1 :]]}
    if isinstance(value, Mapping) and current is not _NOTHING:
        return {key: dict(value, _delete_=True)}
    return {key: value}


def _as_switch(value: Any) -> Any:
    """True or False for a word or number that means it; other values stay."""
    if isinstance(value, str) and value.lower() in SWITCHES:
        return SWITCHES[value.lower()]
    if isinstance(value, (int, float)) and value in (0, 1):
        return bool(value)
    return value


def _can_replace_dict(value: Any) -> bool:
    if isinstance(value, list):  # E.g. several evaluators.
        return all(isinstance(entry, Mapping) for entry in value)
    return value is None or value is False or isinstance(value, Mapping)


def _check_first(key: str, cfg: Config, settings: Collection[str]) -> None:
    name = key.partition('.')[0]
    if name in settings:
        return
    if name not in cfg:
        old = OLD_SECTIONS.get(name)
        hint = f'Set {old} instead of this section of mmcv 1.x' if old else None
        hint = hint or nearest_name(name, {*settings, *cfg})
        hint = hint or 'Define a setting of your own in the config'
        raise DataError(OPTION, key, 'a setting that exists', name, hint)
    same = _settings_with(cfg, key, settings)
    names = f', such as {", ".join(same[:4])},' if same else ''
    hint = f'. Set these instead: {OPTION} {same[0]}=VALUE ...' if same else ''
    warnings.warn(
        f'{OPTION}: {key}: {name} is a variable of the config; settings computed from it'
        f'{names} keep their values{hint}',
        stacklevel=4,
    )


def _settings_with(cfg: Config, key: str, settings: Collection[str]) -> list[str]:
    """The settings that have the value of a variable and, at the end, its name."""
    value = _find(cfg, key)[1]
    name, found = key.rpartition('.')[2], []
    waiting = [(top, cfg[top]) for top in cfg if top in settings]
    while waiting:
        place, one = waiting.pop(0)
        if place.rpartition('.')[2] == name and type(one) is type(value) and one == value:
            found.append(place)
        if isinstance(one, (Mapping, list)):
            inside = one.items() if isinstance(one, Mapping) else enumerate(one)
            waiting += [(f'{place}.{entry}', inner) for entry, inner in inside]
    return found


def _find(cfg: Config, key: str) -> tuple[Any, Any]:
    """The dict or list that a key names an entry of, and the entry; ``_NOTHING`` if there is none.

    Raises:
        DataError: A list is too short, or a value on the way is neither a dict nor a list.
    """
    owner: Any = None
    value: Any = cfg._cfg_dict
    place = ''
    for part in key.split('.'):
        owner = value
        if isinstance(owner, Mapping):
            value = owner.get(part, _NOTHING)
        elif isinstance(owner, list):
            if not part.isdecimal() or len(part) > 9 or int(part) >= len(owner):
                expected = f'a number below {len(owner)}' if owner else 'another setting'
                found = f'{part} ({place} has {len(owner)} entries, counted from 0)'
                raise DataError(OPTION, key, expected, found)
            value = owner[int(part)]
        else:
            hint = f'Replace it as a whole: "{place}=..."'
            raise DataError(OPTION, key, f'a dict or a list at {place}', repr(owner), hint)
        if value is _NOTHING:
            break
        place = f'{place}.{part}'.lstrip('.')
    return owner, value
