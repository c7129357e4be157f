"""Configs and checkpoints with the former slots, ``image_head`` and ``tsdf_encoder``."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.model import ExponentialMovingAverage
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from tiny_rgbd import tiny_batch
from tiny_sketch import tiny_sketch
from torch import Tensor

from mmssc import renamed
from mmssc.apis import init_model
from mmssc.checkpoints import check_weights, export_state_dict, get_method
from mmssc.engine.hooks import CheckpointMatchHook
from mmssc.errors import DataError
from mmssc.models.completors import SketchCompletor
from mmssc.registry import MODELS

ROOT = Path(__file__).parents[3]
OLD = {'neck': 'image_head', 'sketch_head': 'tsdf_encoder'}
# The quick start's config as it was, with shorter widths and a smaller grid.
OLD_LEAF = f"""
_base_ = ['{ROOT / 'configs/sketch/sketch_r50_nyu.py'}']
grid = dict(origin=(0., 0., 0.), voxel_size=0.3, shape=(16, 12, 16), axes=('x', 'z', 'y'),
            frame='world')
model = dict(
    voxel_grid=grid,
    backbone=dict(depth=18, base_channels=8, stem_channels=8, init_cfg=None),
    image_head=dict(in_channels=64, channels=8),
    tsdf_encoder=dict(widths=(1, 3, 4, 8), cvae=dict(latent_channels=4)),
    head=dict(channels=8, sketch_widths=(3, 4)),
)
"""


@pytest.fixture(autouse=True)
def _nothing_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renamed, '_warned', set())


def old_name(name: str) -> str:
    slot, dot, rest = name.partition('.')
    return OLD.get(slot, slot) + dot + rest


def old_state(model: SketchCompletor) -> dict[str, Tensor]:
    """Weights under the former names, no tensor as in a new model."""
    state = {old_name(name): value + 1 for name, value in model.state_dict().items()}
    assert not any(name.startswith(('neck.', 'sketch_head.')) for name in state)
    return state


def build(config: dict[str, Any] | None = None) -> SketchCompletor:
    init_default_scope('mmssc')
    torch.manual_seed(0)
    return MODELS.build(tiny_sketch() if config is None else config)


def assert_holds(model: SketchCompletor, state: dict[str, Tensor]) -> None:
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[old_name(name)]), name


def test_whole_config_with_old_slots_is_the_same_network() -> None:
    expected = build()
    config = {old_name(name): value for name, value in tiny_sketch().items()}
    with pytest.warns(FutureWarning) as caught:
        model = build(config)
    assert len(caught) == 2
    assert str(model) == str(expected)
    inputs, samples = tiny_batch()
    with torch.no_grad():
        found = model.eval()(inputs, samples, mode='tensor')
        for name, value in expected.eval()(inputs, samples, mode='tensor').items():
            assert torch.equal(found[name], value), name


def test_each_old_slot_warns_once() -> None:
    config = {old_name(name): value for name, value in tiny_sketch().items()}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        for _ in range(3):
            build(config)
    messages = [str(one.message) for one in caught if one.category is FutureWarning]
    assert len(messages) == 2
    assert 'SketchCompletor.image_head is called SketchCompletor.neck now' in messages[0]
    assert 'SketchCompletor.tsdf_encoder is called SketchCompletor.sketch_head now' in messages[1]


def test_old_slots_change_those_of_the_base_config(tmp_path: Path) -> None:
    (tmp_path / 'old.py').write_text(OLD_LEAF)
    cfg = Config.fromfile(tmp_path / 'old.py')
    cfg.merge_from_dict({'model.tsdf_encoder.cvae.num_samples': 2})
    with pytest.warns(FutureWarning) as caught:
        model = build(cfg.model)
    assert len(caught) == 2
    assert model.neck.conv.weight.shape[:2] == (8, 64)
    cvae = model.sketch_head.cvae
    assert (cvae.num_samples, cvae.latent_channels) == (2, 4)
    # The rest is as the base config says.
    assert model.sketch_head.losses['prior'].loss_weight == 1.5
    assert type(model.neck.norm).__name__ == 'DistributedBN'


@pytest.mark.parametrize('prefix', ['', 'module.'])
@pytest.mark.parametrize('whole', [True, False])
def test_old_checkpoints_are_loaded(prefix: str, whole: bool, tmp_path: Path) -> None:
    """Files of a training and published ones, with names of one process and of several."""
    model = build()
    state = old_state(model)
    content: dict[str, Any] = dict(state_dict={prefix + name: v for name, v in state.items()})
    if whole:
        content.update(meta=dict(epoch=1), optimizer=dict(state={}, param_groups=[]))
    torch.save(content, tmp_path / 'old.pth')
    load_checkpoint(model, str(tmp_path / 'old.pth'), 'cpu', strict=True)
    assert_holds(model, state)


@pytest.mark.filterwarnings('ignore::FutureWarning')
@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_init_model_takes_old_config_and_checkpoint(prefix: str, tmp_path: Path) -> None:
    config, checkpoint = tmp_path / 'old.py', tmp_path / 'old.pth'
    config.write_text(OLD_LEAF)
    state = old_state(init_model(config))
    torch.save({prefix + name: value for name, value in state.items()}, checkpoint)
    assert_holds(init_model(config, checkpoint), state)


def test_old_weights_of_a_model_inside_another() -> None:
    average = ExponentialMovingAverage(build())
    state = old_state(average.module)
    inside = {f'module.{name}': value for name, value in state.items()}
    average.load_state_dict({'steps': average.steps, **inside}, strict=True)
    assert_holds(average.module, state)


def test_hook_of_the_test_tool_accepts_old_names() -> None:
    model = build()
    state = old_state(model)
    loader = SimpleNamespace(dataset=SimpleNamespace(metainfo={}))
    runner = SimpleNamespace(model=model, _load_from='old.pth', test_dataloader=loader)
    hook = CheckpointMatchHook()
    hook.after_load_checkpoint(runner, dict(state_dict=state))
    assert 'image_head.conv.weight' in state
    del state['image_head.conv.weight']
    with pytest.raises(DataError, match=r'1 missing: neck\.conv\.weight'):
        hook.after_load_checkpoint(runner, dict(state_dict=state))


def test_similar_names_are_refused() -> None:
    model = build()
    state = {**model.state_dict(), 'image_header.weight': torch.ones(1)}
    with pytest.raises(DataError, match=r'image_header\.weight'):
        check_weights(state, model, 'other.pth')


def test_old_optimisers_find_their_parameters() -> None:
    """They number them in the order of the parts."""
    parts = dict.fromkeys(name.split('.')[0] for name, _ in build().named_parameters())
    assert list(parts) == ['backbone', 'neck', 'sketch_head', 'head']


def test_old_file_can_be_exported() -> None:
    state = build().state_dict()
    expected, _ = export_state_dict(state, get_method('sketch'))
    old = {old_name(name): value for name, value in state.items()}
    found, _ = export_state_dict(old, get_method('sketch'))
    assert list(found) == list(expected)
    assert all(torch.equal(found[key], value) for key, value in expected.items())
