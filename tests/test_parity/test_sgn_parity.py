"""SGN against the figures of the official implementation, through the command line tool."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from mmssc.parity.sgn import recipe as parity_sgn

ROOT = Path(__file__).parents[2]
DATA = ROOT / 'tests' / 'data' / 'parity' / 'sgn'
RunTool = Callable[..., tuple[int, str]]


def arguments_for(kind: str, *cases: str | Path) -> list[object]:
    paths = [case if isinstance(case, Path) else DATA / f'case_{case}.npz' for case in cases]
    return [f'sgn-{kind}', '--manifest', DATA / f'manifest_sgn-{kind}.csv', '--case', *paths]


def change_case(path: Path, changes: dict[str, np.ndarray]) -> Path:
    """A copy of tiny_1 with some arrays replaced."""
    with np.load(DATA / 'case_tiny_1.npz') as file:
        arrays = {**{key: file[key] for key in file.files}, **changes}
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize('case', ['tiny_1', 'tiny_2'])
def test_tiny(case: str, run_tool: RunTool) -> None:
    status, text = run_tool(*arguments_for('tiny', case))
    assert status == 0, text
    for name in ('ssc_logit', 'proposal/packed', 'loss/total', 'grad_none', 'ssc_argmax',
                 'input/projected_pix', 'train/steps[2]/grad_norm_before_clip'):  # fmt: skip
        assert f'\n{name} ' in text
    assert text.count('\ngrad/') == 284
    assert 'not checked' not in text


def test_units(run_tool: RunTool) -> None:
    status, text = run_tool('sgn-T', '--units', DATA / 'units_1.npz')
    assert status == 0, text
    assert '94 figures compared' in text
    assert 'not checked' not in text


@pytest.mark.slow
@pytest.mark.parametrize('case', ['L_2', 'L_1', 'T_1'])
def test_full_size(case: str, run_tool: RunTool) -> None:
    config = ROOT / 'configs' / 'sgn' / f'sgn-{case[0]}.py'
    status, text = run_tool(*arguments_for(case[0], case), '--config', config)
    assert status == 0, text
    assert 'not checked' not in text


@pytest.mark.parametrize('key', [
    'pts_bbox_head.sgb.conv_block.spconv_layers.0.layers_in.0.weight',
    'img_backbone.layer3.0.bn1.running_var',
])  # fmt: skip
def test_a_broken_weight_is_found(
    key: str, run_tool: RunTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rebuild = parity_sgn.rebuild_checkpoint

    def rebuild_wrong(*arguments: object) -> dict[str, Tensor]:
        state = rebuild(*arguments)
        weight = state[key]
        state[key] = weight.transpose(0, -1).clone() if weight.dim() > 1 else 1.1 * weight
        return state

    monkeypatch.setattr(parity_sgn, 'rebuild_checkpoint', rebuild_wrong)
    status, text = run_tool(*arguments_for('tiny', 'tiny_1'), '--forward-only')
    assert status == 1
    failed = text[text.index('figures compared') :]
    assert '\nssc_logit ' in failed and '\nloss/total ' in failed
    assert '\ninput' not in failed and '\npts_occ' not in failed


def test_weights_and_inputs_follow_the_seed(run_tool: RunTool, tmp_path: Path) -> None:
    path = change_case(tmp_path / 'case_tiny_9.npz', {'seed': np.array(9)})
    status, text = run_tool(*arguments_for('tiny', path), '--forward-only', '--failures-only')
    assert status == 1
    for name in ('input_lidar', 'input/label_1_1', 'c4', 'pts_occ', 'ssc_logit', 'loss/loss_pts'):
        assert f'\n{name} ' in text
    # Cameras do not depend on the seed.
    assert '\ninput/projected_pix' not in text


def test_wrong_figures_are_found(run_tool: RunTool, tmp_path: Path) -> None:
    changes = {
        'loss/loss_ssc': np.array(2.0660),
        'ssc_logit/stats': np.array([-0.15, 1.054, np.nan, 3.69]),
        'proposal/packed': np.zeros(512, np.uint8),
        'input/fov_count': np.array([2792, 3186, 2984]),
        'an_array_that_nobody_knows': np.zeros(3),
    }
    path = change_case(tmp_path / 'case.npz', changes)
    status, text = run_tool(*arguments_for('tiny', path), '--forward-only', '--failures-only')
    assert status == 1
    assert '4 failed' in text and 'not checked: an_array_that_nobody_knows of case.npz' in text
    for name in changes:
        assert name.split('/stats')[0] in text


def test_case_of_another_variant_is_refused(run_tool: RunTool) -> None:
    status, text = run_tool(*arguments_for('L', 'tiny_1'))
    assert status == 2 and 'expected a case of sgn-L, found tiny' in text


@pytest.mark.parametrize(
    ('content', 'expected'), [(b'', 'more than 0 bytes'), (b'not an archive', 'a case file')]
)
def test_damaged_case_is_refused(
    content: bytes, expected: str, run_tool: RunTool, tmp_path: Path
) -> None:
    path = tmp_path / 'case.npz'
    path.write_bytes(content)
    status, text = run_tool(*arguments_for('tiny', path))
    assert status == 2 and 'case.npz: ' in text and f'expected {expected}' in text


def test_something_must_be_checked(run_tool: RunTool) -> None:
    with pytest.raises(SystemExit):
        run_tool('sgn-T')
    with pytest.raises(SystemExit):
        run_tool('sgn-T', '--case', 'case.npz')
