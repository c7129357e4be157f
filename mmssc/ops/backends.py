"""The switch for the compiled versions of all operations."""

from __future__ import annotations

import os

__all__ = ['PLAIN_OPS', 'plain_ops_only']

#: If this environment variable is 1, operations with ``backend='auto'`` run in plain PyTorch, also
#: where spconv or the compiled operations of mmcv are installed.
PLAIN_OPS = 'MMSSC_PLAIN_OPS'


def plain_ops_only() -> bool:
    """Whether :data:`PLAIN_OPS` is set."""
    return os.environ.get(PLAIN_OPS, '0') != '0'
