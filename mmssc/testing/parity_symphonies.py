"""Parity of Symphonies with the official implementation."""

from __future__ import annotations

from os import PathLike

from mmssc.errors import DataError

from .parity import ParityCase, ParityOptions, ParityReport
from .parity_frustum_units import check_frustum_units

__all__ = ['SymphoniesParity']


class SymphoniesParity:
    """Recipe of the Symphonies cases."""

    def check_units(self, case: ParityCase, report: ParityReport) -> None:
        """Compare single pieces with ``units_N.npz``."""
        check_frustum_units(case, report)
        report.note_unused(case)

    def check_case(
        self,
        manifest: str | PathLike[str],
        case: ParityCase,
        report: ParityReport,
        options: ParityOptions,
    ) -> None:
        """Compare the whole model with one case file.

        Raises:
            DataError: Always: the model is not part of the library yet.
        """
        raise DataError(case.path, 'method', 'unit cases (--units)', 'a case of the whole model')
