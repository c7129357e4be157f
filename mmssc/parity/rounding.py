"""Tell rounding from faults: a figure that fails is run again with inputs that are hardly moved.

At a kink (a ReLU, a maximum, a proposal that just passes its threshold) the last bit of a number
decides which way a gradient takes. Processors and thread counts round differently, so a figure can
miss its tolerance there without a fault.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from . import reference_fill as fill
from .report import ComparedArrays, ParityReport, ParityRow

__all__ = ['compare']

_MOVE = 1e-7
_RUNS = 3
# A figure that is further off than so many tolerances is a fault, however much it moves.
_LIMIT = 10


def compare(report: ParityReport, check: Callable[[ParityReport], object]) -> None:
    """Compare figures, and accept those that fail but move as much as they are off.

    After a failure all figures are computed again with weights and inputs that are moved by one
    part in ten million, three times at most. A row is accepted if each of its entries outside the
    tolerance is off by at most ten tolerances, and moves in a run by as much as it is off. Its note
    has both figures.

    Args:
        report: Gets the rows.
        check: Adds the rows to a report; it is called again with other reports.
    """
    first = len(report.rows)
    check(report)
    names = [row.name for row in report.rows[first:]]
    doubtful = {
        number: _Doubt(row, row.arrays)
        for number, row in enumerate(report.rows)
        if number >= first and row.arrays is not None and _may_be_rounding(row.arrays)
    }
    if doubtful:
        print(f'{len(doubtful)} figures failed: running again, with inputs moved by {_MOVE:g}')
    for run in range(_RUNS):
        if not doubtful:
            return
        again = ParityReport()
        with fill.moved(_MOVE, run), contextlib.redirect_stdout(io.StringIO()):
            check(again)
        if [row.name for row in again.rows] != names:
            return
        for number, doubt in [*doubtful.items()]:
            doubt.add(again.rows[number - first])
            if doubt.is_rounding:
                report.replace(number, doubt.accepted_row())
                del doubtful[number]


def _may_be_rounding(arrays: ComparedArrays) -> bool:
    # Written so that a NaN is a fault.
    near = (arrays.error <= _LIMIT * arrays.allowed).all()
    return bool(near and (arrays.error > arrays.allowed).any())


class _Doubt:
    """A row that failed, and how far its figures move."""

    def __init__(self, row: ParityRow, arrays: ComparedArrays) -> None:
        self.row, self.found = row, arrays.found
        self.outside = arrays.error > arrays.allowed
        self.off = arrays.error[self.outside]
        self.moved = np.zeros_like(self.off)

    def add(self, row: ParityRow) -> None:
        """Take the figures of another run into account."""
        if row.arrays is not None and row.arrays.found.shape == self.found.shape:
            moved = np.abs(row.arrays.found - self.found)[self.outside]
            self.moved = np.fmax(self.moved, moved)

    @property
    def is_rounding(self) -> bool:
        return bool((self.moved >= self.off).all() and np.isfinite(self.moved).all())

    def accepted_row(self) -> ParityRow:
        off, moved = self.off.max(), self.moved.max()
        note = f'within rounding noise: off by {off:.3g}, moves by {moved:.3g}'
        return replace(self.row, ok=True, note=note)
