"""The decorator for every command of ``tools/``: error messages and exit statuses.

A tool imports this module first and calls :func:`prepare_process` before its other imports. It
calls :func:`parse_early` before those that take seconds, such as torch.
Importing this module changes nothing.
"""

from __future__ import annotations

import argparse
import errno
import functools
import gc
import io
import logging
import multiprocessing
import multiprocessing.process
import multiprocessing.resource_tracker
import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import takewhile
from types import TracebackType
from typing import Any, NoReturn

from mmssc.errors import DataError, MMSSCError, join_sentences, nearest_name
from mmssc.kept_memory import keep_memory
from mmssc.tool_commands import as_typed

__all__ = [
    'CLOSED_PIPE', 'FINDINGS', 'FIRST_ERROR', 'INTERRUPTED', 'USE_ERROR', 'add_overwrite_option',
    'command', 'is_first_report', 'parse_early', 'prepare_process', 'run_each',
]  # fmt: skip

#: Exit statuses; docs/en/user_guides/exit_statuses.md describes them. 0: all is well.
FINDINGS = 1
#: argparse exits with this status, too.
USE_ERROR = 2
#: As in a shell: 128 plus the number of the signal (SIGINT, SIGPIPE).
INTERRUPTED = 130
CLOSED_PIPE = 141

#: The environment variable with the file that the first failing process of a distributed run
#: makes; tools/misc/torchrun.py sets it. Only that process prints its error.
FIRST_ERROR = 'MMSSC_FIRST_ERROR'


# A disk that is full or broken, a quota, a limit of size.
_WRITE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_OUTPUT = 'standard output'
# OpenCV reads them when it is imported, and when it opens the first video.
_SILENT_LIBRARIES = {'OPENCV_LOG_LEVEL': 'SILENT', 'OPENCV_FFMPEG_LOGLEVEL': '-8'}

# Whether parse_early() has stopped the collection of garbage.
_garbage_waits = False


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
        _collect_garbage_again()
        try:
            with _named_output():
                try:
                    with _lost_output_in_logs(), _interrupts_for_parents(), _short_warnings():
                        return main(*args, **kwargs) or 0
                finally:
                    # Flush here, so that a closed pipe raises inside this block and not at exit.
                    if sys.stdout is not None:
                        sys.stdout.flush()
        except KeyboardInterrupt as interrupt:
            return _end_of_process(_stopped(interrupt))
        except BrokenPipeError:
            _drop_output()
            is_first_report(CLOSED_PIPE)
            return _end_of_process(CLOSED_PIPE)
        except (MMSSCError, OSError) as error:
            if isinstance(error, OSError) and error.filename == _OUTPUT:
                _drop_output()
            if is_first_report(USE_ERROR):
                if os.environ.get('MMSSC_TRACEBACK', '0') != '0':
                    traceback.print_exc()
                else:
                    _print(f'error: {_message_of(error)}')
            return _end_of_process(USE_ERROR)
        except Exception:
            # A process that waits for one that has failed fails, too.
            if not is_first_report(1):
                return _end_of_process(1)
            raise

    return run


def add_overwrite_option(
    parser: argparse.ArgumentParser, text: str = 'replace files of earlier runs of this command'
) -> None:
    """Add ``--overwrite``; a tool never replaces its inputs or files that it has not written."""
    parser.add_argument('--overwrite', action='store_true', help=text)


def parse_early(parse_args: Callable[[], object]) -> None:
    """Parse the command line of a script before its slow imports.

    ``--help`` and a wrong command line end the process here. What is parsed is dropped: the main
    function parses again, because it also runs without the script. Until that function starts,
    Python collects no garbage, and never among the objects that imports make: almost all stay.

    Args:
        parse_args: Parses :data:`sys.argv`.
    """

    @command
    def parse() -> None:
        parse_args()

    status = parse()
    if status:
        sys.exit(status)
    global _garbage_waits
    _garbage_waits = gc.isenabled()
    gc.disable()


def _collect_garbage_again() -> None:
    """End what :func:`parse_early` has begun; whoever runs without a collector keeps that."""
    global _garbage_waits
    if _garbage_waits:
        gc.freeze()
        gc.enable()
    _garbage_waits = False


