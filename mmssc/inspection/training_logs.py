"""Curves of losses, learning rates and scores of a training, also of one that was resumed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from mmssc.errors import DataError
from mmssc.evaluation.score_table import figure_view
from mmssc.formats.scalar_logs import read_scalar_log

__all__ = ['Curve', 'TrainingLog', 'default_keys', 'smooth']

# Where a training step is, not what it gave.
_PLACES = ('step', 'iter', 'epoch')
_LOGS = ('*/vis_data/scalars.json', 'vis_data/scalars.json', 'scalars.json')
# The order of the groups is that of the panels.
_DEFAULT = re.compile(r'(?:.*[./])?(?:(loss)|(loss_.*)|(lr)|(SC_IoU|SSC_mIoU)(?:_.+)?)')
# mmengine's name of the checkpoint that save_best keeps, with its key.
_BEST = re.compile(r'best_(.+)_(?:epoch|iter)_\d+\.pth')


@dataclass(frozen=True)
class Curve:
    """Values of one key.

    Args:
        unit: What ``x`` counts: ``'iteration'`` or ``'epoch'``.
        x: Rising numbers.
        y: Values; not all of them need be finite.
    """

    unit: str
    x: list[float]
    y: list[float]

    @property
    def best(self) -> tuple[float, float] | None:
        """(x, y) of the largest finite value; None without one."""
        finite = [pair for pair in zip(self.x, self.y) if math.isfinite(pair[1])]
        return max(finite, key=lambda pair: pair[1], default=None)


class TrainingLog:
    """The log of one training.

    A work folder of a resumed training has several logs. Each later one replaces what the earlier
    ones say about its own steps and those after them, so that the result is one curve.

    Args:
        path: Work folder, or one ``scalars.json``.

    Raises:
        DataError: There is no log, or a log is damaged or has no values.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        path = Path(path)
        files = [path] if path.exists() else []
        if path.is_dir():
            files = next(filter(None, (sorted(path.glob(pattern)) for pattern in _LOGS)), [])
        if not files:
            found = 'none' if path.is_dir() else 'no such file or folder'
            raise DataError(path, None, 'a work folder with */vis_data/scalars.json', found)
        self._steps: list[dict[str, float]] = []
        self._scores: list[dict[str, float]] = []
        for file in files:
            self._add(read_scalar_log(file))
        self._by_epoch = any('epoch' in record for record in self._steps)
        names = (name for record in [*self._steps, *self._scores] for name in record)
        #: Names of the values, in the order of the log.
        self.keys = [name for name in dict.fromkeys(names) if name not in _PLACES]
        if not self.keys:
            raise DataError(path, None, 'a log of a training', 'one without values')
        #: Views (``'full'``, ``'nyu'``, ...) of the scores that ``save_best`` selects by; without a
        #: best checkpoint in the work folder, the first view of the metric. Empty without scores.
        self.views = _selecting_views(_work_folder(files[0]), self.keys)

    def _add(self, records: Sequence[dict[str, float]]) -> None:
        """Continue with the log of a later start."""
        # A validation has only a step: the epoch, or the iteration of a training without epochs.
        steps = [record for record in records if 'iter' in record]
        scores = [record for record in records if 'iter' not in record and 'step' in record]
        if steps:
            first = steps[0]
            self._steps = _before(self._steps, 'iter', first['iter'])
            self._scores = _before(self._scores, 'step', first.get('epoch', first['iter']))
        if scores:
            self._scores = _before(self._scores, 'step', scores[0]['step'])
        self._steps += steps
        self._scores += scores

    def curve(self, key: str) -> Curve | None:
        """The values of a key; None if the log does not have it."""
        for records, place in ((self._steps, 'iter'), (self._scores, 'step')):
            found = [record for record in records if key in record]
            if found:
                unit = 'epoch' if place == 'step' and self._by_epoch else 'iteration'
                return Curve(unit, [one[place] for one in found], [one[key] for one in found])
        return None


def _work_folder(file: Path) -> Path | None:
    """The work folder of ``WORK_DIR/START/vis_data/scalars.json``; None for other places."""
    file = file.absolute()
    return file.parents[2] if file.parent.name == 'vis_data' else None


def _selecting_views(folder: Path | None, keys: Sequence[str]) -> list[str]:
    """See :attr:`TrainingLog.views`."""
    views = {key.replace('/', '_'): view for key in keys if (view := figure_view(key))}
    matches = [] if folder is None else [_BEST.fullmatch(one.name) for one in folder.glob('best_*')]
    best = [views[match[1]] for match in matches if match and match[1] in views]
    return sorted(set(best)) or list(views.values())[:1]


def _before(records: Iterable[dict[str, float]], place: str, end: float) -> list[dict[str, float]]:
    return [record for record in records if record[place] < end]


def default_keys(logs: Iterable[TrainingLog]) -> list[str]:
    """The losses, learning rates, SC IoU and SSC mIoU that the logs have, in this order.

    Scores are those of the views of each log, see :class:`TrainingLog`.
    """
    names = dict.fromkeys(
        name for log in logs for name in log.keys if figure_view(name) in (None, *log.views)
    )
    matches = [match for match in map(_DEFAULT.fullmatch, names) if match]
    return [match[0] for match in sorted(matches, key=lambda match: match.lastindex or 0)]


def smooth(values: Sequence[float], weight: float) -> list[float]:
    """Running mean with exponentially falling weights, as TensorBoard shows it.

    Args:
        values: Values; those that are not finite stay as they are.
        weight: Of the past, 0 (no change) to below 1.
    """
    mean = total = 0.0
    result = []
    for value in values:
        if math.isfinite(value):
            mean = weight * mean + (1 - weight) * value
            total = weight * total + (1 - weight)
            value = mean / total
        result.append(value)
    return result
