"""How every converter runs."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmssc.command_line import FINDINGS
from mmssc.errors import DataError
from mmssc.fileio import check_writable, lock_folder, share_folder
from mmssc.preparation.frame_jobs import FAILURES_SHOWN, StepReport
from mmssc.shards import Shard

__all__ = ['LISTS_LATER', 'check_shard', 'run_converter']

#: What a shard says instead of writing info lists.
LISTS_LATER = 'not written: run the same command without --shard when all shards have ended'
_ROOT_HINT = 'Give the folder of the raw data; make_synthetic.py beside this command makes scenes'


def _summarise(reports: Sequence[StepReport]) -> None:
    print(f'\n{"step":<14}{"made":>8}{"kept":>8}{"failed":>8}{"seconds":>10}')
    for report in reports:
        print(
            f'{report.step:<14}{report.made:>8}{report.kept:>8}{len(report.failures):>8}'
            f'{report.seconds:>10.1f}'
        )
    for report in reports:
        for note in (*report.notes, *report.describe_remarks()):
            print(f'{report.step}: {note}')
    for report in reports:
        more = len(report.failures) - FAILURES_SHOWN
        if more > 0:
            print(f'error: {report.step}: {more} more frames failed', file=sys.stderr)


def check_shard(arguments: argparse.Namespace, has_work: bool = True) -> None:
    """Check what goes together with ``--shard``.

    Args:
        arguments: With ``shard`` and ``overwrite``.
        has_work: Whether the command line asks for work on frames.

    Raises:
        DataError: Nothing of the work can be shared, or the shards would remove files of others.
    """
    if arguments.shard is None:
        return
    if not has_work:
        expected, hint = 'a step that works on frames', 'Leave --shard out'
        raise DataError('--shard', None, expected, 'info lists only', hint)
    if arguments.overwrite:
        hint = 'Leave --overwrite out, and remove the folders that are to be made again first'
        raise DataError('--overwrite', None, 'a run without --shard', arguments.shard, hint)


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def run_converter(
    work: Callable[[], list[StepReport]],
    root: Path,
    out: Path | None = None,
    folders: Sequence[Path] = (),
    hint: str | None = None,
    root_hint: str = _ROOT_HINT,
    shard: Shard | None = None,
) -> int:
    """Run a converter. SIGTERM stops it like Ctrl-C, with its worker processes.

    Args:
        work: Does the work and returns the reports, which are printed as a summary.
        root: Folder of the data.
        out: Folder for the results, if not ``root``. Only one converter at a time writes there,
            apart from shards.
        folders: More folders that results go to.
        hint: What to do if a folder cannot be written to.
        root_hint: What to do if ``root`` does not exist.
        shard: The share of this run; other shares may run at the same time.

    Returns:
        0, or :data:`~mmssc.command_line.FINDINGS` when frames failed.

    Raises:
        DataError: ``root`` is not a folder, a folder cannot be written to, or another converter
            writes to it.
        KeyboardInterrupt: The work was stopped; the message says how to continue.
    """
    if root.exists() and not root.is_dir():
        raise DataError(root, 'root', 'a folder', 'a file', 'Give the folder of the data')
    if not root.is_dir():
        raise DataError(root, 'root', 'a folder', 'none', root_hint)
    for folder in (*folders, out or root):
        check_writable(folder, hint)
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with (lock_folder if shard is None else share_folder)(out or root):
            reports = work()
    except KeyboardInterrupt:
        raise KeyboardInterrupt('Run the same command again to continue.') from None
    finally:
        signal.signal(signal.SIGTERM, before)
    _summarise(reports)
    return FINDINGS if any(report.failures for report in reports) else 0
