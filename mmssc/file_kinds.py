"""Say what a file is that is not the one a reader expects, and what to do about it."""

from __future__ import annotations

import re

__all__ = ['HEAD_BYTES', 'describe_file']

#: Bytes from the start of a file that :func:`describe_file` needs.
HEAD_BYTES = 512
_AGAIN = 'Download or copy it again'
_UNPACK = 'Unpack it, and give the file in it'
# Start of the file -> what it is, and the remedy.
_SIGNATURES = (
    (b'version https://git-lfs', 'a pointer of Git LFS, not the file itself',
     "Run 'git lfs pull' in its repository, or download the file itself"),
    (b'\x1f\x8b', 'a packed file (gzip)', _UNPACK),
    (b'BZh', 'a packed file (bzip2)', _UNPACK),
    (b'\xfd7zXZ', 'a packed file (xz)', _UNPACK),
    (b'\x28\xb5\x2f\xfd', 'a packed file (zstd)', _UNPACK),
    (b'7z\xbc\xaf', 'a packed file (7z)', _UNPACK),
    (b'Rar!', 'a packed file (rar)', _UNPACK),
    (b'PK\x03\x04', 'a zip archive, such as torch.save writes', None),
    (b'\x80', 'a pickle, such as old versions of torch.save wrote', None),
    (b'\x93NUMPY', 'an array of NumPy (.npy)', None),
    (b'\x89HDF', 'an HDF5 file, such as Keras writes', None),
    (b'GGUF', 'a GGUF file', None),
    (b'\x89PNG', 'an image (PNG)', None),
    (b'\xff\xd8\xff', 'an image (JPEG)', None),
    (b'%PDF', 'a PDF document', None),
)  # fmt: skip
_WEB_PAGE = re.compile(rb'<(!doctype html|html|head|\?xml)\b', re.IGNORECASE)


def describe_file(head: bytes) -> tuple[str, str | None]:
    """Describe a file by its first bytes.

    Args:
        head: The first :data:`HEAD_BYTES` bytes, or the whole file if it is shorter.

    Returns:
        What it is, for the message, and what to do; None if nothing special helps.
    """
    if not head:
        return 'an empty file', _AGAIN
    for start, kind, remedy in _SIGNATURES:
        if head.startswith(start):
            return kind, remedy
    text = head.lstrip(b'\xef\xbb\xbf \t\r\n')
    if text.startswith(b'<') and _WEB_PAGE.search(text):
        return (
            'a web page, not the file itself',
            'Open it in a browser: it says what is missing. Then download the file itself',
        )
    if head[257:262] == b'ustar':
        return 'a packed file (tar)', _UNPACK
    if len(head) > 8 and head[8:9] == b'{' and head[4:8] == bytes(4):
        remedy = "torch.save(safetensors.torch.load_file(FILE), 'weights.pth') converts it"
        return 'a file of safetensors', remedy
    if head.startswith(b'\x08') and re.search(rb'pytorch|onnx|tf2onnx', head, re.IGNORECASE):
        return 'an ONNX model', 'Give the checkpoint that it was exported from'
    if not head.strip(b'\0'):
        return 'a file of zeros', _AGAIN
    if text.startswith((b'{', b'[')) and _is_text(head):
        return 'a JSON file', None
    if _is_text(head):
        return f'a text file that starts with {head[:20].decode("utf-8", "ignore")!r}', None
    return f'a file that starts with {head[:8]!r}', None


def _is_text(head: bytes) -> bool:
    # The head may end within a character.
    text = head.decode('utf-8', 'replace').rstrip('\ufffd')
    return all(one.isprintable() or one in '\r\n\t\ufeff' for one in text)
