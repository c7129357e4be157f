"""Symphonies checkpoints: what is renamed, dropped, kept, refused; and the way back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmssc.checkpoints import export_state_dict, get_method, import_state_dict
from mmssc.errors import DataError
from mmssc.geometry.working_volume import normalized_centers
from mmssc.parity.reference_fill import read_manifest

MANIFEST = Path(__file__).parents[2] / 'data' / 'parity' / 'symphonies' / 'manifest_small.csv'
METHOD = get_method('symphonies')


@pytest.fixture(scope='module')
def reference():
    """A checkpoint of the right shapes; the numbers do not matter here."""
    state = {
        key: torch.full(shape, float(number))
        for number, (key, shape) in enumerate(read_manifest(MANIFEST).items())
    }
    shape = state['decoder.voxel_grid'].shape[1:]
    state['decoder.voxel_grid'] = normalized_centers(shape, 'centers')
    return state


@pytest.fixture(scope='module')
def imported(reference):
    lightning = {f'model.{key}': value for key, value in reference.items()}
    return import_state_dict(lightning, METHOD)


def test_every_tensor_is_moved_or_named(reference, imported):
    state, report = imported
    dropped = [key for key, _ in report.dropped]
    assert len(reference) == 691 == len(state) + len(dropped)
    assert 'decoder.image_grid' in dropped and len(dropped) == 10
    assert sum('pixel_decoder' in key for key in dropped) == 8
    text = report.summary()
    assert "voxel_grid: (i + 0.5) / n, that is grid_alignment='centers'" in text
    assert 'mask branch of MaskDINO' in text


def test_the_voxel_grid_of_the_checkpoint_is_kept(reference, imported):
    state, _ = imported
    assert torch.equal(state['head.decoder.voxel_grid'], reference['decoder.voxel_grid'])
    assert not torch.equal(
        state['head.decoder.voxel_grid'], normalized_centers((32, 32, 8), 'corners')
    )


def test_the_way_back(reference, imported):
    state, report = imported
    exported, back = export_state_dict(state, METHOD)
    dropped = {key for key, _ in report.dropped}
    assert exported.keys() == reference.keys() - dropped
    assert all(torch.equal(value, reference[key]) for key, value in exported.items())
    assert any('mask_features' in key for key, _ in back.missing)


def test_the_misspelt_module_is_spelt_right(imported):
    names = [name for name in imported[0] if 'query_image_cross' in name]
    assert len(names) == 48 and all('query_image_cross_deform_attn' in name for name in names)


def test_without_the_prefix_of_lightning(reference, imported):
    state, _ = import_state_dict(reference, METHOD)
    assert state.keys() == imported[0].keys()


def test_an_incomplete_checkpoint_is_refused(reference):
    broken = {key: value for key, value in reference.items() if 'scene_pos.proj' not in key}
    with pytest.raises(DataError, match=r'2 missing: head.decoder.scene_pos.proj.weight'):
        import_state_dict(broken, METHOD)
    other = dict(reference)
    other['encoder.model.panoptic_head.predictor.query_feat.weight'] = torch.zeros(2, 2)
    with pytest.raises(DataError, match='1 unknown: encoder.model.panoptic_head.predictor'):
        import_state_dict(other, METHOD)
