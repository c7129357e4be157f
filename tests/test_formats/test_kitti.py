import io
import zlib

import numpy as np
import pytest
from damage import damaged, words
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mmssc.errors import DataError
from mmssc.formats import kitti as kf
from mmssc.formats.images import read_image_shape
from mmssc.formats.point_labels import read_point_labels

SHAPE = (8, 4, 2)
# The folder is shared by the examples of a test: each writes its own file anew.
in_folder = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
angles = st.floats(-3.2, 3.2)
coordinates = st.floats(-1e6, 1e6)


def rotation(a, b, c):
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    y = np.array([[np.cos(c), 0, np.sin(c)], [0, 1, 0], [-np.sin(c), 0, np.cos(c)]])
    return x @ z @ y


@st.composite
def transforms(draw):
    shift = [draw(coordinates) for _ in range(3)]
    return np.c_[rotation(*(draw(angles) for _ in range(3))), shift]


CALIB = {
    'P2': np.array([[700.0, 0, 600, 45], [0, 700, 180, 0.1], [0, 0, 1, 0.005]]),
    'Tr': np.c_[rotation(1.5, -1.5, 0.02), [0.1, -0.2, 0.3]],
}
POSES = np.stack([np.c_[rotation(0, 0.01 * n, 0), [n, 0, 0]] for n in range(4)])


def saved(writer, name, tmp_path, *args):
    path = tmp_path / name
    writer(path, *args)
    return path.read_bytes()


# --- what is written reads back -------------------------------------------------------------


@given(transforms(), st.floats(1e-3, 1e5), coordinates)
@in_folder
def test_calib_round_trip(tmp_path, tr, focal, shift):
    calib = {'P2': np.array([[focal, 0, 3, shift], [0, focal, 4, 0], [0, 0, 1, 0]]), 'Tr': tr}
    kf.write_calib(tmp_path / 'calib.txt', calib)
    read = kf.read_calib(tmp_path / 'calib.txt')
    assert list(read) == ['P2', 'Tr']
    for key, matrix in calib.items():
        np.testing.assert_array_equal(read[key], matrix)


@given(st.lists(transforms(), min_size=1, max_size=4))
@in_folder
def test_poses_round_trip(tmp_path, poses):
    kf.write_poses(tmp_path / 'poses.txt', np.stack(poses))
    read = kf.read_poses(tmp_path / 'poses.txt')
    assert read.shape == (len(poses), 4, 4) and read.dtype == np.float64
    np.testing.assert_array_equal(read[:, :3], poses)
    np.testing.assert_array_equal(read[:, 3], [[0, 0, 0, 1]] * len(poses))


def test_indexed_poses_round_trip(tmp_path):
    path = tmp_path / 'poses.txt'
    kf.write_indexed_poses(path, np.array([0, 3, 4, 9]), POSES)
    index, poses = kf.read_indexed_poses(path)
    assert index.tolist() == [0, 3, 4, 9] and index.dtype == np.int64
    np.testing.assert_array_equal(poses[:, :3], POSES)


@given(st.lists(st.booleans(), min_size=64, max_size=64))
@in_folder
def test_voxel_bits_round_trip(tmp_path, bits):
    mask = np.array(bits).reshape(SHAPE)
    kf.write_voxel_bits(tmp_path / 'a.bin', mask)
    assert (tmp_path / 'a.bin').stat().st_size == 8
    np.testing.assert_array_equal(kf.read_voxel_bits(tmp_path / 'a.bin', SHAPE), mask)


def test_first_voxel_is_the_highest_bit(tmp_path):
    (tmp_path / 'a.bin').write_bytes(bytes([0b10000001]))
    assert kf.read_voxel_bits(tmp_path / 'a.bin', (2, 2, 2)).reshape(-1).tolist() == (
        [True] + [False] * 6 + [True]
    )


def test_raw_labels_round_trip(tmp_path):
    labels = np.arange(64, dtype=np.uint16).reshape(SHAPE) * 1023
    kf.write_raw_labels(tmp_path / 'a.label', labels)
    assert (tmp_path / 'a.label').read_bytes()[2:4] == bytes([255, 3])  # little-endian
    read = kf.read_raw_labels(tmp_path / 'a.label', SHAPE)
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, labels)


