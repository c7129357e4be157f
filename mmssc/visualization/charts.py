"""Charts of scores and logs as picture files, drawn with matplotlib and without a display."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mmssc.errors import DataError
from mmssc.fileio import atomic_write
from mmssc.option_choices import CHART_SUFFIXES

__all__ = [
    'CHART_SUFFIXES', 'check_chart_suffix', 'draw_confusion', 'draw_curves', 'draw_steps',
    'save_chart',
]  # fmt: skip

_DPI = 110
_COLUMNS = 3
# More classes than this: the cells are too small for numbers.
_MAX_NUMBERED = 40
_FAINT = 0.25
_LARGEST = 1e100

#: Name of a line -> its x and y.
Lines = Mapping[str, tuple[Sequence[float], Sequence[float]]]


def check_chart_suffix(path: str | PathLike[str], option: str) -> None:
    """Refuse a file that is no picture.

    Raises:
        DataError: The suffix is none of :data:`CHART_SUFFIXES`.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in CHART_SUFFIXES:
        kinds = f'a file name that ends in {", ".join(CHART_SUFFIXES)}'
        raise DataError(option, None, kinds, str(path))


def _plain(text: str) -> str:
    """Text that matplotlib shows as it is: no formulas, no hidden entries of a legend."""
    return f'{" " if text.startswith("_") else ""}{text}'.replace('$', r'\$')


def save_chart(path: str | PathLike[str], figure: Figure) -> None:
    """Write a figure, atomically; the suffix of the file is the format."""
    with atomic_write(path) as file:
        kind = Path(path).suffix.lower().lstrip('.')
        figure.savefig(file, format=kind, dpi=_DPI, bbox_inches='tight')


def draw_confusion(confusion: np.ndarray, classes: Sequence[str]) -> Figure:
    """Draw a confusion matrix; a row adds up to 100 %.

    Args:
        confusion: (K, K) counts, rows are the labels, columns the predictions.
        classes: K names.
    """
    total = confusion.sum(1, keepdims=True)
    share = 100 * confusion / np.maximum(total, 1)
    side = 3 + 0.42 * len(classes)
    figure = Figure(figsize=(side, side))
    axes = figure.add_subplot()
    # The root shows rare confusions, too.
    axes.imshow(np.sqrt(share), cmap='Blues', vmin=0, vmax=10)
    names = [_plain(name) for name in classes]
    axes.set_xticks(range(len(classes)), names, rotation=90)
    names = [name if count else f'{name} (no label)' for name, count in zip(names, total[:, 0])]
    axes.set_yticks(range(len(classes)), names)
    axes.set_xlabel('prediction')
    axes.set_ylabel('label')
    axes.set_title('Where the voxels of each label go, in percent')
    if len(classes) <= _MAX_NUMBERED:
        for row, column in np.argwhere(share >= 0.5):
            color = 'white' if share[row, column] > 45 else 'black'
            text = f'{share[row, column]:.0f}'
            axes.text(column, row, text, ha='center', va='center', color=color, fontsize=8)
    return figure


def draw_steps(
    edges: Sequence[float],
    scores: Mapping[str, Sequence[float]],
    voxels: Sequence[int],
    label: str,
) -> Figure:
    """Draw scores over steps of distance or height, and the number of labelled voxels below.

    Args:
        edges: N + 1 rising numbers, the ends of the steps.
        scores: Name -> N percent; NaN is a gap.
        voxels: N counts.
        label: What the edges are.
    """
    figure = Figure(figsize=(8, 5.4))
    upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    for name, values in scores.items():
        upper.stairs(values, edges, label=name, linewidth=2, baseline=None)
    upper.set_ylim(-2, 102)
    upper.set_ylabel('percent')
    upper.legend(loc='lower left', bbox_to_anchor=(0, 1), ncols=len(scores), frameon=False)
    upper.grid(alpha=_FAINT)
    lower.stairs(voxels, edges, fill=True, color='0.6')
    lower.set_ylabel('labelled voxels')
    lower.set_xlabel(label)
    lower.grid(alpha=_FAINT)
    return figure


def draw_curves(panels: Mapping[str, tuple[str, Lines, Lines]]) -> Figure:
    """Draw panels with one line per run.

    Args:
        panels: Title -> label of x, lines, and the same lines before smoothing (may be empty).
    """
    rows = -(-len(panels) // _COLUMNS)
    columns = min(_COLUMNS, len(panels))
    names = [*dict.fromkeys(name for _, lines, _ in panels.values() for name in lines)]
    figure = Figure(figsize=(1 + 4.4 * columns, 0.9 + 3.1 * rows), layout='constrained')
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, (title, (label, lines, raw)) in zip(grid.flat, panels.items()):
        _draw_panel(axes, names, lines, raw)
        axes.set_title(_plain(title), fontsize=10)
        axes.set_xlabel(label)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    handles = [
        grid.flat[0].plot([], [], label=_plain(name), **_style(n))[0]
        for n, name in enumerate(names)
    ]
    figure.legend(handles=handles, loc='outside upper left', ncols=max(1, min(len(names), 4)))
    return figure


def _style(number: int) -> dict[str, Any]:
    return dict(color=f'C{number % 10}', linestyle=('-', '--', ':', '-.')[number // 10 % 4])


def _drawable(values: Sequence[float]) -> np.ndarray:
    """Without what matplotlib cannot place on an axis."""
    array = np.asarray(values, dtype=np.float64)
    return np.where(np.abs(array) < _LARGEST, array, np.nan)


def _draw_panel(axes: Axes, names: Sequence[str], lines: Lines, raw: Lines) -> None:
    for name, (x, y) in lines.items():
        style = _style(names.index(name))
        if name in raw:
            axes.plot(*map(_drawable, raw[name]), **style, alpha=_FAINT)
        # A line of one point is not visible.
        marker = '.' if sum(map(math.isfinite, y)) <= 30 else ''
        axes.plot(_drawable(x), _drawable(y), **style, marker=marker)
    axes.grid(alpha=_FAINT)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
