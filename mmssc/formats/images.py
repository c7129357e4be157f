"""Read images; a wrong or damaged file raises a :class:`DataError`.

Each use has its list of file formats, so no other decoder runs on a stranger's file. The kind of
file and the size that its header declares are checked before any pixel is decoded.

| | colour | depth | ids |
| --- | --- | --- | --- |
| formats | PNG, JPEG, TIFF, BMP, PPM, WebP | PNG, TIFF, PGM | PNG, TIFF, BMP, PGM |
| pixels | 8 bits; grey is repeated | 16-bit grey, 0..65535 | 8-bit grey or palette indices |
| alpha | dropped, as mmcv does | refused | refused |
| orientation (EXIF) | turned, as mmcv does, with a warning | refused | refused |

CMYK, 16-bit colour and files with several pictures are refused.
"""

from __future__ import annotations

import io
import os
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageOps

from mmssc.errors import DataError
from mmssc.file_kinds import HEAD_BYTES, describe_file

from .file_warnings import warn_of_file
from .regular_files import open_regular_file, read_bytes

__all__ = [
    'COPY_AGAIN', 'IMAGE_SUFFIXES', 'check_upright', 'other_image_suffix', 'read_image_shape',
    'read_png_uint8', 'read_png_uint16', 'read_rgb',
]  # fmt: skip

#: Endings of image files, for messages about files beside a missing one.
IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.tif', '.tiff', '.bmp', '.pgm', '.ppm', '.webp')
_LOSSY = ('.jpg', '.jpeg', '.webp')
# Errors that Pillow raises for damaged images; they have no common base class.
_IMAGE_ERRORS = (
    OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, struct.error,
    zlib.error, OverflowError, MemoryError, Image.DecompressionBombError,
)  # fmt: skip
# The largest image; a small file can declare a much larger one to exhaust the memory.
_MAX_PIXELS = 64_000_000
_MOST_PIXELS = f'at most {_MAX_PIXELS // 10**6} million pixels'
# zlib does not compress better than this.
_MAX_COMPRESSION = 1100
#: What to do about a damaged file.
COPY_AGAIN = 'Copy, download or write the file again'
_ORIENTATION = 0x0112
_TURNS = {
    2: 'mirrored', 3: 'turned by 180 degrees', 4: 'mirrored top to bottom',
    5: 'mirrored and turned by 90 degrees', 6: 'turned by 90 degrees',
    7: 'mirrored and turned by 90 degrees', 8: 'turned by 90 degrees',
}  # fmt: skip
_MODES = {
    '1': 'a black-and-white image', 'L': 'an 8-bit grey image', 'LA': 'a grey image with alpha',
    'P': 'an image with a palette', 'PA': 'an image with a palette and alpha',
    'RGB': 'a colour image', 'RGBA': 'a colour image with alpha', 'CMYK': 'a CMYK (print) image',
    'I': 'an image of 32-bit whole numbers', 'F': 'an image of 32-bit floating-point numbers',
}  # fmt: skip


@dataclass(frozen=True)
class _Use:
    """What an image is for: its file formats, its kinds of pixels (Pillow's modes), and words."""

    formats: tuple[str, ...]
    modes: tuple[str, ...]
    expected: str
    hint: str
    turn: bool = False


_COLOUR = _Use(
    ('PNG', 'JPEG', 'TIFF', 'BMP', 'PPM', 'WEBP'),
    ('RGB', 'RGBA', 'L', 'LA', 'P', 'PA'),
    'an 8-bit colour or grey image (PNG, JPEG, TIFF, BMP, PPM, WebP)',
    'Convert it to an 8-bit RGB PNG',
    turn=True,
)
_DEPTH = _Use(
    ('PNG', 'TIFF', 'PPM'),
    ('I;16', 'I;16B', 'I;16L', 'I;16N', 'I'),
    'a 16-bit grey image (PNG, TIFF, PGM)',
    'Write depth as a 16-bit grey PNG in the unit that this command reads',
)
_IDS = _Use(
    ('PNG', 'TIFF', 'BMP', 'PPM'),
    ('L', 'P'),
    'an 8-bit grey image of ids, or one with a palette (PNG, TIFF, BMP, PGM)',
    'Write ids 0..255 as an 8-bit grey PNG',
)


def _name(mode: str, sixteen: bool) -> str:
    """A kind of pixels in the words of a user."""
    if sixteen:
        return 'a 16-bit colour image' if mode.startswith('RGB') else 'a 16-bit grey image'
    return _MODES.get(mode, f'an image of another kind ({mode})')


def _has_16_bits(image: Image.Image) -> bool:
    # Pillow silently keeps the high byte of 16-bit colour; its decoder knows about the 16 bits.
    return image.mode.startswith('I;16') or any(
        ';16' in str(tile[3]) for tile in getattr(image, 'tile', ())
    )