def run_each(items: Sequence[Any], work: Callable[[Any], object]) -> int:
    """Do the work of a command for each item; one that fails does not stop the others.

    Args:
        items: Files or names.
        work: Gets an item.

    Returns:
        0, or :data:`FINDINGS` if some have failed; stderr lists them at the end.

    Raises:
        DataError: The only item has failed.
    """
    failures = []
    for item in items:
        try:
            work(item)
        except DataError as error:
            if len(items) == 1:
                raise
            failures.append(error)
    for failure in failures:
        _print(f'error: {_message_of(failure)}')
    if failures:
        _print(f'{len(failures)} of {len(items)} failed')
    return FINDINGS if failures else 0


def is_first_report(status: int) -> bool:
    """Whether no other process of a distributed run has failed before this one.

    Args:
        status: Exit status of this process. The launcher ends with that of the first one.
    """
    path = os.environ.get(FIRST_ERROR)
    if path is None:
        return True
    try:
        with open(path, 'x', encoding='ascii') as file:
            file.write(str(status))
    except FileExistsError:
        return False
    except OSError:  # The launcher is gone, with its folder.
        return True
    return True


def _print(line: str) -> None:
    with suppress(BrokenPipeError):
        print(line, file=sys.stderr, flush=True)


def _end_of_process(status: int) -> int:
    """The exit status after an error; a process of a group ends here.

    If the group still exists when the interpreter shuts down, C++ now and then aborts the process
    with a line of its own. Leaving the group in order would take all processes.
    """
    distributed = sys.modules.get('torch.distributed')
    if distributed is None or not (distributed.is_available() and distributed.is_initialized()):
        return status
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(OSError):
                stream.flush()
    os._exit(status)


def _stopped(interrupt: BaseException) -> int:
    if is_first_report(INTERRUPTED):
        # The newline, because a progress bar or ^C is on the current line.
        _print(f'\nstopped. {interrupt}'.rstrip())
    return INTERRUPTED


