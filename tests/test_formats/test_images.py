"""Images of other kinds than expected: turned, lossy, huge, animated, 16-bit, or no image."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path

import cv2
import mmcv
import numpy as np
import pytest
from PIL import BmpImagePlugin, Image

from mmssc.errors import DataError
from mmssc.formats.images import (
    check_upright,
    read_image_shape,
    read_png_uint8,
    read_png_uint16,
    read_rgb,
)

READERS = dict(colour=read_rgb, depth=read_png_uint16, ids=read_png_uint8)


def picture() -> np.ndarray:
    rows, columns = np.mgrid[:16, :24].astype(np.uint8)
    return np.stack([rows * 10, columns * 8, rows + columns], -1)


def save(path: Path, array: np.ndarray, format: str, **options) -> Path:
    Image.fromarray(array).save(path, format, **options)
    return path


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


# --- orientation ----------------------------------------------------------------------------


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'TIFF'])
@pytest.mark.parametrize('orientation', [2, 3, 4, 5, 6, 7, 8])
def test_a_colour_image_turns_as_mmcv_turns_it(tmp_path, kind, orientation):
    # A JPEG, in spite of the name.
    options = dict(exif=turned(orientation))
    if kind == 'TIFF':
        options = dict(tiffinfo={0x0112: orientation})
    path = save(tmp_path / 'a.png', picture(), kind, **options)
    expected = mmcv.imread(str(path), channel_order='rgb')
    with pytest.warns(UserWarning, match=r'a.png: (turned|mirrored).*calibration'):
        image = read_rgb(path)
    np.testing.assert_array_equal(image, expected)
    assert read_image_shape(path) == expected.shape[:2]
    with pytest.raises(DataError, match='a.png: orientation: .*the depth has none'):
        check_upright(path, 'the depth has none')


@pytest.mark.parametrize('orientation', [None, 0, 1, 9])
def test_an_upright_image_stays(tmp_path, orientation):
    options = {} if orientation is None else dict(exif=turned(orientation))
    path = save(tmp_path / 'a.png', picture(), 'PNG', **options)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        np.testing.assert_array_equal(read_rgb(path), picture())
    check_upright(path, '')


@pytest.mark.parametrize('use', ['depth', 'ids'])
@pytest.mark.parametrize('kind', ['PNG', 'TIFF'])
def test_turned_depth_and_ids_are_refused(tmp_path, use, kind):
    array = np.ones((4, 6), np.uint16 if use == 'depth' else np.uint8)
    options = dict(exif=turned(3)) if kind == 'PNG' else dict(tiffinfo={0x0112: 3})
    path = save(tmp_path / 'a.png', array, kind, **options)
    with pytest.raises(DataError, match='a.png: orientation: .*found "turned by 180 degrees"'):
        READERS[use](path)


# --- what a file is -------------------------------------------------------------------------


@pytest.mark.parametrize('use', READERS)
@pytest.mark.parametrize(
    ('content', 'found'),
    [
        (b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n', 'a PostScript file'),
        (b'GIF89a\x01\x00\x01\x00\x00\x00\x00', 'a GIF image'),
        (b'\x93NUMPY\x01\x00', 'an array of NumPy'),
        (b'version https://git-lfs.github.com/spec/v1\n', 'a pointer of Git LFS'),
        (b'nothing known', "a text file that starts with 'nothing known'"),
    ],
)
def test_another_kind_of_file_is_named(tmp_path, use, content, found):
    (tmp_path / 'a.png').write_bytes(content)
    with pytest.raises(DataError, match=f'a.png: image: .*found {found}') as caught:
        READERS[use](tmp_path / 'a.png')
    assert '<' not in str(caught.value) and 'Ghostscript' not in str(caught.value)


@pytest.mark.parametrize('use', ['depth', 'ids'])
def test_jpeg_is_no_depth_and_no_ids(tmp_path, use):
    path = save(tmp_path / 'a.png', picture()[..., 0].copy(), 'JPEG')
    with pytest.raises(DataError, match='found a JPEG image, which changes values'):
        READERS[use](path)


KINDS_OF_PIXELS = [
    ('depth', np.ones((4, 6), np.uint8), 'an 8-bit grey image'),
    ('depth', picture(), 'a colour image'),
    ('depth', np.ones((4, 6), np.float32), 'an image of 32-bit floating-point numbers'),
    ('ids', np.ones((4, 6), np.uint16), 'a 16-bit grey image'),
    ('ids', picture(), 'a colour image'),
    ('ids', np.ones((4, 6), np.int32), 'an image of 32-bit whole numbers'),
    ('colour', np.ones((4, 6), np.uint16), 'a 16-bit grey image'),
    ('colour', np.ones((4, 6), np.float32), 'an image of 32-bit floating-point numbers'),
]  # fmt: skip


@pytest.mark.parametrize(('use', 'array', 'found'), KINDS_OF_PIXELS)
def test_another_kind_of_pixels_is_named(tmp_path, use, array, found):
    path = save(tmp_path / 'a.png', array, 'TIFF')
    with pytest.raises(DataError, match=f'a.png: image: .*found {found}. ') as caught:
        READERS[use](path)
    assert 'I;16' not in str(caught.value)


@pytest.mark.parametrize('suffix', ['.png', '.tiff'])
def test_16_bit_colour_is_refused(tmp_path, suffix):
    cv2.imwrite(str(tmp_path / f'a{suffix}'), np.full((4, 6, 3), 4095, np.uint16))
    for reader in READERS.values():
        with pytest.raises(DataError, match='found a 16-bit colour image'):
            reader(tmp_path / f'a{suffix}')


def test_cmyk_is_refused(tmp_path):
    Image.new('CMYK', (6, 4)).save(tmp_path / 'a.jpg')
    with pytest.raises(DataError, match=r'found a CMYK \(print\) image. Convert it'):
        read_rgb(tmp_path / 'a.jpg')


@pytest.mark.parametrize('mode', ['RGBA', 'LA', 'P'])
def test_alpha_is_dropped_as_mmcv_does(tmp_path, mode):
    image = Image.fromarray(np.dstack([picture(), picture()[..., :1]])).convert(mode)
    options = dict(transparency=b'\0\1\2') if mode == 'P' else {}
    image.save(tmp_path / 'a.png', **options)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        read = read_rgb(tmp_path / 'a.png')
    np.testing.assert_array_equal(read, mmcv.imread(str(tmp_path / 'a.png'), channel_order='rgb'))


@pytest.mark.parametrize('kind', ['PNG', 'TIFF', 'WEBP'])
def test_several_pictures_are_refused(tmp_path, kind):
    frames = [Image.fromarray(picture()), Image.fromarray(255 - picture())]
    frames[0].save(tmp_path / 'a.png', kind, save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match='expected one picture, found 2 pictures'):
        read_rgb(tmp_path / 'a.png')


def test_the_preview_of_a_phone_does_not_matter(tmp_path):
    frames = [Image.fromarray(picture()), Image.fromarray(255 - picture()).resize((6, 4))]
    frames[0].save(tmp_path / 'a.jpg', 'MPO', save_all=True, append_images=frames[1:])
    assert read_rgb(tmp_path / 'a.jpg').shape == picture().shape


# --- size -----------------------------------------------------------------------------------


def declared_png(width: int, height: int, data: bytes = b'') -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        crc = struct.pack('>I', zlib.crc32(name + content))
        return struct.pack('>I', len(content)) + name + content + crc

    header = chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))
    return b'\x89PNG\r\n\x1a\n' + header + chunk(b'IDAT', data) + chunk(b'IEND', b'')


@pytest.mark.parametrize('reader', [read_rgb, read_image_shape])
@pytest.mark.parametrize('size', [(9000, 9000), (12000, 12000), (60000, 60000), (8000, 8000)])
def test_a_size_that_the_data_cannot_have(tmp_path, reader, size):
    (tmp_path / 'a.png').write_bytes(declared_png(*size, zlib.compress(b'')))
    with pytest.raises(DataError, match='a.png: image'):
        reader(tmp_path / 'a.png')


def test_a_png_without_data_is_refused(tmp_path):
    (tmp_path / 'a.png').write_bytes(declared_png(30, 20))
    with pytest.raises(DataError, match='a complete file, found a damaged PNG image. Copy'):
        read_rgb(tmp_path / 'a.png')


# --- values ---------------------------------------------------------------------------------


@pytest.mark.parametrize('values', [(0, 65536), (-1, 5)])
def test_whole_numbers_beyond_16_bits_are_refused(tmp_path, values):
    path = save(tmp_path / 'a.tiff', np.resize(np.int32(values), (4, 6)), 'TIFF')
    with pytest.raises(DataError, match=r'a.tiff: values: expected 0\.\.65535, found'):
        read_png_uint16(path)
    assert read_png_uint16(save(path, np.full((4, 6), 65535, np.int32), 'TIFF')).max() == 65535


def slope(scale: int = 1) -> np.ndarray:
    """A floor in millimetres."""
    rows, columns = np.mgrid[:60, :80]
    return ((1500 + rows * 37 + columns * 3) * scale).astype(np.uint16)


@pytest.mark.parametrize('kind', ['PNG', 'TIFF', 'PPM'])
def test_swapped_bytes_are_refused(tmp_path, kind):
    path = save(tmp_path / 'a.png', slope(), kind)
    np.testing.assert_array_equal(read_png_uint16(path), slope())
    save(path, slope().byteswap(), kind)
    with pytest.raises(DataError, match='a.png: values: .*found swapped bytes'):
        read_png_uint16(path)


def test_coarse_depth_is_not_taken_for_swapped_bytes(tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 65536, (60, 80), dtype=np.uint16)
    for array in (noise, slope() // 256 * 256, noise & 0xFF00, slope() * 0, slope() // 1000 * 1000):
        np.testing.assert_array_equal(
            read_png_uint16(save(tmp_path / 'a.png', array.astype(np.uint16), 'PNG')), array
        )


# --- another ending -------------------------------------------------------------------------


@pytest.mark.parametrize('reader', [read_rgb, read_image_shape])
def test_an_image_of_another_ending_is_named(tmp_path, reader):
    save(tmp_path / '000000.jpg', picture(), 'JPEG')
    with pytest.raises(DataError, match=r'000000.png.*000000.jpg lies beside it: convert it to '):
        reader(tmp_path / '000000.png')
    with pytest.raises(DataError, match='existing file, found none$'):
        read_png_uint16(tmp_path / '000000.png')


# --- damaged metadata, and links ------------------------------------------------------------


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP'])
def test_damaged_metadata_is_one_warning_that_names_the_file(tmp_path, kind, recwarn):
    path = save(tmp_path / 'a.png', picture(), kind, exif=turned(6))
    content = bytearray(path.read_bytes())
    entry = content.index(b'\x01\x12\x00\x03', content.index(b'MM\x00*'))  # the orientation
    content[entry + 4 : entry + 8] = b'\x00\xff\xff\xff'  # many values that are not there
    if kind == 'PNG':
        start = content.index(b'eXIf')
        end = start + 4 + int.from_bytes(content[start - 4 : start], 'big')
        content[end : end + 4] = struct.pack('>I', zlib.crc32(content[start:end]))
    path.write_bytes(content)
    assert read_rgb(path).shape == (16, 24, 3) and read_image_shape(path) == (16, 24)
    (warning,) = recwarn
    assert str(warning.message).startswith(f'{path}: damaged metadata (EXIF): an orientation in it')


def test_other_warnings_of_pillow_are_not_called_metadata(tmp_path, monkeypatch, recwarn):
    verify = Image.Image.verify

    def warn(image):
        warnings.warn('Image appears to be\na malformed file', stacklevel=1)
        warnings.warn('old name', DeprecationWarning, stacklevel=1)
        verify(image)

    monkeypatch.setattr(BmpImagePlugin.BmpImageFile, 'verify', warn)
    path = save(tmp_path / 'a.bmp', picture(), 'BMP')
    read_rgb(path)
    (warning,) = recwarn
    text = 'Pillow, which reads the image, warns: Image appears to be a malformed file'
    assert str(warning.message) == f'{path}: {text}'


def test_a_link_to_itself_is_said_in_words(tmp_path):
    path = tmp_path / 'a.png'
    path.symlink_to(path)
    for read in (*READERS.values(), read_image_shape):
        with pytest.raises(DataError, match=f'^{path}: .*found a link that leads back to itself'):
            read(path)