@pytest.mark.parametrize(
    'read',
    [
        kf.read_velodyne,
        lambda path: kf.read_voxel_bits(path, SHAPE),
        lambda path: kf.read_raw_labels(path, SHAPE),
        lambda path: read_point_labels(path, 5),
    ],
)
def test_a_pointer_in_place_of_numbers(tmp_path, read):
    path = tmp_path / 'a'
    path.write_bytes(b'version https://git-lfs.github.com/spec/v1\n'.ljust(132))
    with pytest.raises(DataError, match="132 bytes: a pointer of Git LFS.*Run 'git lfs pull'"):
        read(path)
    path.write_bytes(bytes(131))  # The box of another grid can be empty.
    with pytest.raises(DataError, match='found 131 bytes') as caught:
        read(path)
    assert 'zeros' not in str(caught.value)


def test_velodyne_round_trip(tmp_path):
    points = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    kf.write_velodyne(tmp_path / 'a.bin', points)
    np.testing.assert_array_equal(kf.read_velodyne(tmp_path / 'a.bin'), points)
    kf.write_velodyne(tmp_path / 'a.bin', points[:, :3])
    np.testing.assert_array_equal(kf.read_velodyne(tmp_path / 'a.bin')[:, 3], np.ones(9))


@pytest.mark.parametrize('dtype', [np.uint8, np.int64, np.float32, np.float64])
def test_labels_of_every_type_read_the_same(tmp_path, dtype):
    labels = np.random.default_rng(0).integers(0, 256, SHAPE)
    np.save(tmp_path / 'a.npy', labels.astype(dtype))
    read = kf.read_voxel_labels(tmp_path / 'a.npy', SHAPE)
    assert read.dtype == np.uint8 and read.flags.writeable
    np.testing.assert_array_equal(read, labels)


def test_voxel_labels_round_trip(tmp_path):
    labels = np.random.default_rng(0).integers(0, 256, SHAPE).astype(np.uint8)
    kf.write_voxel_labels(tmp_path / 'a.npy', labels)
    np.testing.assert_array_equal(kf.read_voxel_labels(tmp_path / 'a.npy', SHAPE), labels)


def test_depth_round_trip(tmp_path):
    depth = np.random.default_rng(0).uniform(0, 200, (5, 7)).astype(np.float32)
    depth[0] = 0
    kf.write_depth(tmp_path / 'a.npy', depth)
    np.testing.assert_array_equal(kf.read_depth(tmp_path / 'a.npy'), depth)
    kf.write_depth(tmp_path / 'a.png', depth)
    read = kf.read_depth(tmp_path / 'a.png')
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, depth, atol=1 / 512)
    assert (read[0] == 0).all()


def test_depth_png_is_the_kitti_format(tmp_path):
    Image.fromarray(np.array([[0, 256, 65535]], np.uint16)).save(tmp_path / 'a.png')
    assert kf.read_depth(tmp_path / 'a.png').tolist() == [[0, 1, 65535 / 256]]


# --- what is damaged is refused -------------------------------------------------------------


def check_transforms(matrices):
    rotations = matrices[..., :3, :3]
    assert np.isfinite(matrices).all()
    np.testing.assert_allclose(
        rotations @ rotations.swapaxes(-1, -2),
        np.broadcast_to(np.eye(3), rotations.shape),
        atol=1e-3,
    )


def check_calib(calib):
    for key, matrix in calib.items():
        assert matrix.shape == (3, 4) and np.isfinite(matrix).all(), key
    assert calib['P2'][0, 0] > 0 and calib['P2'][1, 1] > 0
    check_transforms(calib['Tr'])


def read_or_refuse(reader, path, *args):
    """The value, or None where the reader refused; any other exception fails the test."""
    try:
        return reader(path, *args)
    except DataError as error:
        assert str(path) in str(error)
        return None


@given(data=st.data())
@in_folder
def test_damaged_text_files(tmp_path, data):
    reader, writer, content, check = data.draw(
        st.sampled_from(
            [
                (kf.read_calib, kf.write_calib, (CALIB,), check_calib),
                (kf.read_poses, kf.write_poses, (POSES,), check_transforms),
                (kf.read_indexed_poses, kf.write_indexed_poses, (np.arange(4), POSES),
                 lambda value: check_transforms(value[1])),
            ]
        )
    )  # fmt: skip
    valid = saved(writer, 'valid.txt', tmp_path, *content)
    path = tmp_path / 'file.txt'
    if data.draw(st.booleans()):
        path.write_bytes(data.draw(damaged(valid)))
    else:
        split = valid.decode().split(' ')
        for _ in range(data.draw(st.integers(1, 3))):
            split[data.draw(st.integers(0, len(split) - 1))] = data.draw(words)
        path.write_text(' '.join(split), encoding='utf-8')
    value = read_or_refuse(reader, path)
    if value is not None:
        check(value)


