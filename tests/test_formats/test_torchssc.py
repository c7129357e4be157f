"""The npz layouts of published methods: types as published, round trips, wrong files."""

from __future__ import annotations

import numpy as np
import pytest
from damage import damaged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmssc.errors import DataError
from mmssc.formats import torchssc as fmt
from mmssc.formats.numpy_arrays import read_npz, write_npz

SHAPE, IMAGE = (6, 4, 5), (8, 10)
NUM = int(np.prod(SHAPE))
in_folder = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def arrays(seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return dict(
        tsdf=random.uniform(-1, 1, SHAPE).astype(np.float32),
        weight=random.random(SHAPE) < 0.5,
        mapping=random.integers(-1, 80, SHAPE).astype(np.int32),
        label=random.choice(np.uint8([0, 0, 11, 3, 255]), SHAPE),
        sketch=random.integers(0, 2, SHAPE).astype(np.uint8),
    )


def write_all(folder, values) -> None:
    fmt.write_torchssc_tsdf(folder / 'tsdf.npz', values['tsdf'], values['weight'])
    fmt.write_torchssc_mapping(folder / 'mapping.npz', values['mapping'], IMAGE)
    fmt.write_torchssc_label(folder / 'label.npz', values['label'], 12)
    fmt.write_torchssc_sketch(folder / 'sketch.npy', values['sketch'])


READERS = dict(
    tsdf=lambda folder: fmt.read_torchssc_tsdf(folder / 'tsdf.npz', SHAPE),
    weight=lambda folder: fmt.read_torchssc_weight(folder / 'tsdf.npz', SHAPE),
    mapping=lambda folder: fmt.read_torchssc_mapping(folder / 'mapping.npz', SHAPE, IMAGE),
    label=lambda folder: fmt.read_torchssc_label(folder / 'label.npz', SHAPE, 12),
    sketch=lambda folder: fmt.read_torchssc_sketch(folder / 'sketch.npy', SHAPE),
)


@given(st.integers(0, 1000))
@in_folder
def test_round_trip(tmp_path, seed):
    values = arrays(seed)
    write_all(tmp_path, values)
    for name, read in READERS.items():
        found = read(tmp_path)
        assert found.dtype == values[name].dtype and np.array_equal(found, values[name]), name


def test_files_have_the_published_types_and_shapes(tmp_path):
    write_all(tmp_path, arrays())
    types = {}
    for name in ('tsdf', 'mapping', 'label'):
        for key, array in read_npz(tmp_path / f'{name}.npz', ['arr_0'], ['arr_1']).items():
            types[name, key] = array.dtype.str, array.shape
    assert types == {
        ('tsdf', 'arr_0'): ('<f4', (NUM,)),
        ('tsdf', 'arr_1'): ('<f8', (NUM,)),
        ('mapping', 'arr_0'): ('<i8', (NUM,)),
        ('label', 'arr_0'): ('<i4', (NUM,)),
    }
    mapping = read_npz(tmp_path / 'mapping.npz', ['arr_0'])['arr_0']
    assert mapping.max() == 80 and (mapping.reshape(SHAPE)[arrays()['mapping'] < 0] == 80).all()


WRONG = [
    ('tsdf', 'tsdf.npz', dict(arr_1=np.zeros(NUM)), 'keys: expected arr_0, found arr_1'),
    ('tsdf', 'tsdf.npz', dict(arr_0=np.zeros(NUM, np.int32)), 'arr_0, dtype'),
    ('tsdf', 'tsdf.npz', dict(arr_0=np.zeros(NUM - 1, np.float32)), r'shape: .*\(119,\)'),
    ('tsdf', 'tsdf.npz', dict(arr_0=np.zeros((4, 6, 5), np.float32)), r'shape: .*\(4, 6, 5\)'),
    ('tsdf', 'tsdf.npz', dict(arr_0=np.full(NUM, 1.5, np.float32)), r'numbers of \[-1, 1\]'),
    ('tsdf', 'tsdf.npz', dict(arr_0=np.full(NUM, np.nan, np.float32)), r'numbers of \[-1, 1\]'),
    ('weight', 'tsdf.npz', dict(arr_0=np.zeros(NUM, np.float32)), 'keys: expected arr_1'),
    ('weight', 'tsdf.npz', dict(arr_1=np.full(NUM, np.nan)), 'arr_1: expected finite numbers'),
    ('weight', 'tsdf.npz', dict(arr_1=np.zeros(NUM - 1)), r'arr_1, shape: .*\(119,\)'),
    ('mapping', 'mapping.npz', dict(arr_0=np.full(NUM, 81)), r'0..80, found 81\..*another size'),
    ('mapping', 'mapping.npz', dict(arr_0=np.full(NUM, -1)), r'0..80, found -1'),
    (
        'label',
        'label.npz',
        dict(arr_0=np.full(NUM, 12)),
        r'0..11 or 255 .*, found 12 ',
    ),
    ('label', 'label.npz', dict(arr_0=np.full(NUM, 256)), r'arr_0'),
    ('label', 'label.npz', dict(arr_0=np.full(NUM, 1.5)), r'arr_0'),
]


@pytest.mark.parametrize(('name', 'file', 'stored', 'text'), WRONG)
def test_wrong_arrays_are_named(tmp_path, name, file, stored, text):
    write_npz(tmp_path / file, stored)
    with pytest.raises(DataError, match=f'{file}: .*{text}'):
        READERS[name](tmp_path)


def test_any_weight_but_zero_counts(tmp_path):
    stored = np.zeros(NUM)
    stored[:3] = 1, 2, 0.25
    write_npz(tmp_path / 'tsdf.npz', dict(arr_1=stored))
    weight = READERS['weight'](tmp_path)
    assert weight.dtype == bool and np.flatnonzero(weight).tolist() == [0, 1, 2]


@pytest.mark.parametrize('name', ['tsdf', 'mapping', 'label'])
@given(st.data())
@in_folder
def test_damaged_archives_are_read_or_refused(tmp_path, name, data):
    write_all(tmp_path, arrays())
    path = tmp_path / f'{name}.npz'
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    try:
        found = READERS[name](tmp_path)
    except DataError as error:
        assert str(path) in str(error)
    else:
        # checksums of the archive: what is read is what was written
        assert np.array_equal(found, arrays()[name])


def test_sketch_of_any_shape(tmp_path):
    sketch = arrays()['sketch']
    fmt.write_torchssc_sketch(tmp_path / 'sketch.npy', sketch.reshape(4, -1))
    assert np.array_equal(READERS['sketch'](tmp_path), sketch)


def test_ddrnet_and_ammnet_files(tmp_path):
    random = np.random.default_rng(0)
    position = random.integers(0, 960, IMAGE)
    position[0, 0] = 0
    flipped = random.choice(np.float32([1, 0.001, -0.001]), SHAPE)
    labels = random.choice(np.float64([0, 5, 255]), SHAPE)
    path = tmp_path / 'NYU0001_0000_voxels.npz'
    stored = dict(tsdf_lr=flipped, target_lr=labels, position=position, arr_1=np.full(NUM, 80),
                  voxels=flipped[..., None])  # fmt: skip
    write_npz(path, stored)
    assert np.array_equal(fmt.read_ddrnet_tsdf(path, SHAPE), flipped)
    assert np.array_equal(fmt.read_ddrnet_tsdf(path, SHAPE, ('tsdf_hr', 'voxels')), flipped)
    assert np.array_equal(fmt.read_ammnet_cad_tsdf(path, SHAPE), flipped)
    assert (fmt.read_ammnet_cad_mapping(path, SHAPE, IMAGE) == -1).all()
    assert np.array_equal(fmt.read_ddrnet_label(path, SHAPE, 12), labels.astype(np.uint8))
    found = fmt.read_ddrnet_position(path, IMAGE, 960)
    assert found[0, 0] == -1 and np.array_equal(found[position > 0], position[position > 0])
    with pytest.raises(DataError, match='position: .*0..899'):
        fmt.read_ddrnet_position(path, IMAGE, 900)
    with pytest.raises(DataError, match='keys: expected tsdf_hr, found neither'):
        fmt.read_ddrnet_tsdf(path, SHAPE, ('tsdf_hr',))


def test_what_would_not_read_back_is_not_written(tmp_path):
    values = arrays()
    for change in (
        dict(tsdf=values['tsdf'] * 2),
        dict(weight=values['weight'][1:]),
        dict(mapping=values['mapping'] + 1),
        dict(label=values['label'] + np.uint8(1)),
        dict(sketch=values['sketch'] + np.uint8(1)),
    ):
        with pytest.raises(DataError):
            write_all(tmp_path, {**values, **change})
