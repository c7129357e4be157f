"""The lidar checkpoint of the repository: size, safety, figures on a synthetic street."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_configs import ROOT

from mmssc.apis import LidarInferencer
from mmssc.datasets import SemanticKITTIDataset
from mmssc.evaluation.metrics import SSCMetric
from mmssc.structures import VoxelGrid
from mmssc.synthetic.streets.drive import DriveSettings, SyntheticDrive
from mmssc.synthetic.streets.lidar import LidarModel

NAME = 'light_lidar_streets'
WEIGHTS = ROOT / f'checkpoints/{NAME}.pth'
MAX_BYTES = 8_000_000
# SC IoU and SSC mIoU, percent.
EXPECTED = (56.2, 10.0)


@pytest.fixture(scope='module')
def street():
    """Scan (N, 4) and labels (X, Y, Z) of one frame of a street that was not trained on."""
    grid = VoxelGrid((0.0, -25.6, -2.0), (0.2, 0.2, 0.2), (256, 256, 32))
    settings = DriveSettings(frames=1, grid=grid, lidar_size=(64, 1000), lidar=LidarModel())
    drive = SyntheticDrive('21', settings)
    truth = drive.annotate(0)
    labels = SemanticKITTIDataset.train_labels(truth.labels, truth.invalid, 'street')
    return drive.scan(0)[0], labels


def test_the_file_is_small_and_safe():
    assert WEIGHTS.stat().st_size < MAX_BYTES
    stored = torch.load(WEIGHTS, weights_only=True)
    assert set(stored) == {'meta', 'state_dict'}
    classes = SemanticKITTIDataset.METAINFO['classes']
    assert tuple(stored['meta']['dataset_meta']['classes']) == tuple(classes)


def test_the_recorded_figures_by_name(street):
    points, labels = street
    inferencer = LidarInferencer(NAME, NAME, 'cpu')
    sample = inferencer(points)
    truth = torch.from_numpy(np.ascontiguousarray(labels))
    classes = SemanticKITTIDataset.METAINFO['classes']
    found = SSCMetric.calculate([sample.pred_voxels], [truth], classes)
    assert (found['SC_IoU'], found['SSC_mIoU']) == pytest.approx(EXPECTED, abs=0.5)