@given(data=st.data())
@in_folder
def test_damaged_binary_files(tmp_path, data):
    name, valid, reader, args = data.draw(
        st.sampled_from(
            [
                ('a.bin', bytes(8), kf.read_voxel_bits, (SHAPE,)),
                ('a.label', bytes(128), kf.read_raw_labels, (SHAPE,)),
                ('a.bin', np.ones((3, 4), '<f4').tobytes(), kf.read_velodyne, ()),
            ]
        )
    )
    (tmp_path / name).write_bytes(data.draw(damaged(valid)))
    value = read_or_refuse(reader, tmp_path / name, *args)
    size = (tmp_path / name).stat().st_size
    if reader is kf.read_velodyne:
        assert value is None or (np.isfinite(value).all() and len(value) * 16 == size > 0)
    else:
        assert (value is not None) == (size == len(valid))


def npy_bytes(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@given(data=st.data())
@in_folder
def test_damaged_npy_labels(tmp_path, data):
    dtype = data.draw(st.sampled_from([np.uint8, np.float32, np.int16]))
    valid = npy_bytes(np.arange(64).reshape(SHAPE).astype(dtype))
    path = tmp_path / 'a.npy'
    path.write_bytes(data.draw(damaged(valid)))
    labels = read_or_refuse(kf.read_voxel_labels, path, SHAPE)
    assert labels is None or (labels.dtype == np.uint8 and labels.shape == SHAPE)


@given(data=st.data())
@in_folder
def test_damaged_depth(tmp_path, data):
    depth = np.linspace(0, 80, 12, dtype=np.float32).reshape(3, 4)
    if data.draw(st.booleans()):
        path, valid = tmp_path / 'a.npy', npy_bytes(depth)
    else:
        path, valid = tmp_path / 'a.png', saved(kf.write_depth, 'v.png', tmp_path, depth)
    path.write_bytes(data.draw(damaged(valid)))
    read = read_or_refuse(kf.read_depth, path)
    assert read is None or (
        read.ndim == 2 and read.dtype == np.float32 and np.isfinite(read).all() and read.min() >= 0
    )


@given(data=st.data())
@in_folder
def test_damaged_image_headers(tmp_path, data):
    valid = saved(kf.write_depth, 'v.png', tmp_path, np.ones((3, 4), np.float32))
    (tmp_path / 'a.png').write_bytes(data.draw(damaged(valid)))
    shape = read_or_refuse(read_image_shape, tmp_path / 'a.png')
    assert shape is None or (len(shape) == 2 and min(shape) >= 0)


def test_an_image_header_may_claim_anything(tmp_path):
    content = bytearray(saved(kf.write_depth, 'a.png', tmp_path, np.ones((3, 4), np.float32)))
    content[16:24] = (60000).to_bytes(4, 'big') * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, 'big')
    (tmp_path / 'a.png').write_bytes(content)
    with pytest.raises(DataError, match=r'a.png: image'):
        read_image_shape(tmp_path / 'a.png')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', '0 bytes'),
        ('\n', 'keys'),
        ('P2: 1 2 3', '12 numbers'),
        ('P2 1 2 3', 'KEY: 12 numbers'),
        ('P2: 700 0 600 0 0 700 180 0 0 0 1 0\n', 'keys: expected P2, Tr, found P2'),
        ('P2: 0 0 600 0 0 700 180 0 0 0 1 0', 'focal'),
        ('P2: 700 0 600 0 0 700 180 0 0 0 2 0', 'third row'),
        ('Tr: 2 0 0 0 0 1 0 0 0 0 1 0', 'a rotation'),
        ('Tr: -1 0 0 0 0 1 0 0 0 0 1 0', 'a rotation'),
        ('Tr: 1 0 0 0 0 1 0 0 0 0 1 0\nTr: 1 0 0 0 0 1 0 0 0 0 1 0', 'each key once'),
        ('Tr: 1 0 0 0 0 1 0 0_1 0 0 1 0', "12 numbers, found '0_1'"),
        ('Tr: 1 0 0 0 0 1 0 nan 0 0 1 0', 'finite'),
    ],
)
def test_bad_calib_says_what_is_wrong(tmp_path, text, message):
    (tmp_path / 'calib.txt').write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        kf.read_calib(tmp_path / 'calib.txt')
    assert caught.value.file == str(tmp_path / 'calib.txt')


