"""Labels of lidar points, as SemanticKITTI stores them."""

from __future__ import annotations

from os import PathLike

import numpy as np

from mmssc.errors import DataError
from mmssc.file_kinds import HEAD_BYTES, describe_size
from mmssc.fileio import atomic_write

from .regular_files import read_bytes, read_ends

__all__ = ['read_point_labels', 'write_point_labels']

_OTHER_SCAN = 'Is it the label file of another scan?'


def read_point_labels(path: str | PathLike[str], count: int) -> np.ndarray:
    """Read ``labels/*.label``: a little-endian uint32 per point.

    Args:
        path: The file.
        count: Points of the scan.

    Returns:
        (count,) uint16 raw class ids: the lower half of each number. The upper half is the number
        of the object; it is left out.

    Raises:
        DataError: The file is missing or does not have exactly four bytes per point.
    """
    head, _, size = read_ends(path, HEAD_BYTES)
    if size != 4 * count:
        found, hint = describe_size(head, size)
        if size == 2 * count:
            hint = 'Two bytes per point: store the ids as uint32'
        expected = f'{4 * count} bytes (uint32 for each of {count} points)'
        raise DataError(path, 'size', expected, found, hint or _OTHER_SCAN)
    return (np.frombuffer(read_bytes(path), '<u4') & 0xFFFF).astype(np.uint16)


def write_point_labels(path: str | PathLike[str], labels: np.ndarray) -> None:
    """Write (N,) raw class ids 0..65535, with object number 0."""
    with atomic_write(path) as file:
        file.write(np.asarray(labels, np.uint16).astype('<u4').tobytes())