def _turn_of(image: Image.Image) -> int:
    """Orientation in the metadata, a key of :data:`_TURNS`, or 1."""
    turn = _stored_turn(image)
    return turn if turn in _TURNS else 1


def _stored_turn(image: Image.Image) -> Any:
    if image.format == 'TIFF':
        return image.tag_v2.get(_ORIENTATION, 1)  # type: ignore[attr-defined]
    # The method of PNG files would decode the pixels first.
    return Image.Image.getexif(image).get(_ORIENTATION, 1)


_OF_METADATA = re.compile(r'EXIF|metadata|\btag\b|truncated file read', re.I)
_OF_PROGRAMMERS = (DeprecationWarning, PendingDeprecationWarning, ResourceWarning)


@contextmanager
def _refusing(path: str | PathLike[str], content: IO[bytes], use: _Use) -> Iterator[None]:
    """Turn Pillow's errors and warnings into one that names the file and what is damaged."""
    try:
        with warnings.catch_warnings(record=True) as remarks:
            warnings.simplefilter('always')
            yield
    except DataError:  # it is a ValueError, too
        raise
    except Image.DecompressionBombError as error:
        raise DataError(path, 'image size', _MOST_PIXELS, 'more') from error
    except _IMAGE_ERRORS as error:
        content.seek(0)
        found = describe_file(content.read(HEAD_BYTES))
        if (
            isinstance(error, Image.UnidentifiedImageError)
            and found.image_format not in use.formats
        ):
            raise DataError(
                path, 'image', use.expected, found.text, found.remedy or use.hint
            ) from error
        kind = f'a damaged {found.image_format} image' if found.image_format else found.text
        raise DataError(path, 'image', 'a complete file', kind, COPY_AGAIN) from error
    # Pillow warns of what it skips. How it is programmed is not about the file.
    texts = [str(one.message) for one in remarks if not issubclass(one.category, _OF_PROGRAMMERS)]
    if any(_OF_METADATA.search(text) for text in texts):
        text = 'damaged metadata (EXIF): an orientation in it may be lost, and the image lie turned'
        warn_of_file(path, 'metadata', text, stacklevel=5)
    elif texts:
        text = f'Pillow, which reads the image, warns: {" ".join(texts[0].split())}'
        warn_of_file(path, 'content', text, stacklevel=5)


def _open(path: str | PathLike[str], content: IO[bytes], use: _Use) -> Image.Image:
    """Read and check the header; inside :func:`_refusing`."""
    image = Image.open(content, formats=use.formats)
    width, height = image.size
    if not 0 < width * height <= _MAX_PIXELS:
        raise DataError(path, 'image size', _MOST_PIXELS, f'{height} x {width}')
    size = content.seek(0, io.SEEK_END)
    if image.format == 'PNG' and width * height > 8 * _MAX_COMPRESSION * size:
        found = f'a file of {size} bytes'
        raise DataError(path, 'image', f'data for {height} x {width} pixels', found)
    return image


def _load(path: str | PathLike[str], use: _Use) -> Image.Image:
    """Read and check an image; a turn in its metadata is applied or refused."""
    with _naming_neighbour(path, use):
        content = io.BytesIO(read_bytes(path))
    with _refusing(path, content, use):
        with _open(path, content, use) as image:
            sixteen, turn = _has_16_bits(image), _turn_of(image)
            # A second picture would be dropped. Phones store previews in a JPEG (MPO).
            count = 1 if image.format == 'MPO' else getattr(image, 'n_frames', 1)
        if image.mode not in use.modes or (sixteen and use is not _DEPTH):
            raise DataError(path, 'image', use.expected, _name(image.mode, sixteen), use.hint)
        if count != 1:
            found = f'{count} pictures (an animation or pages)'
            raise DataError(path, 'image', 'one picture', found, use.hint)
        # Verify checksums: otherwise a flipped bit silently gives wrong pixels.
        content.seek(0)
        with Image.open(content, formats=use.formats) as image:
            image.verify()
        content.seek(0)
        image = Image.open(content, formats=use.formats)
        image.load()
        if turn == 1:
            return image
        image = ImageOps.exif_transpose(image)
    _report_turn(path, turn, use)
    return image


def _report_turn(path: str | PathLike[str], turn: int, use: _Use) -> None:
    if not use.turn:
        raise DataError(
            path, 'orientation', 'pixels as they lie', f'"{_TURNS[turn]}" in the metadata',
            'Turn the pixels and remove the orientation (mogrify -auto-orient FILE)',
        )  # fmt: skip
    text = (
        f'{_TURNS[turn]}, as the orientation (EXIF) in the file says; the calibration must be '
        'that of the turned image'
    )
    warn_of_file(path, 'turn', text, stacklevel=4)


