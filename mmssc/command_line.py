"""How every command of ``tools/`` starts, and how it ends when something is wrong."""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from mmssc.errors import MMSSCError

__all__ = ['CLOSED_PIPE', 'FINDINGS', 'INTERRUPTED', 'USE_ERROR', 'command']

#: Exit statuses; docs/en/user_guides/exit_statuses.md describes them. 0: all is well.
FINDINGS = 1
#: The status of argparse, too.
USE_ERROR = 2
#: As a shell counts: 128 and the number of the signal (SIGINT, SIGPIPE).
INTERRUPTED = 130
CLOSED_PIPE = 141


def command(main: Callable[..., int | None]) -> Callable[..., int]:
    """Decorate the main function of a tool; its result is for :func:`sys.exit`.

    Errors of files, values and options (:class:`MMSSCError`, :class:`OSError`) and Ctrl-C become
    one line on stderr, and a closed output (``| head``) ends the tool quietly. Other exceptions are
    bugs and keep their traceback. ``MMSSC_TRACEBACK=1`` shows the traceback of every error.

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
                # What is still in the buffer meets a closed pipe here, not after the tool.
                sys.stdout.flush()
        except KeyboardInterrupt as interrupt:
            # On a line of its own: a progress bar or ^C stands on the last one.
            print(f'\nstopped. {interrupt}'.rstrip(), file=sys.stderr)
            return INTERRUPTED
        except BrokenPipeError:
            # Python flushes once more at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return CLOSED_PIPE
        except (MMSSCError, OSError) as error:
            if os.environ.get('MMSSC_TRACEBACK', '0') != '0':
                traceback.print_exc()
            else:
                print(f'error: {_message_of(error)}', file=sys.stderr)
            return USE_ERROR

    return run


def _message_of(error: Exception) -> str:
    text = str(error)
    if text.startswith('Caught '):
        # An error of a data loader worker arrives with the worker's traceback for a message.
        text = text.rpartition(f'{type(error).__qualname__}: ')[2]
    elif isinstance(error, OSError) and error.filename is not None:
        text = f'{error.filename}: {error.strerror}'
    return ' '.join(text.split())
