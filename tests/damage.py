"""Damaged files, as property tests meet them."""

import io
import re
import zipfile

from hypothesis import strategies as st

# What stands where a number of a binary or text file should be.
EXTREMES = [
    bytes(8), b'\xff' * 8, b'\xff\xff\xff\x7f', b'\x00\x00\xc0\x7f', b'\x00\x00\x80\x7f', b'0',
    b'-1', b'1e400', b'-1e308', b'1e-320', b'2.9', b'NaN', b'Infinity', b'9' * 400, b'9' * 5000,
    '١'.encode(), b'true', b'null', b'[]', b'{}', b'""', b'"' + b'x' * 3000 + b'"', b'[' * 300,
    b'\r', b'\x00', b'\xff\xfe',
]  # fmt: skip
_NUMBER = re.compile(rb'[-+]?[0-9][0-9.eE+-]{0,30}')


@st.composite
def damaged(draw, valid: bytes) -> bytes:
    """Bytes that were a valid file once.

    Cut, flipped, spliced, overwritten, replaced, swapped or repeated, or with extreme numbers.
    """
    content = bytearray(valid)
    kinds = ['cut', 'flip', 'splice', 'overwrite', 'garbage', 'swap', 'repeat', 'number']
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(kinds))
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        junk = draw(st.binary(min_size=0, max_size=12) | st.sampled_from(EXTREMES))
        if kind == 'cut':
            content = content[:at]
        elif kind == 'flip' and content:
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == 'splice':
            content = content[:at] + junk + content[at:]
        elif kind == 'overwrite':
            content[at : at + len(junk)] = junk
        elif kind == 'garbage':
            content = bytearray(draw(st.binary(max_size=200)))
        elif kind == 'swap':
            content = content[at:] + content[:at]
        elif kind == 'repeat':
            content = content[:at] + content[max(at - 40, 0) :]
        elif numbers := list(_NUMBER.finditer(content)):
            place = draw(st.sampled_from(numbers))
            content[place.start() : place.end()] = draw(st.sampled_from(EXTREMES))
    return bytes(content)


@st.composite
def damaged_member(draw, valid: bytes) -> bytes:
    """A zip archive with one damaged member and right checksums."""
    with zipfile.ZipFile(io.BytesIO(valid)) as archive:
        members = {one: archive.read(one) for one in archive.infolist()}
    chosen = draw(st.sampled_from([one.filename for one in members]))
    content = io.BytesIO()
    with zipfile.ZipFile(content, 'w') as archive:
        for one, member in members.items():
            new = draw(damaged(member)) if one.filename == chosen else member
            archive.writestr(one.filename, new, one.compress_type)
    return content.getvalue()


# Words that a text format may meet where a number should be.
words = st.sampled_from(
    ['', 'nan', 'inf', '-inf', '1e999', '1e308', '-1e308', '1e-320', '0', '-1', '2', '0.5', 'x']
    + ['1,5', '0x10', '1_0', '٣', '12345678901234567890', '1e5']
)
