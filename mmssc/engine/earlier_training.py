"""What an earlier training has left in a work folder: resumed, refused or replaced."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path

from mmengine.config import Config

from mmssc.engine.resuming import checkpoint_folder, find_resume_checkpoint
from mmssc.errors import DataError

__all__ = ['check_earlier_training', 'checkpoint_folder_of', 'newest_checkpoint']

# mmengine's names. A published checkpoint has a hash in its name and is not one of them.
_CHECKPOINT = re.compile(r'(best_.+_)?(epoch|iter)_\d+\.pth')
_NOTES = ('last_checkpoint', 'last_validation')


def checkpoint_folder_of(cfg: Config) -> Path:
    """The folder that a training with this config saves its checkpoints in."""
    return checkpoint_folder(cfg.work_dir, _out_dir(cfg))


def newest_checkpoint(cfg: Config) -> str | None:
    """The checkpoint that a training with this config would resume from; None: there is none."""
    return find_resume_checkpoint(cfg.work_dir, _out_dir(cfg))


def _out_dir(cfg: Config) -> str | None:
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    return hook.get('out_dir')


def check_earlier_training(cfg: Config, overwrite: bool) -> list[str]:
    """Refuse to train over the checkpoints of another training.

    Logs are no reason to refuse: each run has a log folder of its own.

    Args:
        cfg: The config after :func:`mmssc.engine.launch.choose_checkpoint`.
        overwrite: Allow to replace them.

    Returns:
        The files to remove when the new training starts. Without that, ``--resume`` could later
        take a checkpoint of the earlier training for one of the new.

    Raises:
        DataError: The work folder has checkpoints that are not those of the training to resume;
            or the training starts from one of those that it would replace.
    """
    folder = checkpoint_folder_of(cfg)
    for note in (Path(cfg.work_dir, name) for name in _NOTES):
        # mmengine would write through a link, and wait for a reader of a pipe.
        if note.is_symlink() or (note.exists() and not note.is_file()):
            hint = 'Remove it, or give another folder with --work-dir'
            raise DataError(note, None, 'a file of a training', 'something else', hint)
    # Path.resolve() fails at a loop of links.
    start = Path(os.path.realpath(cfg.load_from)) if cfg.get('load_from') else None
    checkpoints = sorted(path for path in folder.glob('*.pth') if _CHECKPOINT.fullmatch(path.name))
    if cfg.get('resume') and start and start.parent == Path(os.path.realpath(folder)):
        _warn_of_later(start, checkpoints)
        return []
    newest = newest_checkpoint(cfg)
    found = [Path(newest)] if newest else checkpoints
    if not found:
        return []
    expected = 'a work folder without checkpoints of another training'
    if not overwrite:
        hint = 'give another folder with --work-dir, or replace its checkpoints with --overwrite'
        hint = f'Continue that training with --resume, {hint}' if newest else hint.capitalize()
        raise DataError(folder, None, expected, found[0].name, hint)
    if start and start in [Path(os.path.realpath(path)) for path in checkpoints]:
        raise DataError(
            folder, None, expected, f'{start.name}, from which this training starts',
            'Give another folder with --work-dir',
        )  # fmt: skip
    notes = (Path(cfg.work_dir, name) for name in _NOTES)
    return [str(path) for path in [*checkpoints, *notes] if path.is_file()]


def _warn_of_later(start: Path, checkpoints: list[Path]) -> None:
    """Say that a training which goes back to a checkpoint replaces those that came after it."""
    kind, _, number = start.stem.partition('_')
    if not re.fullmatch(r'(epoch|iter)_\d+', start.stem):
        return
    same = [path for path in checkpoints if path.name.startswith(f'{kind}_')]
    later = [path.name for path in same if int(path.stem.rpartition('_')[2]) > int(number)]
    if later:
        warnings.warn(
            f'--resume: {", ".join(later)} in {start.parent} came after {start.name}: files of the '
            'same names are replaced. To keep them, give another folder with --work-dir',
            stacklevel=3,
        )
