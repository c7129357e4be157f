"""The fill functions are a format: their numbers must never change."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from mmssc.errors import DataError
from mmssc.parity import reference_fill as fill

# crc32 of the bytes (little-endian float32 or int64) in the first version of the format.
CRC = {
    'matrix': 70878783,
    'scale': 723701560,
    'bias': 2126597261,
    'mean': 3722459662,
    'var': 3147559655,
    'normal': 1982241787,
    'uniform': 69084785,
    'integers': 2653138516,
}
DATA = Path(__file__).parents[1] / 'data' / 'parity' / 'sgn'


def crc(array: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(array).tobytes())


def test_numbers_are_frozen() -> None:
    assert crc(fill.fill_tensor('a.weight', (4, 3, 2), 1)) == CRC['matrix']
    assert crc(fill.fill_tensor('a.weight', (5,), 1)) == CRC['scale']
    assert crc(fill.fill_tensor('a.bias', (5,), 7)) == CRC['bias']
    assert crc(fill.fill_tensor('a.running_mean', (5,), 7)) == CRC['mean']
    assert crc(fill.fill_tensor('a.running_var', (5,), 7)) == CRC['var']
    assert crc(fill.normal('img', (2, 3), 1, 2.0)) == CRC['normal']
    assert crc(fill.uniform('img', (2, 3), 1, -1, 4)) == CRC['uniform']
    assert crc(fill.integers('img', (2, 3), 1, -1, 400)) == CRC['integers']


def test_counter_is_an_integer_zero() -> None:
    counter = fill.fill_tensor('bn.num_batches_tracked', (), 3)
    assert counter.dtype == np.int64 and counter == 0


def test_stored_bias_of_the_cases() -> None:
    key = 'pts_bbox_head.pts_header.seg_head_1_2.conv_classes.bias'
    assert fill.fill_tensor(key, (1,), 1)[0] == pytest.approx(0.0495611168, rel=1e-7)
    assert fill.fill_tensor(key, (1,), 2)[0] == pytest.approx(0.00838607457, rel=1e-7)


def test_probe_is_sorted_and_complete_on_small_arrays() -> None:
    array = np.arange(30).reshape(5, 6) * 2
    index, value = fill.probe(array, 1)
    assert index.tolist() == list(range(30)) and value.tolist() == array.reshape(-1).tolist()
    index, value = fill.probe(np.arange(10000), 1, 100)
    assert len(np.unique(index)) == 100 and (np.diff(index) > 0).all() and (index == value).all()


def test_probe_matches_a_stored_case() -> None:
    case = np.load(DATA / 'case_tiny_1.npz')
    index, _ = fill.probe(np.zeros(case['c4/shape']), int(case['seed']))
    assert (index == case['c4/idx']).all()


@pytest.mark.parametrize('name, rows', [('T', 678), ('L', 442), ('tiny', 461)])
def test_manifest(name: str, rows: int) -> None:
    manifest = fill.read_manifest(DATA / f'manifest_sgn-{name}.csv')
    assert len(manifest) == rows
    counters = [shape for key, shape in manifest.items() if key.endswith('num_batches_tracked')]
    assert counters and set(counters) == {()}


@pytest.mark.parametrize(
    'line', ['a,3x', 'a,3xb', 'a', 'a,3,4', 'a,١', f'a,{"9" * 5000}', 'a,999999999x9', 'ok,3']
)
def test_bad_manifest_row(tmp_path: Path, line: str) -> None:
    path = tmp_path / 'manifest.csv'
    path.write_text('ok,3x3\n' + line + '\n')
    with pytest.raises(DataError, match='line 2'):
        fill.read_manifest(path)


def test_missing_manifest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='a manifest'):
        fill.read_manifest(tmp_path / 'manifest.csv')


def test_repeated_manifest_key(tmp_path: Path) -> None:
    path = tmp_path / 'manifest.csv'
    path.write_text('a,3\na,3\n')
    with pytest.raises(DataError, match='once'):
        fill.read_manifest(path)
