"""Official checkpoints of 3D-Sketch: the cVAE, files of the authors, their backbone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.registry import init_default_scope
from torch import Tensor

from mmssc.checkpoints import get_method, import_state_dict, read_state_dict
from mmssc.errors import DataError
from mmssc.registry import MODELS

MANIFEST = Path(__file__).parents[2] / 'data/parity/sketch/manifest.csv'
METHOD, BACKBONE = get_method('sketch'), get_method('sketch-backbone')


def shapes_of(state: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in state.items()}


def test_built_model_takes_the_weights(reference, imported) -> None:
    init_default_scope('mmssc')
    model = MODELS.build(METHOD.model_config(shapes_of(reference)))
    model.load_state_dict(imported[0], strict=True)
    assert sum(p.numel() for p in model.sketch_head.cvae.parameters()) == 65_985


def test_file_of_the_authors(reference, tmp_path: Path) -> None:
    state = {f'module.{key}': value for key, value in reference.items()}
    content = dict(model=state, optimizer={'state': {}}, epoch=249, iteration=49500)
    torch.save(content, tmp_path / 'epoch-249.pth')
    assert read_state_dict(tmp_path / 'epoch-249.pth').keys() == reference.keys()


def test_missing_and_unknown_tensors_are_named(reference) -> None:
    state = dict(reference)
    del state['stage1.cvae.decoder_x.14.weight']
    with pytest.raises(DataError, match=r'1 missing: sketch_head\.cvae\.condition\.blocks\.4'):
        import_state_dict(state, METHOD, imported_shapes(reference))
    with pytest.raises(DataError, match=r'stage3\.weight'):
        import_state_dict({**reference, 'stage3.weight': torch.ones(1)}, METHOD)


def imported_shapes(reference: dict[str, Tensor]) -> dict[str, Tensor]:
    return import_state_dict(reference, METHOD)[0]


@pytest.mark.parametrize('wrapped, classifier', [(False, True), (True, False)])
def test_backbone_of_imagenet(wrapped: bool, classifier: bool, reference) -> None:
    """Keys may have '.bn.' around every normalisation; a classifier is dropped."""
    state = {
        key.removeprefix('backbone.'): value
        for key, value in reference.items()
        if key.startswith('backbone.')
    }
    if wrapped:
        state = {wrap(key, value, state): value for key, value in state.items()}
        assert 'bn1.bn.weight' in state and 'layer1.0.downsample.1.bn.weight' in state
    fc = {'fc.weight': torch.ones(1000, 2048), 'fc.bias': torch.ones(1000)} if classifier else {}
    found, report = import_state_dict({**state, **fc}, BACKBONE)
    whole = imported_shapes(reference)
    expected = {key for key in whole if key.startswith('backbone.')}
    assert {f'backbone.{key}' for key in found} == expected
    assert all(torch.equal(value, whole[f'backbone.{key}']) for key, value in found.items())
    assert {key for key, _ in report.dropped} == set(fc)


def wrap(key: str, value: Tensor, state: dict[str, Tensor]) -> str:
    module, _, name = key.rpartition('.')
    return f'{module}.bn.{name}' if f'{module}.running_mean' in state else key