def _stop_before_main(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if multiprocessing.parent_process() and issubclass(kind, (ConnectionError, EOFError)):
        return  # A loader worker whose parent has stopped.
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    if sys.stdout is not None:
        with suppress(BrokenPipeError):
            sys.stdout.flush()
    os._exit(_stopped(error))


def _drop_output() -> None:
    """Python flushes stdout again at exit, and would print an error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _naming_output(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except OSError as error:
            if error.errno in _WRITE_ERRORS:
                error.filename = _OUTPUT
            raise

    return call


@contextmanager
def _named_output() -> Iterator[None]:
    """Let the error of an output that cannot be written, for example on a full disk, name it."""
    stream = sys.stdout
    # A stream of C without attributes of its own stays as it is, and so does one of an outer call.
    if not hasattr(stream, '__dict__') or 'write' in vars(stream):
        yield
        return
    for name in ('write', 'flush'):
        setattr(stream, name, _naming_output(getattr(stream, name)))
    try:
        yield
    finally:
        del stream.write, stream.flush


@contextmanager
def _lost_output_in_logs() -> Iterator[None]:
    """``logging`` prints a traceback for every record that it cannot write, and goes on.

    The disk of a log file is that of the checkpoints: a run stops there.
    """
    handle_error = logging.Handler.handleError

    def end_at_lost_output(self: logging.Handler, record: logging.LogRecord) -> None:
        error, stream = sys.exc_info()[1], getattr(self, 'stream', None)
        is_screen = stream is not None and stream in (sys.stdout, sys.stderr)
        if isinstance(error, BrokenPipeError) or (isinstance(error, OSError) and is_screen):
            raise  # logging calls this function in its handler of the exception.
        if isinstance(error, OSError) and error.errno in _WRITE_ERRORS:
            name = getattr(self, 'baseFilename', None) or error.filename
            raise OSError(error.errno, error.strerror, name) from error
        handle_error(self, record)

    logging.Handler.handleError = end_at_lost_output  # type: ignore
    try:
        yield
    finally:
        logging.Handler.handleError = handle_error  # type: ignore[method-assign]


@contextmanager
def _short_warnings() -> Iterator[None]:
    """A warning for the user is one line, without the place in the code."""
    format_warning = warnings.formatwarning

    def format_for_user(
        message: Warning | str, category: type[Warning], filename: str, lineno: int,
        line: str | None = None,
    ) -> str:  # fmt: skip
        if issubclass(category, UserWarning):
            return as_typed(f'warning: {message}\n')
        return format_warning(message, category, filename, lineno, line)

    warnings.formatwarning = format_for_user
    try:
        yield
    finally:
        warnings.formatwarning = format_warning


@contextmanager
def _interrupts_for_parents() -> Iterator[None]:
    """Ctrl-C reaches every process of a terminal, but the parent stops its workers.

    A new process, forked or spawned, inherits from its first moment that the signal is blocked. In
    the parent, Ctrl-C takes effect when the new process has all that it needs to start.
    """
    if not hasattr(signal, 'pthread_sigmask'):  # Windows
        yield
        return
    start = multiprocessing.process.BaseProcess.start

    def start_without_interrupts(process: multiprocessing.process.BaseProcess) -> None:
        if multiprocessing.get_start_method() != 'fork':
            # A spawned process needs it, and its start unblocks the signal.
            multiprocessing.resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            start(process)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    multiprocessing.process.BaseProcess.start = start_without_interrupts  # type: ignore
    try:
        yield
    finally:
        multiprocessing.process.BaseProcess.start = start  # type: ignore[method-assign]


def _refuse_arguments(parser: argparse.ArgumentParser, message: str) -> NoReturn:
    """Replace ``ArgumentParser.error``, which prints the whole usage before the message."""
    if is_first_report(USE_ERROR):
        message = f'error: {" ".join(message.split())}'
        # A setting after another option, such as --work-dir, belongs to none.
        is_setting = re.match(r'error: unrecognized arguments: [a-z_][\w.]*=', message)
        if is_setting and '--cfg-options' in parser._option_string_actions:
            message = join_sentences(message, 'Settings of the config follow --cfg-options')
        if re.match('error: (unrecognized|the following) arguments', message):
            message = join_sentences(message, *_misspelt_option(parser, message))
        _print(as_typed(join_sentences(message, '-h shows the usage')))
    raise SystemExit(USE_ERROR)


def _misspelt_option(parser: argparse.ArgumentParser, message: str) -> list[str]:
    """Sentences about the first unknown option that is like a known one, to follow a message."""
    known = parser._option_string_actions
    for word in takewhile(lambda word: word != '--', sys.argv[1:]):
        name = word.partition('=')[0]
        if not re.match('--?[A-Za-z]', name) or any(one.startswith(name) for one in known):
            continue
        if near := nearest_name(name, known, alike=0.75):
            return [near] if name in message else [f'{name} is unknown', near]
    return []


def prepare_process() -> None:
    """From now on, Ctrl-C ends this process in one line, also during imports.

    A wrong command line ends it in one line, too. Characters that the screen or a pipe cannot show,
    such as those of a file name in another encoding, are written as codes, as Python does on
    stderr. OpenCV and its FFmpeg do not print what they find in damaged images and videos. The
    process keeps the memory of large volumes (:func:`mmssc.kept_memory.keep_memory`).

    It changes the process: only scripts call it, and before their other imports.
    """
    argparse.ArgumentParser.error = _refuse_arguments  # type: ignore
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _stop_before_main
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == 'strict':
        sys.stdout.reconfigure(errors='backslashreplace')
    for name, silent in _SILENT_LIBRARIES.items():
        os.environ.setdefault(name, silent)
    keep_memory()


def _message_of(error: Exception) -> str:
    text = str(error)
    if text.startswith('Caught '):
        # The message of an error in a data loader worker is the worker's traceback.
        text = text.rpartition(f'{type(error).__qualname__}: ')[2]
    elif isinstance(error, OSError) and error.filename is not None:
        text = f'{error.filename}: {error.strerror}'
    return as_typed(' '.join(text.split()))
