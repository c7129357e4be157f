"""Read images; a damaged file raises a :class:`DataError`."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from os import PathLike

import numpy as np
from PIL import Image

from mmssc.errors import DataError

from .regular_files import open_regular_file, read_bytes

__all__ = ['read_image_shape', 'read_png_uint16', 'read_png_uint8', 'read_rgb']

# Errors that Pillow raises for damaged images; they have no common base class.
_IMAGE_ERRORS = (
    OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error, zlib.error,
    OverflowError, MemoryError, Image.DecompressionBombError,
)  # fmt: skip


def _open_image(path: str | PathLike[str], modes: Sequence[str]) -> Image.Image:
    content = read_bytes(path)
    try:
        # Verify checksums first: otherwise a flipped bit silently gives wrong pixels.
        with Image.open(io.BytesIO(content)) as image:
            image.verify()
        image = Image.open(io.BytesIO(content))
        image.load()
    except _IMAGE_ERRORS as error:
        raise DataError(path, 'image', 'a complete image file', error) from error
    if image.mode not in modes:
        raise DataError(path, 'image mode', ' or '.join(modes), image.mode)
    return image


def read_image_shape(path: str | PathLike[str]) -> tuple[int, int]:
    """(height, width) of an image file, from its header.

    Raises:
        DataError: The file is missing, not a regular file, or not an image.
    """
    with open_regular_file(path, 'an image file') as file:
        try:
            with Image.open(file) as image:
                return image.height, image.width
        except _IMAGE_ERRORS as error:
            raise DataError(path, 'image', 'an image file', error) from error


def read_rgb(path: str | PathLike[str]) -> np.ndarray:
    """Read a colour image; the value of grey images is repeated.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        DataError: As :func:`read_bytes`, or the file is not a complete 8-bit image.
    """
    image = _open_image(path, ('RGB', 'RGBA', 'L', 'P'))
    return np.array(image.convert('RGB'))


def read_png_uint16(path: str | PathLike[str]) -> np.ndarray:
    """Read a one-channel 16-bit PNG.

    Returns:
        (H, W) uint16.

    Raises:
        DataError: As :func:`read_bytes`, or the file is not a complete 16-bit grey image.
    """
    return np.array(_open_image(path, ('I;16', 'I;16B', 'I'))).astype(np.uint16)


def read_png_uint8(path: str | PathLike[str]) -> np.ndarray:
    """Read a one-channel 8-bit image of ids, or the indices of an image with a palette.

    Returns:
        (H, W) uint8.

    Raises:
        DataError: As :func:`read_bytes`, or the file is not a complete 8-bit one-channel image.
    """
    return np.array(_open_image(path, ('L', 'P')))
