"""Parity of the parts of VoxDet-LiDAR: unit cases."""

from __future__ import annotations

from mmssc.parity.report import ParityCase, ParityReport

__all__ = ['check_voxdet_units']


def check_voxdet_units(case: ParityCase, report: ParityReport) -> None:
    """Compare."""
