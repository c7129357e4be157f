"""Raw files of NYU: round trips, the two depth codings, damaged and wrong files."""

from __future__ import annotations

import numpy as np
import pytest
from damage import damaged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mmssc.datasets import NYUDataset
from mmssc.errors import DataError
from mmssc.formats import sscnet as nyu

SHAPE = (6, 4, 5)
POSE = np.array([[1, 0, 0, 0.5], [0, 0, 1, 0], [0, -1, 0, 1.25], [0, 0, 0, 1]], np.float32)
in_folder = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def make_volume(seed: int = 0, **changes) -> nyu.SSCNetVolume:
    random = np.random.default_rng(seed)
    ids = random.choice(np.uint8([0, 0, 1, 5, 36, 255]), SHAPE)
    fields = dict(origin=np.float32([-2, -1.5, -0.05]), cam2world=POSE, raw_ids=ids)
    return nyu.SSCNetVolume(**{**fields, **changes})


def raw_bin(runs, origin=(0.0, 0, 0), pose=POSE) -> bytes:
    header = np.append(np.float32(origin), np.float32(pose).reshape(-1)).astype('<f4')
    return header.tobytes() + np.array(runs, '<u4').tobytes()


# --- what is written reads back -------------------------------------------------------------


@given(st.integers(0, 1000))
@in_folder
def test_bin_round_trip(tmp_path, seed):
    volume = make_volume(seed)
    nyu.write_sscnet_bin(tmp_path / 'a.bin', volume)
    read = nyu.read_sscnet_bin(tmp_path / 'a.bin', SHAPE)
    for name in ('origin', 'cam2world', 'raw_ids'):
        assert np.array_equal(getattr(read, name), getattr(volume, name)), name
    origin, pose = nyu.read_sscnet_header(tmp_path / 'a.bin')
    assert np.array_equal(origin, volume.origin) and np.array_equal(pose, volume.cam2world)


def test_grid_has_the_axes_of_the_array():
    grid = make_volume().grid
    assert grid.axes == ('x', 'z', 'y') and grid.shape == SHAPE and grid.frame == 'world'
    assert grid.origin == pytest.approx((-2, -0.05, -1.5)) and grid.voxel_size[0] == 0.02


def test_every_16_bit_value_of_a_depth_image():
    code = np.arange(65536, dtype=np.uint16)
    millimetres = nyu.decode_nyu_depth(code)
    assert np.array_equal(nyu.encode_nyu_depth(millimetres), code)
    # as SSCNet reads it: rotated by three bits, which is / 8 below 8.192 m
    assert millimetres[8 * 1234] == 1234 and millimetres[6465] == 9000
    assert sorted(millimetres.tolist()) == list(range(65536))


@pytest.mark.parametrize('kind', ['nyu', 'plain'])
@given(st.integers(0, 1000))
@in_folder
def test_depth_round_trip(tmp_path, kind, seed):
    millimetres = np.random.default_rng(seed).integers(0, 65535, (5, 7))
    millimetres[0, :2] = 0, 65534
    write, read = dict(
        nyu=(nyu.write_nyu_depth, nyu.read_nyu_depth),
        plain=(nyu.write_plain_depth_mm, nyu.read_plain_depth_mm),
    )[kind]
    write(tmp_path / 'depth.png', millimetres / 1000)
    depth = read(tmp_path / 'depth.png', (5, 7))
    assert depth.dtype == np.float32
    assert np.array_equal(depth, millimetres.astype(np.float32) / np.float32(1000))


def test_the_largest_plain_value_is_no_depth(tmp_path):
    stored = np.uint16([[65535, 65534, 0], [1, 65535, 2000]])
    Image.fromarray(stored).save(tmp_path / 'depth.png')
    depth = nyu.read_plain_depth_mm(tmp_path / 'depth.png')
    assert np.array_equal(np.round(depth * 1000), [[0, 65534, 0], [1, 0, 2000]])
    with pytest.raises(DataError, match='at most 65.534 m'):
        nyu.write_plain_depth_mm(tmp_path / 'other.png', np.full((2, 2), 65.535))


# --- ids ------------------------------------------------------------------------------------


def test_every_raw_id_has_its_class():
    classes = NYUDataset.METAINFO['classes']
    named = {
        name: classes[number] for name, number in zip(nyu.RAW_NAMES, nyu.RAW_TO_CLASS.tolist())
    }
    assert len(named) == 37
    for name in ('ceiling', 'floor', 'wall', 'window', 'chair', 'bed', 'sofa', 'table', 'tvs'):
        assert named[name] == name
    several = dict(side_table='table', desk='table', computer='tvs', door='objects',
                   bookshelf='furniture', night_stand='furniture', bathtub='furniture',
                   table_and_chair='table', lamp='objects', toilet='furniture',
                   shower='objects', dont_care='objects', empty='empty')  # fmt: skip
    assert {name: named[name] for name in several} == several
    ids = np.array([[0, 36, 255]], np.uint8)
    assert nyu.raw_to_class(ids).tolist() == [[0, 11, 255]]
    with pytest.raises(DataError, match='raw ids 0..36 or 255, found 37'):
        nyu.raw_to_class(np.array([37]))