@contextmanager
def _naming_neighbour(path: str | PathLike[str], use: _Use) -> Iterator[None]:
    """Name the image of another format that lies beside a missing one."""
    try:
        yield
    except DataError as error:
        stem, suffix = os.path.splitext(path)
        usable = [one for one in IMAGE_SUFFIXES if use is _COLOUR or one not in _LOSSY]
        others = [stem + one for one in usable if os.path.isfile(stem + one)]
        if os.path.exists(path) or not others:
            raise
        hint = f'{os.path.basename(others[0])} lies beside it: convert it to {suffix}'
        raise DataError(path, error.field, error.expected, error.found, hint) from None


def other_image_suffix(folder: Path, suffix: str) -> str | None:
    """Ending of the images of a folder that has none with ``suffix``; None: has some, or no image.

    Args:
        folder: May be missing.
        suffix: Such as ``'.png'``.
    """
    found = [path.suffix.lower() for path in folder.iterdir()] if folder.is_dir() else []
    others = [one for one in found if one in IMAGE_SUFFIXES and one != suffix]
    return others[0] if others and suffix not in found else None


def _header(path: str | PathLike[str]) -> tuple[tuple[int, int], int]:
    """(height, width) of the upright image, and its orientation."""
    with _naming_neighbour(path, _COLOUR), open_regular_file(path, 'an image file') as file, \
            _refusing(path, file, _COLOUR):  # fmt: skip
        image = _open(path, file, _COLOUR)
        turn = _turn_of(image)
        width, height = image.size
        # Pillow has turned the size of a TIFF already.
        swapped = turn >= 5 and image.format != 'TIFF'
        return ((width, height) if swapped else (height, width)), turn


def read_image_shape(path: str | PathLike[str]) -> tuple[int, int]:
    """(height, width) of an image as :func:`read_rgb` reads it, from its header.

    Raises:
        DataError: The file is missing, not a regular file, or not an image.
    """
    return _header(path)[0]


def check_upright(path: str | PathLike[str], why: str) -> None:
    """Refuse an image that :func:`read_rgb` would turn although other files stay as they lie.

    Args:
        path: The image.
        why: The files that would not turn with it, for the message.

    Raises:
        DataError: The file is not an image, or has an orientation in its metadata.
    """
    turn = _header(path)[1]
    if turn != 1:
        raise DataError(
            path, 'orientation', f'pixels as they lie: {why}',
            f'"{_TURNS[turn]}" in the metadata',
            'If the pixels lie as those of the other files, remove the orientation (exiftool '
            '-Orientation= FILE); if the others lie as the turned image, turn it '
            '(mogrify -auto-orient FILE)',
        )  # fmt: skip


def read_rgb(path: str | PathLike[str]) -> np.ndarray:
    """Read a colour image; the value of grey images is repeated.

    As mmcv does by default, an orientation in the metadata is applied (with a warning) and alpha is
    dropped.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        DataError: As :func:`read_bytes`, or the file is not one complete 8-bit image.
    """
    image = _load(path, _COLOUR)
    # A palette with transparency converts without a warning only by way of RGBA.
    if image.mode == 'P' and 'transparency' in image.info:
        image = image.convert('RGBA')
    return np.array(image.convert('RGB'))


def read_png_uint16(path: str | PathLike[str]) -> np.ndarray:
    """Read a one-channel 16-bit image of depth.

    Returns:
        (H, W) uint16.

    Raises:
        DataError: As :func:`read_bytes`, or the file is not a complete 16-bit grey image, has a
            value above 65535, or the two bytes of each value are swapped.
    """
    stored = np.array(_load(path, _DEPTH))
    if stored.min() < 0 or stored.max() > 65535:
        found = f'{stored.min()}..{stored.max()}'
        hint = 'Divide the values, e.g. to whole millimetres, and write a 16-bit PNG'
        raise DataError(path, 'values', '0..65535', found, hint)
    stored = stored.astype(np.uint16)
    if _is_swapped(stored):
        hint = 'Write it again from array.byteswap()'
        raise DataError(path, 'values', 'a smooth surface', 'swapped bytes', hint)
    return stored


def _is_swapped(stored: np.ndarray) -> bool:
    """Whether neighbours agree much better after the two bytes of each value are exchanged."""
    rows = stored[:: max(1, len(stored) // 64)]
    left, right = rows[:, :-1], rows[:, 1:]
    known = (left > 0) & (right > 0)
    left, right = left[known], right[known]
    if len(np.unique(left & 255)) < 3 or len(np.unique(left >> 8)) < 32:
        return False  # a coarse or empty map shows nothing
    steps = [
        float(np.abs(a.astype(np.int32) - b).mean())
        for a, b in ((left, right), (left.byteswap(), right.byteswap()))
    ]
    return steps[0] > 1000 and steps[1] < 0.1 * steps[0]


def read_png_uint8(path: str | PathLike[str]) -> np.ndarray:
    """Read a one-channel 8-bit image of ids, or the indices of an image with a palette.

    Returns:
        (H, W) uint8.

    Raises:
        DataError: As :func:`read_bytes`, or the file is not a complete 8-bit one-channel image of a
            format that keeps every value (JPEG does not).
    """
    return np.array(_load(path, _IDS))
