"""Find the checkpoint that a training resumes from, and check that it is whole."""

from __future__ import annotations

import re
from contextlib import suppress
from os import PathLike
from pathlib import Path

from mmssc.compat import read_checkpoint
from mmssc.errors import DataError, UnsafeCheckpointError
from mmssc.formats.regular_files import read_text

__all__ = ['checkpoint_folder', 'find_resume_checkpoint', 'require_whole_checkpoint']

# ``last_checkpoint`` holds one path.
_MAX_POINTER = 2**14


def checkpoint_folder(
    work_dir: str | PathLike[str], out_dir: str | PathLike[str] | None = None
) -> Path:
    """The folder that ``CheckpointHook(out_dir=out_dir)`` writes to."""
    if out_dir in (None, work_dir):
        return Path(work_dir)
    return Path(str(out_dir), Path(work_dir).name)


def find_resume_checkpoint(
    work_dir: str | PathLike[str], out_dir: str | PathLike[str] | None = None
) -> str | None:
    """The newest checkpoint of a run, or None if there is none yet.

    This is the file named in ``last_checkpoint`` if it exists (a killed run can leave
    ``last_checkpoint`` empty or damaged), otherwise the highest ``epoch_N.pth`` or ``iter_N.pth``.
    Only files in the folder of the run count: ``last_checkpoint`` of a copied folder names the
    original one.

    Args:
        work_dir: Work folder of the run.
        out_dir: Of the run's ``CheckpointHook``.
    """
    folder = checkpoint_folder(work_dir, out_dir)
    pointer = Path(work_dir, 'last_checkpoint')
    # It can be missing or damaged, or hold more than the name of a file can have.
    with suppress(DataError, OSError):
        named = Path(read_text(pointer, _MAX_POINTER).strip()).name
        if named and (folder / named).is_file():
            return str(folder / named)
    return next(iter(_newest_first(folder)), None)


def require_whole_checkpoint(checkpoint: str) -> None:
    """Read a checkpoint, and name another one of its folder if it is damaged. URLs are not read.

    Raises:
        DataError: The file is damaged, e.g. cut off by a full disk, or no regular file.
    """
    if '://' in checkpoint:
        return
    try:
        read_checkpoint(checkpoint)
    except UnsafeCheckpointError:
        raise
    except DataError as error:
        others = (path for path in _newest_first(Path(checkpoint).parent) if path != checkpoint)
        whole = next(filter(_is_whole, others), None)
        hint = (
            'No other checkpoint in its folder is whole; without --resume, the training starts '
            'from the beginning'
            if whole is None
            else f'This one is whole: --resume {whole}'
        )
        raise DataError(error.file, error.field, error.expected, error.found, hint) from error


def _newest_first(folder: Path) -> list[str]:
    numbered = [
        (int(match.group(1)), str(path))
        for path in folder.glob('*.pth')
        if (match := re.fullmatch(r'(?:epoch|iter)_(\d+)\.pth', path.name))
    ]
    return [path for _, path in sorted(numbered, reverse=True)]


def _is_whole(path: str) -> bool:
    try:
        read_checkpoint(path)
    except DataError:
        return False
    return True
