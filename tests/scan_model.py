"""A LiDAR model of one convolution, its config, and scans of a street."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from mmssc.datasets.transforms import ReadingTransform
from mmssc.geometry import scan_to_occupancy
from mmssc.models.completors import BaseCompletor
from mmssc.registry import MODELS, TRANSFORMS

GRID = dict(origin=[0.0, -6.4, -2.0], voxel_size=[0.4] * 3, shape=[32, 32, 8])
CLASSES = 20


@MODELS.register_module()
class TinyLidarCompletor(BaseCompletor):
    """Logits of one convolution over the occupancy, and over the brightest return of each voxel."""

    def __init__(self, voxel_grid, reads_reflectance=False, **options):
        super().__init__(voxel_grid, **options)
        self.reads_reflectance = reads_reflectance
        self.layer = nn.Conv3d(1 + reads_reflectance, CLASSES, 3, padding=1)

    def volumes(self, inputs):
        """(B, 1 or 2, X, Y, Z)."""
        occupancy = inputs.get('occupancy')
        if occupancy is None:
            scans = [scan_to_occupancy(points, self.voxel_grid) for points in inputs['points']]
            occupancy = torch.stack(scans)
        volumes = occupancy[:, None].float()
        if self.reads_reflectance:
            means = torch.stack([bright.mean() for bright in inputs['reflectance']])
            volumes = torch.cat([volumes, volumes * means.view(-1, 1, 1, 1, 1)], 1)
        return volumes

    def extract_feat(self, inputs):
        return self.layer(self.volumes(inputs))

    def loss(self, inputs, data_samples):
        labels = torch.stack([sample.gt_voxels for sample in data_samples]).long()
        logits = self.extract_feat(inputs)
        return dict(loss=nn.functional.cross_entropy(logits, labels, ignore_index=255))

    @torch.no_grad()
    def predict_logits(self, inputs):
        return self.extract_feat(inputs)

    def forward_tensors(self, inputs):
        return dict(logits=self.extract_feat(inputs))


@TRANSFORMS.register_module()
class TinyScanOccupancy(ReadingTransform):
    """An input ``occupancy`` that inferencers make of the points."""

    data_kind = 'lidar'
    inputs = ('occupancy',)

    def files(self, results):
        return []

    def transform(self, results):
        raise NotImplementedError


CONFIG = f"""
custom_imports = dict(imports=['scan_model'])
default_scope = 'mmssc'
model = dict(
    type='TinyLidarCompletor', voxel_grid={GRID!r}, reads_reflectance=True,
    data_preprocessor=dict(type='SSCDataPreprocessor'))
test_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='SemanticKITTIDataset', data_root='data/none',
        ann_file='semantickitti_infos_val.json', test_mode=True,
        pipeline=[
            dict(type='LoadDrivingPoints', source='velodyne', crop_to_grid=True),
            dict(type='LoadDrivingLabels', scales=('1_1',), optional=True),
            dict(type='PackSSCInputs')]))
val_dataloader = test_dataloader
test_evaluator = dict(type='SSCMetric')
val_evaluator = test_evaluator
test_cfg = dict()
val_cfg = dict()
"""


def write_config(path: Path) -> Path:
    path.write_text(CONFIG)
    return path


def street_scan(height: float = 1.73, noise: float = 0.01) -> np.ndarray:
    """(N, 4) float32: 64 beams over flat ground between two walls, beam by beam; intensity 0..1."""
    azimuth = np.linspace(0, 2 * np.pi, 500, endpoint=False)[None]
    elevation = np.deg2rad(np.linspace(2, -24.8, 64))[:, None]
    directions = np.stack(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth),
         np.sin(elevation) + 0 * azimuth], -1
    ).reshape(-1, 3)  # fmt: skip
    with np.errstate(divide='ignore'):
        ground = np.where(directions[:, 2] < 0, -height / directions[:, 2], np.inf)
        wall = 5 / np.abs(directions[:, 1])
    reach = np.minimum(ground, wall)
    seen = reach < 60
    rng = np.random.default_rng(0)
    points = directions[seen] * reach[seen, None] + rng.normal(0, noise, (int(seen.sum()), 3))
    return np.c_[points, np.where(ground < wall, 0.2, 0.7)[seen]].astype(np.float32)