# --- wrong files ----------------------------------------------------------------------------

NUM = int(np.prod(SHAPE))


@pytest.mark.parametrize(
    ('content', 'text'),
    [
        (b'', 'size: expected more than 0 bytes'),
        (raw_bin([[0, NUM]])[:76], 'size: expected 76 bytes and at least one run'),
        (raw_bin([[0, NUM]])[:-3], 'size: expected 76 bytes and at least one run'),
        (raw_bin([[0, 50], [1, 69]]), f'run lengths: expected a sum of {NUM}.*, found 119'),
        (raw_bin([[0, 50], [1, 71]]), f'run lengths: expected a sum of {NUM}.*, found 121'),
        (raw_bin([[0, 2**32 - 1], [1, NUM + 1]]), 'run lengths'),
        (raw_bin([[0, 50], [37, 70]]), 'ids: expected raw ids 0..36 or 255, found 37'),
        (raw_bin([[0, NUM]], origin=(0, np.nan, 0)), 'origin: expected finite'),
        (raw_bin([[0, NUM]], pose=2 * POSE), 'pose'),
        (raw_bin([[0, NUM]], pose=np.zeros((4, 4))), 'pose'),
        (raw_bin([[0, NUM]], pose=np.full((4, 4), np.nan)), 'pose'),
        (raw_bin([[0, NUM]], pose=POSE * np.float32([1, 1, -1, 1])), 'pose'),
        (raw_bin([[0, NUM]], pose=POSE + np.float32([[0], [0], [0], [0.5]])), 'pose'),
    ],
)
def test_wrong_bin_is_named(tmp_path, content, text):
    path = tmp_path / 'NYU0001_0000.bin'
    path.write_bytes(content)
    with pytest.raises(DataError, match=f'NYU0001_0000.bin: {text}'):
        nyu.read_sscnet_bin(path, SHAPE)


def test_one_voxel_may_lack_where_all_are_the_same(tmp_path):
    (tmp_path / 'a.bin').write_bytes(raw_bin([[255, NUM - 1]]))
    read = nyu.read_sscnet_bin(tmp_path / 'a.bin', SHAPE)
    assert (read.raw_ids == 255).all() and read.raw_ids.shape == SHAPE


@given(st.data())
@in_folder
def test_damaged_bin_is_read_or_refused(tmp_path, data):
    nyu.write_sscnet_bin(tmp_path / 'valid.bin', make_volume())
    path = tmp_path / 'bad.bin'
    path.write_bytes(data.draw(damaged((tmp_path / 'valid.bin').read_bytes())))
    try:
        read = nyu.read_sscnet_bin(path, SHAPE)
    except DataError as error:
        assert str(path) in str(error)
    else:
        assert read.raw_ids.shape == SHAPE and np.isfinite(read.origin).all()


@given(st.data())
@in_folder
def test_damaged_depth_is_read_or_refused(tmp_path, data):
    nyu.write_nyu_depth(tmp_path / 'valid.png', np.full((5, 7), 1.5))
    path = tmp_path / 'bad.png'
    path.write_bytes(data.draw(damaged((tmp_path / 'valid.png').read_bytes())))
    try:
        depth = nyu.read_nyu_depth(path, (5, 7))
    except DataError as error:
        assert str(path) in str(error)
    else:
        assert depth.shape == (5, 7) and np.isfinite(depth).all()


def test_depth_of_another_size_or_kind(tmp_path):
    nyu.write_nyu_depth(tmp_path / 'depth.png', np.ones((5, 7)))
    with pytest.raises(DataError, match=r'image size: expected \(5, 8\), found \(5, 7\)'):
        nyu.read_nyu_depth(tmp_path / 'depth.png', (5, 8))
    Image.fromarray(np.ones((5, 7), np.uint8)).save(tmp_path / 'grey.png')
    with pytest.raises(DataError, match='grey.png: image: expected a 16-bit grey image'):
        nyu.read_nyu_depth(tmp_path / 'grey.png')
    with pytest.raises(DataError, match='none.png: file: expected an existing file'):
        nyu.read_nyu_depth(tmp_path / 'none.png')


@pytest.mark.parametrize('value', [np.nan, np.inf, -0.001, 65.6])
def test_depth_that_does_not_fit_is_not_written(tmp_path, value):
    with pytest.raises(DataError, match='depth: expected 0..65.535 m'):
        nyu.write_nyu_depth(tmp_path / 'depth.png', np.full((2, 2), value))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('changes', 'text'),
    [
        (dict(origin=np.zeros(2)), 'origin'),
        (dict(cam2world=np.eye(3)), 'pose'),
        (dict(cam2world=2 * POSE), 'pose'),
        (dict(raw_ids=np.full(SHAPE, 40)), 'ids'),
        (dict(raw_ids=np.zeros(SHAPE)), 'ids'),
    ],
)
def test_volume_that_would_not_read_back_is_not_written(tmp_path, changes, text):
    with pytest.raises(DataError, match=text):
        nyu.write_sscnet_bin(tmp_path / 'a.bin', make_volume(**changes))
    assert not list(tmp_path.iterdir())
