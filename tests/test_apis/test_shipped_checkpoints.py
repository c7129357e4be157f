"""The checkpoints of the repository: size, safety, and what they score on a made-up room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mmssc.apis import RGBDInferencer
from mmssc.datasets import NYUDataset
from mmssc.evaluation.metrics import SSCMetric
from mmssc.formats.numpy_arrays import read_npz
from mmssc.geometry import depth_volumes, label_weight

ROOT = Path(__file__).resolve().parents[2]
ROOM = ROOT / 'tests/data/light/room.npz'
CAMERA = (259.42895, 259.42895, 160.0, 120.0)
MAX_BYTES = 8_000_000
# SC IoU on the voxels of the NYU protocol and mIoU of the classes that the room has, in percent.
EXPECTED = {'light_depth_nyu': (90.2, 51.3), 'light_seg_nyu': (91.3, 61.9)}


@pytest.fixture(scope='module')
def room():
    keys = ['depth_mm', 'labels', 'cam2world', 'origin', 'segmentation']
    stored = dict(read_npz(ROOM, keys))
    stored['depth'] = stored.pop('depth_mm').astype(np.float32) / 1000
    return stored


def scores(sample, room):
    """As the NYU protocol counts: visible surface and hidden space, SC in the latter alone."""
    camera = torch.tensor([[CAMERA[0], 0, CAMERA[2]], [0, CAMERA[1], CAMERA[3]], [0, 0, 1]])
    pose = torch.from_numpy(room['cam2world'].copy()).float()
    volumes = depth_volumes(torch.from_numpy(room['depth']), camera, pose, sample.voxel_grid)
    labels = torch.from_numpy(room['labels'].copy())
    semantics = label_weight(labels, volumes.tsdf)
    completion = semantics & (volumes.voxel_to_pixel < 0)
    classes = NYUDataset.METAINFO['classes']
    found = [
        SSCMetric.calculate([sample.pred_voxels], [labels], classes, [mask])
        for mask in (completion, semantics)
    ]
    present = [classes[index] for index in labels.unique().tolist() if 0 < index < 255]
    miou = np.mean([found[1][f'SSC_{name}_IoU'] for name in present])
    return found[0]['SC_IoU'], miou


@pytest.mark.parametrize('name', EXPECTED)
def test_the_file_is_small_and_safe(name):
    path = ROOT / f'checkpoints/{name}.pth'
    assert path.stat().st_size < MAX_BYTES
    stored = torch.load(path, weights_only=True)
    assert set(stored) == {'meta', 'state_dict'}
    assert stored['meta']['dataset_meta']['classes'] == NYUDataset.METAINFO['classes']


@pytest.mark.parametrize('amp', [False, True])
@pytest.mark.parametrize('name', EXPECTED)
def test_the_recorded_figures(name, amp, room):
    inferencer = RGBDInferencer(
        ROOT / f'configs/light/{name}.py', ROOT / f'checkpoints/{name}.pth', 'cpu', amp=amp
    )
    segmentation = room['segmentation'] if 'seg' in name else None
    sample = inferencer(
        room['depth'], CAMERA, room['cam2world'], segmentation=segmentation, hide_unknown=False
    )
    assert scores(sample, room) == pytest.approx(EXPECTED[name], abs=0.5)