def test_a_gap_in_the_poses_is_not_skipped(tmp_path):
    lines = ['1 0 0 0 0 1 0 0 0 0 1 0', '', '1 0 0 0 0 1 0 0 0 0 1 0']
    (tmp_path / 'poses.txt').write_text('\n'.join(lines))
    with pytest.raises(DataError, match='line 2: expected 12 numbers'):
        kf.read_poses(tmp_path / 'poses.txt')
    (tmp_path / 'poses.txt').write_text(lines[0] + '\n\n\n')
    assert len(kf.read_poses(tmp_path / 'poses.txt')) == 1


@pytest.mark.parametrize('index', ['3 2', '1 1', '-1 0', '0.5 1', '0 1e18'])
def test_bad_pose_indices(tmp_path, index):
    pose = ' 1 0 0 0 0 1 0 0 0 0 1 0\n'
    (tmp_path / 'poses.txt').write_text(''.join(i + pose for i in index.split()))
    with pytest.raises(DataError, match='line [12]: expected'):
        kf.read_indexed_poses(tmp_path / 'poses.txt')


def test_missing_and_odd_paths(tmp_path):
    readers = [kf.read_calib, kf.read_poses, kf.read_velodyne, kf.read_depth]
    for reader in readers:
        with pytest.raises(DataError, match='an existing file'):
            reader(tmp_path / 'none.npy')
        (tmp_path / 'folder.npy').mkdir(exist_ok=True)
        with pytest.raises(DataError, match='a regular file, found a folder'):
            reader(tmp_path / 'folder.npy')
    with pytest.raises(DataError, match=r'\.npy or \.png'):
        kf.read_depth(tmp_path / 'a.jpg')


@pytest.mark.parametrize('value', [np.nan, np.inf, -1.0, 256.0, 3.5])
def test_labels_must_be_ids(tmp_path, value):
    labels = np.zeros(SHAPE, np.float32)
    labels[1, 2, 0] = value
    np.save(tmp_path / 'a.npy', labels)
    with pytest.raises(DataError, match='whole numbers'):
        kf.read_voxel_labels(tmp_path / 'a.npy', SHAPE)
    np.save(tmp_path / 'a.npy', np.zeros((8, 4, 3), np.uint8))
    with pytest.raises(DataError, match=r'\(8, 4, 2\), found \(8, 4, 3\)'):
        kf.read_voxel_labels(tmp_path / 'a.npy', SHAPE)


def test_objects_are_never_unpickled(tmp_path):
    np.save(tmp_path / 'a.npy', np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match='dtype'):
        kf.read_voxel_labels(tmp_path / 'a.npy', SHAPE)


@pytest.mark.parametrize('value', [np.nan, np.inf, -0.5])
def test_depth_must_be_metres(tmp_path, value):
    np.save(tmp_path / 'a.npy', np.array([[1.0, value]], np.float32))
    with pytest.raises(DataError, match='finite metres'):
        kf.read_depth(tmp_path / 'a.npy')
    with pytest.raises(DataError, match='finite metres'):
        kf.write_depth(tmp_path / 'b.npy', np.array([[1.0, value]], np.float32))
    assert not (tmp_path / 'b.npy').exists()


def test_writers_refuse_what_would_not_read_back(tmp_path):
    with pytest.raises(DataError, match='N > 0'):
        kf.write_velodyne(tmp_path / 'a.bin', np.zeros((0, 4)))
    with pytest.raises(DataError, match='finite'):
        kf.write_velodyne(tmp_path / 'a.bin', np.full((2, 3), 1e300))
    with pytest.raises(DataError, match='uint8'):
        kf.write_voxel_labels(tmp_path / 'a.npy', np.zeros(SHAPE))
    with pytest.raises(DataError, match='65535'):
        kf.write_raw_labels(tmp_path / 'a.label', np.array([70000]))
    with pytest.raises(DataError, match='255.99'):
        kf.write_depth(tmp_path / 'a.png', np.array([[300.0]]))
    assert list(tmp_path.iterdir()) == []
