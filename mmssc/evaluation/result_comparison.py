"""Compare the scores of several results."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

from mmssc.errors import DataError
from mmssc.formats.json_fields import read_json

from .functional import local_scores
from .prediction_analysis import PredictionAnalysis

__all__ = [
    'figure_table', 'frame_differences', 'is_figures_file', 'read_figures_file', 'result_names',
]  # fmt: skip


def result_names(paths: Sequence[Path], names: Sequence[str] | None = None) -> list[str]:
    """Short names of results: ``names``, else the names of the files, else their paths.

    Raises:
        DataError: Two results have the same name.
    """
    chosen = list(
        names or [path.stem if path.suffix == '.json' else path.absolute().name for path in paths]
    )
    if not names and len(set(chosen)) < len(chosen):
        chosen = [str(path) for path in paths]
    if len(set(chosen)) < len(chosen):
        option = '--names' if names else 'results'
        raise DataError(option, None, 'different results', ', '.join(chosen))
    return chosen


def is_figures_file(path: Path) -> bool:
    """Whether a file holds figures of ``tools/test.py --out``."""
    try:
        names = read_figures_file(path)
    except DataError:
        return False
    return any(name.endswith(('SC_IoU', 'SSC_mIoU')) for name in names)


def read_figures_file(path: str | PathLike[str]) -> dict[str, float]:
    """The figures that ``tools/test.py --out`` wrote, name -> value.

    Raises:
        DataError: The file is missing or damaged, or is not an object of numbers.
    """
    expected = 'a folder of predictions, or the JSON of tools/test.py --out'
    if not Path(path).exists():
        raise DataError(path, None, expected, 'nothing of this name')
    try:
        figures = read_json(path)
    except DataError as error:
        raise DataError(path, error.field, expected, error.found, error.hint) from error
    if not isinstance(figures, dict) or not figures:
        raise DataError(path, 'content', f'{expected} (an object of figures)', 'something else')
    for name, value in figures.items():
        # A whole number can be too large for a float.
        if type(value) not in (int, float) or abs(value) > sys.float_info.max:
            raise DataError(path, name, 'a finite number', repr(value)[:60])
    return {name: float(value) for name, value in figures.items()}


def figure_table(
    results: Mapping[str, Mapping[str, float]],
) -> tuple[list[str], list[list[str]]]:
    """Figures side by side.

    Args:
        results: Name of a result -> figures by name. A figure that a result lacks is ``-``.

    Returns:
        Header and rows; the last column is the difference of the last result from the first.
    """
    names = [*dict.fromkeys(name for figures in results.values() for name in figures)]
    columns = list(results.values())
    rows = []
    for name in names:
        values = [figures.get(name, math.nan) for figures in columns]
        change = values[-1] - values[0]
        texts = ['-' if math.isnan(value) else f'{value:.2f}' for value in values]
        rows.append([name, *texts, '-' if math.isnan(change) else f'{change:+.2f}'])
    return ['figure', *results, 'difference'], rows


def frame_differences(
    analyses: Mapping[str, PredictionAnalysis],
) -> list[tuple[str, list[float], float]]:
    """Compare the mIoU of each frame, see :func:`~mmssc.evaluation.functional.local_scores`.

    Args:
        analyses: Name of a result -> counts of the same frames.

    Returns:
        (frame, mIoU of each result, largest minus smallest mIoU), largest difference first; NaN
        where nothing is occupied.
    """
    frames = []
    for name in next(iter(analyses.values())).frames:
        values = [local_scores(analysis.frames[name])[1] for analysis in analyses.values()]
        frames.append((name, values, max(values) - min(values)))
    return sorted(frames, key=lambda frame: -math.inf if math.isnan(frame[2]) else -frame[2])
