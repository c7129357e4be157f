"""Official checkpoints of MonoScene: every tensor accounted for, both ways."""

from __future__ import annotations

import sys
import types

import pytest
import torch

from mmssc.checkpoints import (
    METHODS,
    export_state_dict,
    import_state_dict,
    read_state_dict,
    register_method,
)
from mmssc.errors import DataError
from mmssc.parity.recipe import fill_checkpoint
from mmssc.parity.reference_fill import read_manifest
from mmssc.registry import MODELS

CASES = {
    'monoscene': ('manifest_kitti.csv', 1832, 149_555_444, 149_443_284),
    'monoscene-nyu': ('manifest_nyu.csv', 1825, 298_347_156, 297_849_436),
}


def tensors_without_memory(manifest):
    shapes = read_manifest(manifest)
    return {key: torch.empty(shape, device='meta') for key, shape in shapes.items()}


@pytest.mark.usefixtures('geffnet')
@pytest.mark.parametrize('name', CASES)
def test_every_tensor_of_the_published_models(name, monoscene_data):
    manifest, count, parameters, ours = CASES[name]
    reference = tensors_without_memory(monoscene_data / manifest)
    assert len(reference) == count
    method = METHODS[name]
    shapes = {key: tuple(value.shape) for key, value in reference.items()}
    with torch.device('meta'):
        expected = MODELS.build(method.model_config(shapes)).state_dict()
    state, report = import_state_dict(reference, method, expected)
    assert report.source_parameters == parameters and report.result_parameters == ours
    assert list(state) == list(expected)
    dropped = {key for key, _ in report.dropped}
    assert len({why for _, why in report.dropped}) == 3
    assert {key for key in dropped if '1_16' in key and 'resize' in key} == {
        f'net_rgb.decoder.resize_output_1_16.{kind}' for kind in ('weight', 'bias')
    }
    back, _ = export_state_dict(state, method)
    assert set(back) == set(reference) - dropped


def test_values_arrive_and_come_back(monoscene_data):
    """The 3D part, whose tensors are small enough to fill."""
    reference = fill_checkpoint(monoscene_data / 'manifest_nyu3d.csv', 3)
    method = METHODS['monoscene-nyu']
    net = dict(type='mmssc.ContextVolumeUNet', channels=48, num_classes=12, shape=(20, 12, 20))
    keys = MODELS.build(dict(**net, scale_factor=1)).state_dict()
    state, _ = import_state_dict(
        reference, method, {f'volume_unet.{key}': value for key, value in keys.items()}
    )
    found = state['volume_unet.down2.3.downsample3.1.weight']
    assert torch.equal(found, reference['net_3d_decoder.process_1_8.1.main.downsample3.1.weight'])
    found = state['volume_unet.context.aspp.branches.2.norm1.bias']
    assert torch.equal(found, reference['net_3d_decoder.CP_mega_voxels.aspp.bn1.2.bias'])
    back, _ = export_state_dict(state, method)
    assert all(torch.equal(value, reference[key]) for key, value in back.items())


def test_lightning_file_is_read_without_its_package(tmp_path, monkeypatch):
    """Callback states are keyed by classes of a package that need not be installed."""
    name = 'pytorch_lightning.callbacks.model_checkpoint'
    module = types.ModuleType(name)
    module.ModelCheckpoint = type('ModelCheckpoint', (), {'__module__': name})
    parents = ('pytorch_lightning', 'pytorch_lightning.callbacks')
    for parent in parents:
        monkeypatch.setitem(sys.modules, parent, types.ModuleType(parent))
    monkeypatch.setitem(sys.modules, name, module)
    weights = {'net_rgb.decoder.conv2.bias': torch.arange(3.0)}
    content = dict(state_dict=weights, callbacks={module.ModelCheckpoint: {'best': 1.0}}, epoch=3)
    torch.save(content, tmp_path / 'a.ckpt')
    for loaded in (*parents, name):
        monkeypatch.delitem(sys.modules, loaded)
    state = read_state_dict(tmp_path / 'a.ckpt')
    assert torch.equal(state['net_rgb.decoder.conv2.bias'], torch.arange(3.0))
    assert 'pytorch_lightning' not in sys.modules


def test_names_are_taken_once():
    from monoscene.checkpoints import MONOSCENE

    register_method(MONOSCENE)
    other = types.SimpleNamespace(name='monoscene')
    with pytest.raises(ValueError, match="another method 'monoscene'"):
        register_method(other)


def test_importer_takes_the_project(tmp_path, run_importer):
    """The tool knows the method with --project, and refuses a checkpoint of something else."""
    torch.save(dict(state_dict={'a.weight': torch.zeros(2)}), tmp_path / 'other.ckpt')
    files = tmp_path / 'other.ckpt', tmp_path / 'x.pth'
    status, text = run_importer('monoscene', *files)
    assert status == 2 and 'a checkpoint of monoscene' in text
    status, text = run_importer('monoscen', *files)
    assert status == 2 and 'sgn' in text and 'monoscene-nyu' in text
    assert not (tmp_path / 'x.pth').exists()


def test_other_checkpoint_is_refused():
    with pytest.raises(DataError, match='a checkpoint of monoscene'):
        import_state_dict({'module.a': torch.zeros(1)}, METHODS['monoscene'])
