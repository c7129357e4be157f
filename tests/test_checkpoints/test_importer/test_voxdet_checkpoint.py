"""VoxDet-LiDAR checkpoints: every tensor is moved, and back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmssc.checkpoints import export_state_dict, get_method, import_state_dict
from mmssc.errors import DataError
from mmssc.parity.reference_fill import read_manifest
from mmssc.registry import MODELS

ROOT = Path(__file__).parents[3]
DATA = ROOT / 'tests' / 'data' / 'parity' / 'voxdet'
METHOD = get_method('voxdet-lidar')


def make_reference(manifest: str) -> dict[str, torch.Tensor]:
    """A checkpoint of the right shapes; the numbers do not matter here."""
    return {
        f'model.{key}': torch.full(shape, float(number))
        for number, (key, shape) in enumerate(read_manifest(DATA / manifest).items())
    }


@pytest.fixture(scope='module')
def reference():
    return make_reference('manifest_lidar_tiny.csv')


def test_every_tensor_is_moved_and_comes_back(reference):
    state, report = import_state_dict(reference, METHOD)
    assert len(state) == len(reference) and not report.dropped and not report.kept
    exported, back = export_state_dict(state, METHOD)
    assert {f'model.{key}' for key in exported} == set(reference) and not back.missing
    assert all(torch.equal(value, reference[f'model.{key}']) for key, value in exported.items())


def test_the_released_shapes_fit_the_shipped_config():
    cfg = Config.fromfile(ROOT / 'configs/voxdet/voxdet-lidar_semantickitti.py')
    model = MODELS.build(cfg.model)
    state, report = import_state_dict(
        make_reference('manifest_lidar.csv'), METHOD, model.state_dict()
    )
    model.load_state_dict(state, strict=True)
    assert report.result_parameters == 22084900
    assert sum(parameter.numel() for parameter in model.parameters()) == 22084900


def test_another_number_of_classes_is_refused(reference):
    other = dict(reference)
    for key in METHOD.class_keys:
        other[f'model.{key}'] = torch.zeros(19, *reference[f'model.{key}'].shape[1:])
    with pytest.raises(DataError, match='20'):
        import_state_dict(other, METHOD)


def test_an_incomplete_checkpoint_is_refused(reference):
    broken = {key: value for key, value in reference.items() if 'refine_conv.3.out' not in key}
    with pytest.raises(DataError, match='missing: head.refinements.3.out'):
        import_state_dict(broken, METHOD)
