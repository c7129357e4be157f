"""Checkpoints of another model, other classes or another grid are refused by name."""

from __future__ import annotations

import pickle
from copy import deepcopy

import pytest
import torch
from small_scene import GRID, ROOT

from mmssc.apis import dataset_meta_of, init_model
from mmssc.checkpoints import check_weights
from mmssc.errors import DataError
from mmssc.structures import VoxelGrid


@pytest.fixture
def changed(checkpoint, tmp_path):
    """Write the checkpoint with a change."""

    def write(change):
        content = torch.load(checkpoint, weights_only=True)
        change(content)
        path = tmp_path / 'changed.pth'
        torch.save(content, path)
        return path

    return write


def test_loads_the_weights(small_config, checkpoint):
    model = init_model(small_config, checkpoint)
    stored = torch.load(checkpoint, weights_only=True)['state_dict']
    assert all(torch.equal(value, stored[key]) for key, value in model.state_dict().items())
    assert not model.training and model.dataset_meta['classes'][1] == 'car'
    assert model.voxel_grid == VoxelGrid.build(GRID)


def test_config_file_without_checkpoint_downloads_nothing(monkeypatch):
    monkeypatch.setattr(torch.hub, 'download_url_to_file', None)
    model = init_model(ROOT / 'configs/sgn/sgn-L.py')
    assert sum(parameter.numel() for parameter in model.parameters()) == 4086375
    assert len(model.dataset_meta['palette']) == 20


def test_options_do_not_reach_the_callers_config(small_config):
    before = small_config.pretty_text
    options = {'model.test_cfg.keep_logits': False}
    model = init_model(small_config, cfg_options=options, voxel_grid={**GRID, 'shape': [8, 8, 8]})
    assert model.test_cfg == dict(keep_logits=False) and model.voxel_grid.shape == (8, 8, 8)
    assert small_config.pretty_text == before


def drop_weight(content):
    del content['state_dict']['neck.fpn_convs.0.conv.weight']


def official_names(content):
    content['state_dict'] = {f'pts_bbox_head.{k}': v for k, v in content['state_dict'].items()}


def one_class_less(content):
    for key in ('head.ssc_header.classifier.weight', 'head.ssc_header.classifier.bias'):
        content['state_dict'][key] = content['state_dict'][key][:-1]


def other_classes(content):
    content['meta']['dataset_meta']['classes'] = ('empty', 'chair')


def other_grid(content):
    content['meta']['dataset_meta']['voxel_grid'] = {**GRID, 'voxel_size': [0.2] * 3}


def damaged_grid(content):
    content['meta']['dataset_meta']['voxel_grid'] = {**GRID, 'shape': [8, -1, 2]}


def no_grid(content):
    content['meta']['dataset_meta']['voxel_grid'] = 'a grid'


def diverged(content):
    content['state_dict']['head.ssc_header.classifier.bias'][2] = float('nan')


def overflowed(content):
    content['state_dict']['neck.fpn_convs.0.conv.weight'][0] = float('inf')


def only_text(content):
    content['state_dict'] = dict(key='text')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (drop_weight, 'weights: .* 1 missing: neck.fpn_convs.0.conv.weight; 0 not in the model'),
        (official_names, 'import_checkpoint.py sgn SRC DST'),
        (one_class_less, r'shape of head.ssc_header.*: expected \(20.*found \(19'),
        (
            other_classes,
            'classes: expected 20 classes: .*, car, .*found 2 classes: empty, chair',
        ),
        (other_grid, r'voxel_grid: expected .*0.4.*found .*0.2.*in Python: voxel_grid'),
        (only_text, 'tensors only'),
        (damaged_grid, 'changed.pth: meta, dataset_meta, voxel_grid: expected a grid, .*damaged'),
        (no_grid, 'changed.pth: meta, dataset_meta, voxel_grid: expected a grid, .*damaged'),
        (diverged, r'changed.pth: head.ssc_header.classifier.bias: expected finite .* diverged'),
        (overflowed, 'neck.fpn_convs.0.conv.weight: expected finite numbers, found NaN'),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(small_config, changed, change, message):
    with pytest.raises(DataError, match=message):
        init_model(small_config, changed(change))


def test_infinity_that_the_model_itself_holds_is_right():
    model = torch.nn.Linear(2, 2)
    model.register_buffer('mask', torch.full((2,), -float('inf')))
    check_weights(model.state_dict(), model, 'a.pth')
    state = {**model.state_dict(), 'bias': model.mask}
    with pytest.raises(DataError, match='a.pth: bias'):
        check_weights(state, model, 'a.pth')


def test_another_box_on_purpose_is_fine(small_config, changed):
    model = init_model(small_config, changed(other_grid), voxel_grid=GRID)
    assert model.voxel_grid == VoxelGrid.build(GRID)


def test_voxels_of_another_size_are_said(small_config, checkpoint, recwarn):
    init_model(small_config, checkpoint, voxel_grid={**GRID, 'origin': [0, 0, 0]})
    assert not recwarn
    size = 2 * VoxelGrid.build(GRID).voxel_size[0]
    init_model(small_config, checkpoint, voxel_grid={**GRID, 'voxel_size': size})
    (warning,) = recwarn
    assert f'voxels of {size:g} m, but the model was trained with voxels of {size / 2:g} m' in str(
        warning.message
    )


def test_imported_weights_carry_no_metadata_and_no_counters(small_config, changed):
    def change(content):
        content['meta'] = dict(method='sgn')
        state = content['state_dict']
        content['state_dict'] = {k: v for k, v in state.items() if 'num_batches' not in k}

    assert init_model(small_config, changed(change)).dataset_meta['classes'][0] == 'empty'


class _Evil:
    def __reduce__(self):
        return (print, ('code ran',))


def test_a_checkpoint_with_code_is_refused(small_config, tmp_path, capsys):
    path = tmp_path / 'evil.pth'
    torch.save(dict(state_dict=dict(weight=_Evil())), path)
    assert b'print' in pickle.dumps(_Evil())
    with pytest.raises(DataError, match='never runs code'):
        init_model(small_config, path)
    assert 'code ran' not in capsys.readouterr().out


def test_missing_files(small_config, tmp_path):
    with pytest.raises(DataError, match='none.py: expected a config file'):
        init_model(tmp_path / 'none.py')
    with pytest.raises(DataError, match='none.pth'):
        init_model(small_config, tmp_path / 'none.pth')


def test_meta_comes_from_inside_wrappers_and_the_metainfo_argument(small_config):
    cfg = deepcopy(small_config)
    inner = dict(cfg.test_dataloader.dataset, metainfo=dict(classes=('a', 'b')))
    cfg.test_dataloader.dataset = dict(type='RepeatDataset', times=2, dataset=inner)
    assert dataset_meta_of(cfg)['classes'] == ('a', 'b')
    cfg.test_dataloader.dataset = dict(type='NowhereDataset')
    with pytest.raises(DataError, match='NowhereDataset.*custom_imports'):
        dataset_meta_of(cfg)
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        cfg[name] = None
    with pytest.raises(DataError, match='a data set, for its classes'):
        dataset_meta_of(cfg)
