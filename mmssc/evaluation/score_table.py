"""Scores as a text table for a log."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from .functional import SSCCounts, SSCScores
from .protocols import FULL

__all__ = [
    'figure_view', 'format_table', 'is_in_table', 'name_all_class_figures', 'name_figures',
    'score_table',
]  # fmt: skip

_IN_TABLE_ONLY = re.compile(r'(.*/)?(SC_Precision|SC_Recall|combined_IoU|SSC_(?!mIoU).+_IoU)')
_FIGURE = re.compile(
    r'(?:.*/)?(?:SC_Precision|SC_Recall|SC_IoU|SSC_mIoU|SSC_.+_IoU|combined_IoU|Accuracy|'
    r'mIoU_with_[^_/]+)(?:_([^/]+))?'
)


def format_table(header: Sequence[str], rows: Sequence[Sequence[str] | None]) -> str:
    """Plain text table; the first column is left-aligned, a row ``None`` is a line."""
    cells = [header, *(row for row in rows if row is not None)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    rule = '-+-'.join('-' * width for width in widths)

    def line(row: Sequence[str]) -> str:
        return ' | '.join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        )

    body = [rule if row is None else line(row) for row in rows]
    return '\n'.join([line(header), rule, *body])


def score_table(
    scores: Mapping[str, SSCScores],
    counts: Mapping[str, SSCCounts],
    classes: Sequence[str],
    all_classes: bool = False,
) -> str:
    """One row per figure, one column per view (``full``, ``12.8m``, ...), in percent.

    ``all_classes`` adds the figures of :func:`name_all_class_figures`.

    The last column is the number of labelled voxels of a class in the first view. A class without
    voxels scores 0 and still counts in mIoU.
    """
    views = list(scores)
    voxels = counts[views[0]].confusion.sum(1).tolist()
    rows: list[Sequence[str] | None] = [
        [title, *(f'{getattr(scores[view], field):.2f}' for view in views), '']
        for title, field in (
            ('SC precision', 'precision'),
            ('SC recall', 'recall'),
            ('SC IoU', 'iou'),
            ('SSC mIoU', 'miou'),
        )
    ]
    if all_classes:
        further = {
            view: name_all_class_figures(scores[view], counts[view], classes) for view in views
        }
        for key in further[views[0]]:
            cells = [f'{further[view][key]:.2f}' for view in views]
            rows.append([key.replace('_', ' '), *cells, ''])
    rows.append(None)
    for index, name in enumerate(classes):
        figures = [f'{scores[view].class_iou[index]:.2f}' for view in views]
        title = f'{name} (not in mIoU)' if index == 0 else name
        rows.append([title, *figures, f'{voxels[index]:,}'])
    return format_table(['%', *views, 'voxels'], rows)


def is_in_table(name: str) -> bool:
    """Whether a figure of ``SSCMetric`` needs no other place than the table.

    Args:
        name: As in ``'ssc/SC_Recall_12.8m'``. The headline scores SC IoU and SSC mIoU give False,
            like the figures of other metrics.
    """
    return _IN_TABLE_ONLY.match(name) is not None


def figure_view(name: str) -> str | None:
    """The view of a figure of ``SSCMetric``, such as ``'full'``, ``'nyu'`` or ``'12.8m'``.

    Args:
        name: As in ``'ssc/SSC_mIoU_nyu'``. Names of other values give None.
    """
    match = _FIGURE.fullmatch(name)
    return match and (match[1] or FULL)


def name_figures(scores: SSCScores, classes: Sequence[str], suffix: str = '') -> dict[str, float]:
    """The figures of ``SSCMetric`` by name, without its prefix; percent, two decimals.

    Args:
        scores: Of a view.
        classes: K names.
        suffix: End of every name, for views other than ``full``.
    """
    # The order is that of SGN's official evaluation; parity cases compare it.
    figures = {
        'SC_Precision': scores.precision,
        'SC_Recall': scores.recall,
        'SC_IoU': scores.iou,
        'SSC_mIoU': scores.miou,
        **{f'SSC_{name}_IoU': value for name, value in zip(classes, scores.class_iou)},
    }
    rounded = {key: round(value, 2) for key, value in figures.items()}
    rounded['combined_IoU'] = round(rounded['SC_IoU'] + rounded['SSC_mIoU'], 2)
    return {f'{key}{suffix}': value for key, value in rounded.items()}


def name_all_class_figures(
    scores: SSCScores, counts: SSCCounts, classes: Sequence[str], suffix: str = ''
) -> dict[str, float]:
    """Figures that count the empty class like the others; percent, two decimals.

    Args:
        scores: Of a view.
        counts: Of the same view.
        classes: K names.
        suffix: End of every name, for views other than ``full``.

    Returns:
        ``mIoU_with_NAME``, the mean IoU over all classes, where NAME is the first class, and
        ``Accuracy``, the share of voxels with the right class.
    """
    matrix = counts.confusion.double()
    figures = {
        f'mIoU_with_{classes[0]}': sum(scores.class_iou) / len(classes),
        'Accuracy': 100 * float(matrix.trace() / matrix.sum().clamp_min(1)),
    }
    return {f'{key}{suffix}': round(value, 2) for key, value in figures.items()}
