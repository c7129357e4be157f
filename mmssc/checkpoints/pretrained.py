"""Explain errors of pretrained weights to users."""

from __future__ import annotations

from collections.abc import Iterator
from os import path
from typing import Any

from torch import nn

from mmssc.errors import DataError

__all__ = ['PRETRAINED_ERRORS', 'explain_pretrained_error']

#: What mmengine raises for a missing file and for a prefix that no name in the file has.
PRETRAINED_ERRORS = (FileNotFoundError, AssertionError)


def explain_pretrained_error(model: nn.Module, error: Exception) -> DataError | None:
    """Explain a failed ``Pretrained`` initialisation: file, parts of the model and remedy.

    Args:
        model: The model whose ``init_weights`` raised.
        error: One of :data:`PRETRAINED_ERRORS`.

    Returns:
        The error to raise instead; None if pretrained weights are not the cause.
    """
    concerned = [
        (part, config)
        for part, config in _pretrained_parts(model)
        if _is_about(error, config['checkpoint'], config.get('prefix'))
    ]
    if not concerned:
        return None
    file, prefix = concerned[0][1]['checkpoint'], concerned[0][1].get('prefix')
    parts = ' and '.join(part for part, config in concerned if config['checkpoint'] == file)
    hint = (
        "name another file with the part's init_cfg.checkpoint, or start the part from random "
        'numbers with init_cfg=None'
    )
    if isinstance(error, AssertionError):
        field, expected, found = 'names', f'{prefix}* for {parts}', 'none'
        hint = f"Set init_cfg.prefix to the prefix of the part's names in this file, {hint}"
    else:
        field, expected, found = None, f'pretrained weights of {parts}', 'no file'
        hint = f"Download it to this path (see the method's README for the source), {hint}"
    return DataError(file, field, expected, found, hint)


def _pretrained_parts(model: nn.Module) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names and initialisation configs of the parts that start from a file."""
    for name, part in model.named_modules():
        configs = getattr(part, 'init_cfg', None) or ()
        for config in [configs] if isinstance(configs, dict) else configs:
            if config.get('type') == 'Pretrained' and config.get('checkpoint'):
                yield name or 'the model', config


def _is_about(error: Exception, file: str, prefix: str | None) -> bool:
    if isinstance(error, AssertionError):
        missing = f'{(prefix or "").rstrip(".")}. is not in the pretrained model'
        return prefix is not None and str(error) == missing
    return path.expanduser(file) in str(error)
