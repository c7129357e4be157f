"""Inputs of the parity cases of LMSCNet and SSCNet: scans and labels from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mmssc.datasets import CarlaSCDataset, SemanticKITTIDataset
from mmssc.formats.kitti import read_velodyne
from mmssc.geometry import pool_labels_class_first, scan_to_occupancy
from mmssc.models.heads.scaled_volume_head import target_name
from mmssc.parity import reference_fill as fill
from mmssc.parity.report import ParityCase, ParityReport, crc32
from mmssc.parity.sgn.inputs import make_cloud, make_labels
from mmssc.structures import SSCDataSample, VoxelGrid

__all__ = [
    'CARLA', 'KITTI', 'carla_occupancy', 'carla_samples', 'carla_selection', 'compare_occupancy',
    'full_inputs', 'kitti_scan', 'semantic_selection', 'tiny_inputs',
]  # fmt: skip

KITTI = VoxelGrid.build(SemanticKITTIDataset.METAINFO['voxel_grid'])
CARLA = VoxelGrid.build(CarlaSCDataset.METAINFO['voxel_grid'])
_TINY_SHAPE = (2, 32, 48, 16)
_NUM_CLASSES = 20
_IGNORE = 255


def full_inputs(
    case: ParityCase, seed: int, report: ParityReport
) -> tuple[Tensor, list[SSCDataSample]]:
    """Occupancy (1, X, Y, Z) and the sample with all targets, on the grid of SemanticKITTI."""
    cloud = np.ascontiguousarray(make_cloud(0, seed)[:, :3])
    report.equal('input/cloud_crc32_f4', crc32(cloud, '<f4'), case['input/cloud_crc32_f4'])
    occupancy = scan_to_occupancy(torch.from_numpy(cloud), KITTI)[None]
    samples = _with_targets(torch.from_numpy(make_labels('full', seed))[None])
    _compare_inputs(case, occupancy, samples, report)
    return occupancy, samples


def tiny_inputs(
    case: ParityCase, seed: int, report: ParityReport
) -> tuple[Tensor, list[SSCDataSample]]:
    """Occupancy (2, 32, 48, 16) and two samples with all targets."""
    occupancy = fill.uniform('tiny_occ', _TINY_SHAPE, seed) < 0.15
    coarse = fill.integers('tiny_label_coarse', (2, 8, 12, 4), seed, 0, 60)
    labels = np.where(coarse < 36, 0, np.where(coarse < 55, coarse - 35, _IGNORE))
    for axis in (1, 2, 3):
        labels = labels.repeat(4, axis)
    noise = fill.uniform('tiny_label_noise', _TINY_SHAPE, seed)
    other = fill.integers('tiny_label_noise_class', _TINY_SHAPE, seed, 0, _NUM_CLASSES)
    labels = np.where(noise < 0.02, other, labels)
    labels = np.where(noise > 0.97, _IGNORE, labels).astype(np.uint8)
    samples = _with_targets(torch.from_numpy(labels))
    _compare_inputs(case, torch.from_numpy(occupancy), samples, report)
    return torch.from_numpy(occupancy), samples


def _compare_inputs(
    case: ParityCase, occupancy: Tensor, samples: Sequence[SSCDataSample], report: ParityReport
) -> None:
    compare_occupancy('input', occupancy, case, report)
    for scale in (1, 2, 4, 8):
        target = torch.stack([sample.get(target_name(scale)) for sample in samples]).numpy()
        name = f'input/label_1_{scale}'
        report.equal(f'{name}_crc32_u1', crc32(target, 'u1'), case[f'{name}_crc32_u1'])
        hist = np.bincount(target.reshape(-1), minlength=256)
        report.equal(f'{name}_hist', hist, case[f'{name}_hist'])
        if name in case:
            report.equal(name, target, case[name])


def compare_occupancy(name: str, occupancy: Tensor, case: ParityCase, report: ParityReport) -> None:
    """Compare the voxels of a scan (B, X, Y, Z) with the figures ``NAME/occ_*``."""
    packed = np.packbits(occupancy.numpy())
    report.equal(f'{name}/occ_count', int(occupancy.sum()), case[f'{name}/occ_count'])
    report.equal(f'{name}/occ_crc32', crc32(packed), case[f'{name}/occ_crc32'])
    if f'{name}/occ_packed' in case:
        report.equal(f'{name}/occ_packed', packed, case[f'{name}/occ_packed'])


def _with_targets(labels: Tensor) -> list[SSCDataSample]:
    """Samples with the targets of all scales, pooled by the rule of LMSCNet."""
    samples = []
    for volume in labels:
        sample = SSCDataSample()
        sample.set_data({target_name(1): volume})
        for scale in (2, 4, 8):
            pooled = pool_labels_class_first(volume, scale, _NUM_CLASSES)
            sample.set_data({target_name(scale): pooled})
        samples.append(sample)
    return samples


def semantic_selection(target: Tensor, seed: int) -> Tensor:
    """The voxels that SSCNet's loss of SemanticKITTI selects in a case, bool (B, X, Y, Z).

    The reference lists empty voxels in the order x, z, y, with y fastest.
    """
    selected = (target != 0) & (target != _IGNORE)
    for number, volume in enumerate(target):
        empty = torch.nonzero((volume == 0).permute(0, 2, 1))
        count = 2 * int(selected[number].sum())
        name = f'sscnet_free_{number}'
        draw = torch.from_numpy(fill.integers(name, (count,), seed, 0, len(empty)))
        x, z, y = empty[draw].unbind(1)
        selected[number, x, y, z] = True
    return selected


def carla_occupancy(seed: int) -> Tensor:
    """The synthetic scan on the grid of CarlaSC, (1, 128, 128, 8) bool."""
    u = fill.uniform('carla_occ', CARLA.shape, seed).astype(np.float64)
    i, j, k = np.meshgrid(*(np.arange(side) for side in CARLA.shape), indexing='ij')
    x, y = (-25.6 + 0.4 * (index + 0.5) for index in (i, j))
    radius = np.sqrt(x**2 + y**2)
    occupied = (k == 0) & (radius > 2) & (u < np.exp(-radius / 12))
    occupied |= ((j == 40) | (j == 87)) & (u < 0.5)
    for a, b, c, d in fill.integers('carla_box', (12, 4), seed, 0, 1000):
        box = (i >= a % 116) & (i < a % 116 + 3 + c % 10)
        box &= (j >= b % 122) & (j < b % 122 + 3 + d % 4) & (k < 4)
        occupied |= box & (u < 0.4)
    return torch.from_numpy(occupied)[None]


def kitti_scan(root: Path, frame: str) -> Tensor | None:
    """The voxels that a scan of KITTI hits on the grid of CarlaSC, (1, 128, 128, 8).

    Args:
        root: A SemanticKITTI tree.
        frame: Sequence and frame, ``'00/000000'``.

    Returns:
        None if the tree does not have the scan.
    """
    sequence, number = frame.split('/')
    path = root / 'dataset' / 'sequences' / sequence / 'velodyne' / f'{number}.bin'
    if not path.is_file():
        return None
    return scan_to_occupancy(torch.from_numpy(read_velodyne(path)), CARLA)[None]


def carla_samples(case: ParityCase, seed: int, report: ParityReport) -> list[SSCDataSample]:
    """The sample with the labels of the synthetic scan."""
    raw = fill.integers('carla_label', CARLA.shape, seed, 1, 23)
    raw = np.where(fill.uniform('carla_label_u', CARLA.shape, seed) < 0.85, 0, raw)
    counts = fill.integers('carla_count', CARLA.shape, seed, 0, 3)
    labels = CarlaSCDataset.train_labels(raw, counts)
    report.equal('target/raw_crc32_u1', crc32(raw, 'u1'), case['target/raw_crc32_u1'])
    report.equal('target/valid', int((labels != _IGNORE).sum()), case['target/valid'])
    every = CarlaSCDataset.train_labels(raw, np.ones_like(counts))
    hist = np.bincount(every.reshape(-1), minlength=11)
    report.equal('target/hist11', hist, case['target/hist11'])
    sample = SSCDataSample()
    sample.gt_voxels = torch.from_numpy(labels)
    return [sample]


def carla_selection(target: Tensor, seed: int) -> Tensor:
    """The voxels that SSCNet-full's loss of CarlaSC selects in a case, bool (B, X, Y, Z)."""
    flat = target.reshape(-1)
    selected = (flat != 0) & (flat != _IGNORE)
    empty = torch.nonzero(flat == 0)[:, 0]
    order = np.argsort(fill.uniform('carla_free', (len(empty),), seed), kind='stable')
    drawn = torch.from_numpy(order[: 2 * int(selected.sum())])
    selected[empty[drawn]] = True
    return selected.view(target.shape)
