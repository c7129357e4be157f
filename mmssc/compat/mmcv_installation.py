"""Say at import which mmcv is missing, or that there are two."""

from __future__ import annotations

import sys
import warnings
from importlib import metadata
from importlib.util import find_spec

from ..errors import MissingDependencyError

__all__ = ['check_mmcv_installation']

_INSTALL = "pip install 'mmcv-lite>=2.1.0,<2.2.0'"
_REMOVE = 'pip uninstall -y mmcv mmcv-lite'


def _is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def check_mmcv_installation() -> None:
    """Check that mmcv-lite or mmcv is installed, and warn if both are. Imports neither.

    They are not a requirement of the package: pip would write mmcv-lite over a full mmcv.

    Raises:
        MissingDependencyError: Neither is installed, or what is left of them has no code.
    """
    if 'mmcv' in sys.modules:
        return
    spec = find_spec('mmcv')
    if spec is None:
        raise MissingDependencyError(f'mmssc needs mmcv-lite, or the full mmcv. Run: {_INSTALL}')
    if spec.origin is None:
        # Uninstalling one of two removes the files of both.
        raise MissingDependencyError(f'mmcv is damaged. Run: {_REMOVE}; {_INSTALL}')
    if _is_installed('mmcv') and _is_installed('mmcv-lite'):
        warnings.warn(
            'mmcv and mmcv-lite are both installed, and one has overwritten the other. Run: '
            f'{_REMOVE}; then {_INSTALL}, or the full mmcv: pip install mmcv==2.1.0',
            stacklevel=3,
        )
