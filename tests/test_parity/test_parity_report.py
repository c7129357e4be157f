"""The comparisons of the parity harness: each must be able to fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mmssc.errors import DataError
from mmssc.parity import reference_fill as fill
from mmssc.parity.recipe import fill_checkpoint, rebuild_checkpoint, total_loss
from mmssc.parity.report import ParityCase, ParityReport, crc32


def make_case(path: Path, **arrays: object) -> ParityCase:
    np.savez(path / 'case.npz', **arrays)
    return ParityCase(path / 'case.npz')


@pytest.mark.parametrize('value', [[1, 2], 'text', float('nan'), float('inf'), b'1'])
def test_a_scalar_is_a_finite_number(tmp_path: Path, value: object) -> None:
    case = make_case(tmp_path, a=value, b=3, c=[2.5])
    for read in (case.integer, case.number):
        with pytest.raises(DataError, match='case.npz: a: expected a finite number'):
            read('a')
    assert case.integer('b') == 3 and case.number('c') == 2.5


def test_nothing_compared_is_not_a_pass() -> None:
    assert not ParityReport().ok


@pytest.mark.parametrize('found, ok', [
    ([1.0, 2.0], True),
    ([1.0, 2.00019], True),
    ([1.0, 2.00021], False),
    ([1.0, float('nan')], False),
    ([1.0], False),
])  # fmt: skip
def test_close(found: list[float], ok: bool) -> None:
    report = ParityReport()
    report.close('x', torch.tensor(found, dtype=torch.float64), [1.0, 2.0], relative=1e-4)
    assert report.ok is ok
    assert bool(report.failures) is not ok


def test_close_relative_to_a_deviation() -> None:
    report = ParityReport()
    report.close('x', [0.0009, 5.0], [0.0, 5.0], relative=1e-4, scale=10.0)
    assert report.ok and report.rows[0].max_rel == pytest.approx(0.00009)
    report.close('x', [0.0011, 5.0], [0.0, 5.0], relative=1e-4, scale=10.0)
    assert not report.ok


@pytest.mark.parametrize('found, ok', [(['a', 'b'], True), (['a', 'c'], False), (['a'], False)])
def test_equal(found: list[str], ok: bool) -> None:
    report = ParityReport()
    report.equal('x', found, ['a', 'b'])
    assert report.ok is ok


@pytest.mark.parametrize('change', [None, 'probe', 'elsewhere', 'shape'])
@pytest.mark.parametrize('names', ['a/', 'a.b.'])
def test_probed_sees_the_whole_array(tmp_path: Path, names: str, change: str | None) -> None:
    array = np.random.default_rng(0).standard_normal((40, 50)).astype(np.float32)
    index, value = fill.probe(array, 1, 100)
    parts = dict(shape=array.shape, idx=index, val=value)
    if names == 'a/':
        parts['stats'] = [array.mean(), array.std(), array.min(), array.max()]
    else:
        parts.update(mean=array.mean(), std=array.std(dtype=np.float64))
    case = make_case(tmp_path, **{f'{names}{key}': part for key, part in parts.items()})
    if change == 'probe':
        array.reshape(-1)[index[3]] += 0.01
    if change == 'elsewhere':
        rest = np.setdiff1d(np.arange(array.size), index)
        array.reshape(-1)[rest[7]] = 9.0
    if change == 'shape':
        array = array.T
    report = ParityReport()
    report.probed(case, names[:-1], torch.from_numpy(array), 1e-4)
    assert report.ok is (change is None)
    assert not case.unused()


def test_at_most_and_tell() -> None:
    report = ParityReport()
    report.at_most('x', 200, 200, 1000, 'voxels')
    report.tell('x', False)
    assert report.ok and 'not bit-identical' in str(report.rows[1])
    report.at_most('x', 201, 200, 1000, 'voxels')
    assert not report.ok and 'FAIL' in str(report.failures[0])


def test_unused_arrays_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = make_case(tmp_path, a=np.zeros(2), b=np.ones(3), c=np.ones(1))
    case.mark_used('c')
    assert case['a'].shape == (2,) and case.unused() == ['b']
    report = ParityReport()
    report.note_unused(case)
    assert report.unchecked == ['b']
    assert 'not checked: b of case.npz' in capsys.readouterr().out


def test_missing_array_names_the_file(tmp_path: Path) -> None:
    case = make_case(tmp_path, a=np.zeros(2))
    with pytest.raises(DataError, match=r'case\.npz: b'):
        case['b']


def test_checkpoint_is_filled_and_tweaked(tmp_path: Path) -> None:
    manifest = tmp_path / 'manifest.csv'
    manifest.write_text('a.weight,2x3\nb.bias,1\n')
    case = make_case(tmp_path, seed=5, tweak_key='b.bias', tweak_value=np.float32(-0.25))
    state = rebuild_checkpoint(manifest, case)
    assert state['b.bias'].tolist() == [-0.25]
    assert np.array_equal(state['a.weight'].numpy(), fill.fill_tensor('a.weight', (2, 3), 5))
    plain = fill_checkpoint(manifest, 5)
    assert plain['b.bias'].numpy() == fill.fill_tensor('b.bias', (1,), 5)
    with pytest.raises(DataError, match=r'c\.bias'):
        rebuild_checkpoint(
            manifest, make_case(tmp_path, seed=5, tweak_key='c.bias', tweak_value=1.0)
        )


def test_crc_is_of_the_cast_bytes_in_c_order() -> None:
    array = np.arange(6).reshape(2, 3)
    assert crc32(array.T, '<i4') == crc32(np.ascontiguousarray(array.T).astype('<i4'))
    assert crc32(array.T, '<i4') != crc32(array, '<i4')
    assert crc32(torch.from_numpy(array), 'u1') == crc32(array.astype(np.uint8))


def test_total_loss_adds_and_passes_gradients_on() -> None:
    losses = [torch.tensor(value, requires_grad=True) for value in (1.0, 2.5)]
    total = total_loss(losses)
    total.backward()
    assert total.item() == 3.5
    assert [loss.grad for loss in losses] == [torch.tensor(1.0)] * 2
