"""Say what a file is that is not the one a reader expects, and what to do about it."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ['HEAD_BYTES', 'FileKind', 'describe_file', 'describe_size']

#: Bytes from the start of a file that :func:`describe_file` needs.
HEAD_BYTES = 512
_AGAIN = 'Download or copy it again'
_UNPACK = 'Unpack it, and give the file in it'


class FileKind(NamedTuple):
    """What a file is.

    Args:
        text: For the message.
        remedy: What to do; None if nothing special helps.
        image_format: Pillow's name of an image format; empty for other files.
    """

    text: str
    remedy: str | None = None
    image_format: str = ''


# Start of the file -> what it is.
_SIGNATURES = (
    (b'version https://git-lfs', FileKind(
        'a pointer of Git LFS, not the file itself',
        "Run 'git lfs pull' in its repository, or download the file itself")),
    (b'\x1f\x8b', FileKind('a packed file (gzip)', _UNPACK)),
    (b'BZh', FileKind('a packed file (bzip2)', _UNPACK)),
    (b'\xfd7zXZ', FileKind('a packed file (xz)', _UNPACK)),
    (b'\x28\xb5\x2f\xfd', FileKind('a packed file (zstd)', _UNPACK)),
    (b'7z\xbc\xaf', FileKind('a packed file (7z)', _UNPACK)),
    (b'Rar!', FileKind('a packed file (rar)', _UNPACK)),
    (b'PK\x03\x04', FileKind('a zip archive, such as .npz files and those of torch.save')),
    (b'\x80', FileKind('a pickle, such as old versions of torch.save wrote')),
    (b'\x93NUMPY', FileKind('an array of NumPy (.npy)')),
    (b'\x89HDF', FileKind('an HDF5 file, such as Keras writes')),
    (b'GGUF', FileKind('a GGUF file')),
    (b'\x89PNG\r\n\x1a\n', FileKind('a PNG image', image_format='PNG')),
    (b'\xff\xd8\xff', FileKind('a JPEG image, which changes values', image_format='JPEG')),
    (b'II*\x00', FileKind('a TIFF image', image_format='TIFF')),
    (b'MM\x00*', FileKind('a TIFF image', image_format='TIFF')),
    (b'BM', FileKind('a BMP image', image_format='BMP')),
    (b'P5', FileKind('a PGM image', image_format='PPM')),
    (b'P6', FileKind('a PPM image', image_format='PPM')),
    (b'GIF8', FileKind('a GIF image', image_format='GIF')),
    (b'RIFF', FileKind('a WebP image', image_format='WEBP')),
    (b'\x76\x2f\x31\x01', FileKind('an OpenEXR image', image_format='EXR')),
    (b'%!PS', FileKind('a PostScript file', image_format='EPS')),
    (b'%PDF', FileKind('a PDF document', image_format='PDF')),
)  # fmt: skip
_WEB_PAGE = re.compile(rb'<(!doctype html|html|head|\?xml)\b', re.IGNORECASE)


def describe_file(head: bytes) -> FileKind:
    """Describe a file by its first bytes.

    Args:
        head: The first :data:`HEAD_BYTES` bytes, or the whole file if it is shorter.
    """
    if not head:
        return FileKind('an empty file', _AGAIN)
    for start, kind in _SIGNATURES:
        if head.startswith(start):
            return kind
    text = head.lstrip(b'\xef\xbb\xbf \t\r\n')
    if text.startswith(b'<') and _WEB_PAGE.search(text):
        return FileKind(
            'a web page, not the file itself',
            'Open it in a browser: it says what is missing. Then download the file itself',
        )
    if head[257:262] == b'ustar':
        return FileKind('a packed file (tar)', _UNPACK)
    if len(head) > 8 and head[8:9] == b'{' and head[4:8] == bytes(4):
        remedy = "torch.save(safetensors.torch.load_file(FILE), 'weights.pth') converts it"
        return FileKind('a file of safetensors', remedy)
    if head.startswith(b'\x08') and re.search(rb'pytorch|onnx|tf2onnx', head, re.IGNORECASE):
        return FileKind('an ONNX model', 'Give the checkpoint that it was exported from')
    if not head.strip(b'\0'):
        return FileKind('a file of zeros', _AGAIN)
    if text.startswith((b'{', b'[')) and _is_text(head):
        return FileKind('a JSON file')
    if _is_text(head):
        return FileKind(f'a text file that starts with {head[:20].decode("utf-8", "ignore")!r}')
    return FileKind(f'a file that starts with {head[:8]!r}')


def describe_size(head: bytes, size: int) -> tuple[str, str | None]:
    """What to say of a binary file of a wrong size, and a remedy if it is a text in its place.

    Args:
        head: As for :func:`describe_file`.
        size: Of the whole file, bytes.
    """
    kind = describe_file(head)
    # Numbers can begin with the same bytes as other kinds of file.
    if kind.remedy and _is_text(head):
        return f'{size} bytes: {kind.text}', kind.remedy
    return f'{size} bytes', None


def _is_text(head: bytes) -> bool:
    # The head may end within a character.
    text = head.decode('utf-8', 'replace').rstrip('\ufffd')
    return all(one.isprintable() or one in '\r\n\t\ufeff' for one in text)
