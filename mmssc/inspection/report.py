"""The result of a check, in full and as a summary."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmssc.datasets.frame_ranges import describe_frames
from mmssc.errors import DataError
from mmssc.shards import Shard

from .file_checks import DEPTH_KINDS, Problem, archive_of, check_file, without_file

__all__ = ['TreeReport', 'summarise_problems']

# Depth files of a folder that the quick check reads.
_DEPTH_SAMPLES = 3


@dataclass
class TreeReport:
    """The result of a check.

    Args:
        counts: Per sequence the number of files by kind; of a config by key of the sample.
        problems: All problems.
        notes: Remarks, e.g. files that could not be checked.
        checked: Checked files by folder and ending, see :func:`split_name`.
        shard: The share of the files that is checked; None: all. Each problem is in the report of
            exactly one shard.
    """

    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checked: defaultdict[tuple[str, str], set[str]] = field(
        default_factory=lambda: defaultdict(set)
    )
    shard: Shard | None = None

    def covers(self, path: str | Path) -> bool:
        """Whether a file belongs to the checked share."""
        return self.shard is None or self.shard.has_file(archive_of(path))

    def finish(self) -> TreeReport:
        """Sort the problems and drop those of other shards; return the report.

        What is no check of a single file runs in all shards: the path of a problem says which one
        reports it, and the first shard has the notes.
        """
        self.problems = sorted({one for one in self.problems if self.covers(one.path)})
        if self.shard is not None and self.shard.number > 1:
            self.notes.clear()
        return self

    def check(
        self,
        kind: str,
        path: str | Path,
        shape: Sequence[int] = (),
        thorough: bool = False,
        read: Callable[[], Any] | None = None,
    ) -> bool:
        """Check a required file, see :func:`check_file`; return whether it exists."""
        folder, _, ending = split_name(path)
        checked = self.checked[folder, ending]
        checked.add(str(path))
        # A wrong unit is in every file of a folder, and only the values show it.
        thorough = thorough or (kind in DEPTH_KINDS and len(checked) <= _DEPTH_SAMPLES)
        if not self.covers(path):
            return archive_of(path).is_file()
        problem = check_file(kind, path, shape, thorough, read)
        if problem is not None:
            self.problems.append(problem)
        return problem is None or problem.kind != 'missing'

    def add_error(self, error: DataError) -> None:
        """Add the error of a reader as a problem."""
        missing = error.found == 'none' and error.field == 'file'
        detail = error.hint or '' if missing else without_file(error)
        self.problems.append(Problem('missing' if missing else 'damaged', error.file, detail))


def split_name(path: str | Path) -> tuple[str, str, str]:
    """Folder, frame and ending of a file: ``('labels/00', '000005', '_1_1.npy')``.

    The frame is empty unless the name begins with digits, or with NYU and digits.
    """
    path = Path(path)
    _, frame, ending = re.split('^(?:NYU(?=[0-9]))?([0-9]*)', path.name, maxsplit=1)
    return str(path.parent), frame, ending


def summarise_problems(report: TreeReport) -> list[str]:
    """One line per folder, ending and kind of problem; a single problem is printed in full.

    A line shows the detail of its first file.
    """
    groups: dict[tuple[str, str, str], list[Problem]] = {}
    for problem in report.problems:
        folder, frame, ending = split_name(problem.path)
        key = (problem.kind, folder, ending) if frame else (problem.kind, problem.path, '')
        groups.setdefault(key, []).append(problem)
    lines: list[str] = []
    for (kind, folder, ending), problems in groups.items():
        if len(problems) == 1 or not ending:
            lines += map(str, problems)
            continue
        checked = len(report.checked[folder, ending])
        share = f'{len(problems)} of {checked}' if kind != 'extra' and checked else len(problems)
        frames = describe_frames(split_name(problem.path)[1] for problem in problems)
        details = dict.fromkeys(problem.detail for problem in problems)
        detail = next(iter(details))
        detail = f'  ({"e.g. " if len(details) > 1 else ""}{detail})' if detail else ''
        lines.append(f'{kind:8s} {Path(folder, "*" + ending)}: {share}: {frames}{detail}')
    return lines
