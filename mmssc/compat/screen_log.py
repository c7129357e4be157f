"""What a run of mmengine prints on the screen; the log file keeps everything."""

from __future__ import annotations

import copy
import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ['known_warnings_hidden', 'short_screen_log']


# Beginnings of messages that are long, come again and again, or say nothing about the run.
_FILE_ONLY = (
    '\n------------------------------------------------------------\nSystem environment:',
    'Config:\n',
    'Distributed training is not used, all SyncBatchNorm',
    'Exp name: ',
    'Hooks will be executed in the following order:',
    'paramwise_options -- ',  # a line for each weight with settings of its own
    # mmengine warns of what mmengine itself uses.
    '"FileClient" will be deprecated in future',
    '"HardDiskBackend" is the alias of "LocalBackend"',
)
_MISMATCH = 'The model and loaded state dict do not match exactly'
_SCORES = re.compile(r'(Epoch|Iter)\((val|test)\) ')
# Every process would print these, and no user can do anything about them: mmengine passes an
# argument that torch 2.13 renames; kernels of oneDNN choose the layout of gradients; with
# accumulated gradients, a schedule by iteration moves before the first step of its optimiser.
_KNOWN_WARNINGS = (
    '`broadcast_buffers` is deprecated',
    'Grad strides do not match bucket view strides',
    'Detected call of `lr_scheduler.step()` before `optimizer.step()`',
    'Detected call of `scheduler.step()` before `optimizer.step()`',
)
# torch repeats it for every data loader and every epoch.
_TOO_MANY_WORKERS = 'This DataLoader will create '


def _is_for_screen(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_FILE_ONLY)


def _short_mismatch(message: str) -> str:
    """How many weights a checkpoint and a model do not share, in place of mmengine's lists."""
    counts = {'with other sizes': len(re.findall('^size mismatch for ', message, re.M))}
    for kind, words in (('not in the model', 'unexpected key'),
                        ('not in the checkpoint', 'missing keys')):  # fmt: skip
        names = re.search(f'^{words} in source state_dict: (.*)$', message, re.M)
        counts[kind] = len(names[1].split(', ')) if names else 0
    words = ', '.join(f'{count} {kind}' for kind, count in counts.items() if count)
    return f'Weights that do not match: {words}. The log file lists them'


class _ShortMessages(logging.Formatter):
    """Leaves out figures that a table shows, and the names of weights that do not match."""

    def __init__(self, formatter: logging.Formatter, is_in_table: Callable[[str], bool]) -> None:
        super().__init__()
        self._formatter, self._is_in_table = formatter, is_in_table

    def format(self, record: logging.LogRecord) -> str:
        """Format a copy of the record: the log file gets the same record after this."""
        message = record.getMessage()
        short = None
        if _SCORES.match(message):
            figures = message.split('  ')
            kept = [one for one in figures if not self._is_in_table(one.partition(':')[0])]
            short = '  '.join(kept)
        elif message.startswith(_MISMATCH):
            short = _short_mismatch(message)
        if short is not None:
            record = copy.copy(record)
            record.msg, record.args = short, ()
        return self._formatter.format(record)


@contextmanager
def short_screen_log(is_in_table: Callable[[str], bool]) -> Iterator[None]:
    """Let a Runner that is built inside print little; its log file and its scalars keep everything.

    Characters that the log file cannot hold are written as codes.

    Args:
        is_in_table: Whether a figure, as ``'ssc/SC_Recall'``, is left out of the line of scores.
    """
    from mmengine.runner import Runner

    build_logger = Runner.build_logger

    def build_quiet_logger(*args: Any, **kwargs: Any) -> logging.Logger:
        logger = build_logger(*args, **kwargs)
        for handler in logger.handlers:
            # A FileHandler is a StreamHandler, too.
            if isinstance(handler, logging.FileHandler):
                # A name in a message, such as that of the work folder, may be no text.
                handler.errors = 'backslashreplace'
                if isinstance(handler.stream, io.TextIOWrapper):
                    handler.stream.reconfigure(errors=handler.errors)
            elif handler.formatter is not None:
                handler.addFilter(_is_for_screen)
                handler.setFormatter(_ShortMessages(handler.formatter, is_in_table))
        return logger

    Runner.build_logger = build_quiet_logger
    try:
        yield
    finally:
        Runner.build_logger = build_logger


@contextmanager
def known_warnings_hidden() -> Iterator[None]:
    """Hide warnings of mmengine and torch that no user can act on, and repeated ones."""
    with warnings.catch_warnings():
        warnings.filterwarnings('once', message=_TOO_MANY_WORKERS)
        for beginning in _KNOWN_WARNINGS:
            warnings.filterwarnings('ignore', message=re.escape(beginning))
        yield
