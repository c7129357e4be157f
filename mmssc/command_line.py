"""The decorator for every command of ``tools/``: error messages and exit statuses."""

from __future__ import annotations

import argparse
import functools
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from mmssc.errors import MMSSCError

__all__ = ['CLOSED_PIPE', 'FINDINGS', 'INTERRUPTED', 'USE_ERROR', 'add_overwrite_option', 'command']

#: Exit statuses; docs/en/user_guides/exit_statuses.md describes them. 0: all is well.
FINDINGS = 1
#: argparse exits with this status, too.
USE_ERROR = 2
#: As in a shell: 128 plus the number of the signal (SIGINT, SIGPIPE).
INTERRUPTED = 130
CLOSED_PIPE = 141


def command(main: Callable[..., int | None]) -> Callable[..., int]:
    """Decorate the main function of a tool so that it returns an exit status.

    Errors of files, values and options (:class:`MMSSCError`, :class:`OSError`) and Ctrl-C print one
    line on stderr. A closed output (``| head``) ends the tool silently. Other exceptions are bugs
    and keep their traceback. ``MMSSC_TRACEBACK=1`` shows the traceback of every error.

    Args:
        main: Returns None or 0 when all is well, or :data:`FINDINGS`.

    Returns:
        A function with the arguments of ``main`` that returns the exit status.
    """

    @functools.wraps(main)
    def run(*args: Any, **kwargs: Any) -> int:
        try:
            try:
                return main(*args, **kwargs) or 0
            finally:
                # Flush here, so that a closed pipe raises inside this block and not at exit.
                if sys.stdout is not None:
                    sys.stdout.flush()
        except KeyboardInterrupt as interrupt:
            # The newline, because a progress bar or ^C is on the current line.
            print(f'\nstopped. {interrupt}'.rstrip(), file=sys.stderr)
            return INTERRUPTED
        except BrokenPipeError:
            # Python flushes stdout again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return CLOSED_PIPE
        except (MMSSCError, OSError) as error:
            if os.environ.get('MMSSC_TRACEBACK', '0') != '0':
                traceback.print_exc()
            else:
                print(f'error: {_message_of(error)}', file=sys.stderr)
            return USE_ERROR

    return run


def add_overwrite_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--overwrite``; without it, a tool refuses to replace files, and never its inputs."""
    parser.add_argument('--overwrite', action='store_true', help='replace existing output files')


def _message_of(error: Exception) -> str:
    text = str(error)
    if text.startswith('Caught '):
        # The message of an error in a data loader worker is the worker's traceback.
        text = text.rpartition(f'{type(error).__qualname__}: ')[2]
    elif isinstance(error, OSError) and error.filename is not None:
        text = f'{error.filename}: {error.strerror}'
    return ' '.join(text.split())
