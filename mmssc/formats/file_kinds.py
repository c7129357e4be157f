"""Name the kind of a file by its first bytes, for messages."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ['FileKind', 'kind_of_file']


class FileKind(NamedTuple):
    """A kind of file: Pillow's name of an image format (empty: not an image), and words."""

    format: str
    text: str


_KINDS = (
    (b'\x89PNG\r\n\x1a\n', FileKind('PNG', 'a PNG image')),
    (b'\xff\xd8\xff', FileKind('JPEG', 'a JPEG image, which changes values')),
    (b'II*\x00', FileKind('TIFF', 'a TIFF image')),
    (b'MM\x00*', FileKind('TIFF', 'a TIFF image')),
    (b'BM', FileKind('BMP', 'a BMP image')),
    (b'P5', FileKind('PPM', 'a PGM image')),
    (b'P6', FileKind('PPM', 'a PPM image')),
    (b'GIF8', FileKind('GIF', 'a GIF image')),
    (b'RIFF', FileKind('WEBP', 'a WebP image')),
    (b'\x76\x2f\x31\x01', FileKind('EXR', 'an OpenEXR image')),
    (b'%!PS', FileKind('EPS', 'a PostScript file')),
    (b'%PDF', FileKind('PDF', 'a PDF file')),
    (b'\x93NUMPY', FileKind('', 'a NumPy array (.npy)')),
    (b'PK\x03\x04', FileKind('', 'a zip archive (.zip, .npz)')),
    (b'\x1f\x8b', FileKind('', 'a gzip file')),
    (b'version https://git-lfs', FileKind('', 'a Git LFS pointer: run git lfs pull')),
    (b'<', FileKind('', 'a web page or other text')),
)


def kind_of_file(start: bytes) -> FileKind:
    """The kind of a file.

    Args:
        start: Its first bytes, about 30.
    """
    for magic, kind in _KINDS:
        if start.startswith(magic):
            return kind
    return FileKind('', 'another kind of file')
