"""Damaged files, as property tests meet them."""

from hypothesis import strategies as st


@st.composite
def damaged(draw, valid: bytes) -> bytes:
    """Bytes that were a valid file once: cut, flipped, spliced, overwritten or replaced."""
    content = bytearray(valid)
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(['cut', 'flip', 'splice', 'overwrite', 'garbage']))
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        junk = draw(st.binary(min_size=0, max_size=12))
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
    return bytes(content)


# Words that a text format may meet where a number should be.
words = st.sampled_from(
    ['', 'nan', 'inf', '-inf', '1e999', '1e308', '-1e308', '1e-320', '0', '-1', '2', '0.5', 'x']
    + ['1,5', '0x10', '1_0', '٣', '12345678901234567890', '1e5']
)
