"""Figures at a kink are no failures; faults are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmssc.parity import methods, rounding
from mmssc.parity import reference_fill as fill
from mmssc.parity.recipe import ParityRecipe, ParityRun
from mmssc.parity.report import ParityReport
from mmssc.parity.symphonies import recipe as parity_symphonies

DATA = Path(__file__).parents[1] / 'data' / 'parity' / 'symphonies'
KINK = fill.normal('x', (8,), 1)
TOLERANCE = 1e-3
RunTool = Callable[..., tuple[int, str]]


def gradient(jump: float) -> np.ndarray:
    """Of a function with a kink where the inputs lie; beyond it the gradient is larger."""
    return 1 + jump * (fill.normal('x', (8,), 1) > KINK).max(keepdims=True)


class Kink(ParityRecipe):
    """The reference is beyond the kink, we are not, and our gradient misses the tolerance."""

    def __init__(self, jump: float = 1.3e-3, fault: float = 0.0) -> None:
        self.jump, self.fault, self.runs = jump, fault, 0

    def add_rows(self, report: ParityReport) -> None:
        self.runs += 1
        report.equal('count', 3, 3)
        found = gradient(self.jump) - self.fault
        report.close('grad/weight', found, [1 + self.jump], relative=TOLERANCE)

    def compare(self, run: ParityRun) -> None:
        run.case.mark_used('seed', 'grad')
        self.add_rows(run.report)


def test_numbers_move_by_one_part_in_ten_million_and_come_back():
    with fill.moved(1e-7, 0):
        inputs, weights = fill.normal('x', (8,), 1), fill.fill_tensor('a.weight', (50, 4), 1)
        masks = fill.uniform('m', (50,), 1)
    for one, plain in ((inputs, KINK), (weights, fill.fill_tensor('a.weight', (50, 4), 1))):
        assert one.dtype == np.float32 and (one != plain).any()
        assert (np.abs(one / plain.astype(np.float64) - 1) < 2e-7).all()
    assert np.array_equal(masks, fill.uniform('m', (50,), 1))
    assert np.array_equal(fill.normal('x', (8,), 1), KINK)


def test_a_figure_at_a_kink_is_within_rounding_noise(capsys):
    report, recipe = ParityReport(), Kink()
    rounding.compare(report, recipe.add_rows)
    assert report.ok and recipe.runs == 2
    assert report.rows[1].note == 'within rounding noise: off by 0.0013, moves by 0.0013'
    assert '1 figures failed: running again' in capsys.readouterr().out


@pytest.mark.parametrize(
    'jump, fault, runs',
    [
        (0.0, 1.3e-3, 1 + rounding._RUNS),  # Off, and does not move.
        (1.3e-3, 2e-3, 1 + rounding._RUNS),  # Moves by less than it is off.
        (0.5, 0.0, 1),  # Much further off than rounding can be.
        (0.0, float('nan'), 1),
        (0.0, 0.0, 1),
    ],
)
def test_a_fault_is_no_rounding_noise(jump, fault, runs):
    report, recipe = ParityReport(), Kink(jump, fault)
    rounding.compare(report, recipe.add_rows)
    assert report.ok is (jump == fault == 0.0)
    assert recipe.runs == runs and not report.rows[1].note


def test_the_command_says_so(run_tool: RunTool, monkeypatch, tmp_path):
    np.savez(tmp_path / 'case.npz', seed=1, grad=0)
    (tmp_path / 'manifest.csv').write_text('a,1\n')
    command = ('kink', '--manifest', tmp_path / 'manifest.csv', '--case', tmp_path / 'case.npz')
    monkeypatch.setitem(methods.RECIPES, 'kink', Kink())
    status, text = run_tool(*command)
    assert status == 0 and 'within rounding noise: off by 0.0013, moves by 0.0013' in text
    assert '2 figures compared' in text and '0 failed' in text
    monkeypatch.setitem(methods.RECIPES, 'kink', Kink(fault=2e-3))
    status, text = run_tool(*command)
    assert status == 1 and '1 failed' in text and 'rounding noise' not in text


def test_one_weight_that_is_off_by_a_hundredth_fails(run_tool: RunTool, monkeypatch):
    rebuild = parity_symphonies.rebuild_checkpoint

    def with_fault(*arguments):
        state = rebuild(*arguments)
        state['decoder.layers.1.query_self_attn.ffn.2.weight'] *= 1.01
        return state

    monkeypatch.setattr(parity_symphonies, 'rebuild_checkpoint', with_fault)
    status, text = run_tool(
        'symphonies-decoder', '--manifest', DATA / 'manifest_decoder_flat.csv',
        '--case', DATA / 'decoder_flat_case_1.npz', '--failures-only',
    )  # fmt: skip
    assert status == 1 and 'grad/decoder.layers.1.query_self_attn.ffn.2.weight' in text
    assert 'layers.1.inst_queries' in text
