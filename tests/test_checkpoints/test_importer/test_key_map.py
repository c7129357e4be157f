"""The rules that key maps are made of."""

from __future__ import annotations

import pytest
import torch

from mmssc.checkpoints import (
    CheckpointMethod,
    KeyRule,
    export_state_dict,
    import_state_dict,
    prefix_rules,
)


def test_stars_and_rest() -> None:
    rule = KeyRule('head.blocks.*.conv.*', 'body.*.paths.*')
    assert rule.to_ours('head.blocks.3.conv.0.weight') == 'body.3.paths.0.weight'
    assert rule.to_reference('body.3.paths.0.weight') == 'head.blocks.3.conv.0.weight'
    assert rule.to_ours('head.blocks.3.conv') is None
    assert rule.to_ours('head.blocks.3.conv.0') == 'body.3.paths.0'


def test_a_path_is_no_mere_prefix() -> None:
    rule = KeyRule('head.fc', 'head.linear')
    assert rule.to_ours('head.fcs.0.weight') is None
    assert rule.to_ours('headxfc.weight') is None
    assert rule.to_ours('head.fc.weight') == 'head.linear.weight'


def test_rules_are_checked() -> None:
    with pytest.raises(ValueError, match='number of'):
        KeyRule('a.*', 'b')
    with pytest.raises(ValueError, match='transform'):
        KeyRule('a', 'b', 'mirror')


@pytest.mark.parametrize('transform, shape, expected', [
    ('transpose', (2, 3), (3, 2)),
    ('sparse_to_dense', (2, 3, 4, 5, 6), (2, 6, 3, 4, 5)),
])  # fmt: skip
def test_transforms_have_a_way_back(
    transform: str, shape: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    method = CheckpointMethod(
        name='toy',
        rules=(KeyRule('a', 'b', transform), *prefix_rules('x', 'y', {'0': 'one'})),
        dropped={'dead.*.layer': 'not used'},
        class_keys=(),
        datasets={},
        model_config=dict,
    )
    reference = {
        'a.weight': torch.randn(shape, generator=torch.Generator().manual_seed(0)),
        'x.0.bias': torch.ones(2),
        'dead.5.layer.weight': torch.ones(1),
    }
    model = {'y.one.bias': torch.zeros(2), 'b.weight': torch.zeros(expected)}
    state, report = import_state_dict(reference, method, model)
    assert list(state) == list(model)
    assert state['b.weight'].shape == expected and state['b.weight'].is_contiguous()
    assert report.transformed == [('b.weight', transform)]
    assert report.dropped == [('dead.5.layer.weight', 'not used')]
    assert 'a.weight -> b.weight' in report.summary(verbose=True)
    result, back = export_state_dict(state, method)
    assert torch.equal(result['a.weight'], reference['a.weight'])
    assert back.missing == [('dead.*.layer', 'not used')]
