"""What mmengine's logger prints on the screen; its file keeps everything."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ['config_not_on_screen']


# The config, and a line for each weight with settings of its own.
_FILE_ONLY = ('Config:\n', 'paramwise_options -- ')


def _is_for_screen(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_FILE_ONLY)


@contextmanager
def config_not_on_screen() -> Iterator[None]:
    """Let a Runner that is built inside log its config (hundreds of lines) to its file only."""
    from mmengine.runner import Runner

    build_logger = Runner.build_logger

    def build_quiet_logger(*args: Any, **kwargs: Any) -> logging.Logger:
        logger = build_logger(*args, **kwargs)
        for handler in logger.handlers:
            # A FileHandler is a StreamHandler, too.
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(_is_for_screen)
        return logger

    Runner.build_logger = build_quiet_logger
    try:
        yield
    finally:
        Runner.build_logger = build_logger
