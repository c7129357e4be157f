"""Parity of SGN's parts outside the network: geometry, data, losses, metric, schedule."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.optim import CosineAnnealingLR, LinearLR
from torch import Tensor, nn

from mmssc.datasets import SemanticKITTIDataset, SSCBenchKITTI360Dataset
from mmssc.datasets.driving_list import write_driving_list
from mmssc.datasets.label_rules import learning_table
from mmssc.datasets.sscbench_kitti360 import kitti360_calibration
from mmssc.datasets.transforms import CropDrivingImages, PackSSCInputs
from mmssc.evaluation import SSCMetric
from mmssc.evaluation.functional import count_voxels, scores_from_counts, sum_counts
from mmssc.evaluation.submission import raw_id_table
from mmssc.formats.matrices import to_homogeneous
from mmssc.geometry import (
    depth_to_points,
    disparity_to_depth,
    invert_rigid,
    pool_labels,
    voxel_to_pixel,
)
from mmssc.models.data_preprocessors import SSCDataPreprocessor
from mmssc.models.losses import (
    GeometricScalLoss,
    LovaszSoftmaxLoss,
    SemanticScalLoss,
    VoxelCrossEntropyLoss,
    class_weights_from_counts,
)
from mmssc.parity import reference_fill as fill
from mmssc.parity.report import ParityCase, ParityReport, crc32, seed_of_units
from mmssc.structures import VoxelGrid

from .blocks import check_blocks
from .inputs import read_calib_text

__all__ = ['check_sgn_units']

_CLOSE = 1e-4
_LOSS = 1e-5
_GRID = VoxelGrid((0.0, -25.6, -2.0), 0.4, (128, 128, 16))
_STRIDE = 16
_IMAGE_SIZES = {'kitti': (370, 1220), 'kitti360': (376, 1408)}
_BASELINE_FOCAL = {'kitti': 381.8293, 'kitti360': 331.5325566}
_DATASETS = {'semantickitti': SemanticKITTIDataset, 'kitti360': SSCBenchKITTI360Dataset}


def check_sgn_units(case: ParityCase, report: ParityReport) -> None:
    """Compare every unit case of a ``units_N.npz``."""
    seed = seed_of_units(case)
    with tempfile.TemporaryDirectory() as folder:
        calib = read_calib_text(Path(folder))
        _check_frames(case, report, Path(folder), calib)
    _check_projection(case, report)
    _check_poses(case, report, calib)
    _check_labels(case, report)
    _check_metric(case, report)
    for name in _DATASETS:
        _check_losses(case, report, name, seed)
    _check_pseudo_lidar(case, report, calib, seed)
    _check_image(case, report, seed)
    _check_schedule(case, report)
    check_blocks(case, report, seed)
    report.note_unused(case)


def _check_projection(case: ParityCase, report: ParityReport) -> None:
    for name in sorted({key.split('/')[1] for key in case.below('vox2pix/')}):
        root = f'vox2pix/{name}'
        size = _IMAGE_SIZES[name.split('_')[0]]
        ref2cam, cam2img = torch.from_numpy(case[f'{root}/E']), torch.from_numpy(case[f'{root}/K'])
        pixels, visible = voxel_to_pixel(_GRID, ref2cam, cam2img, size)
        report.equal(f'{root}/pix/shape', pixels.shape, case[f'{root}/pix/shape'])
        index = case[f'{root}/pix/idx'].astype(np.int64)
        report.equal(f'{root}/pix', pixels.reshape(-1)[index], case[f'{root}/pix/val'])
        report.equal(f'{root}/fov_count', int(visible.sum()), case[f'{root}/fov_count'])
        report.equal(f'{root}/fov_packed', np.packbits(visible), case[f'{root}/fov_packed'])
        height, width = (-(-side // _STRIDE) for side in size)
        cell = torch.where(
            visible, pixels[:, 1] // _STRIDE * width + pixels[:, 0] // _STRIDE, height * width
        )
        report.equal(f'{root}/cell_crc32', crc32(cell, '<i4'), case[f'{root}/cell_crc32'])
        if f'{root}/cell' in case:
            report.equal(f'{root}/cell', cell, case[f'{root}/cell'])


def _check_poses(case: ParityCase, report: ParityReport, calib: dict[str, np.ndarray]) -> None:
    projection, lidar2cam = kitti360_calibration()
    report.equal('calib_kitti360/P', projection, case['calib_kitti360/P'])
    report.close(
        'calib_kitti360/T_velo_2_cam', lidar2cam, case['calib_kitti360/T_velo_2_cam'], absolute=1e-9
    )
    cameras = to_homogeneous(case['pose/kitti_lines'].reshape(-1, 3, 4))
    found = SemanticKITTIDataset.lidar_poses(cameras, to_homogeneous(calib['Tr']))
    report.close('pose/kitti_lidar', found, case['pose/kitti_lidar'], absolute=1e-9)
    vehicles = to_homogeneous(case['pose/kitti360_lines'][:, 1:].reshape(-1, 3, 4))
    found = SSCBenchKITTI360Dataset.lidar_poses(vehicles, lidar2cam)
    report.close('pose/kitti360_lidar', found, case['pose/kitti360_lidar'], absolute=1e-9)


def _check_frames(
    case: ParityCase, report: ParityReport, folder: Path, calib: dict[str, np.ndarray]
) -> None:
    """Which frames are read near the ends of a drive and around missing poses."""
    projection, lidar2cam = kitti360_calibration()
    kitti = dict(
        P2=calib['P2'],
        lidar2cam=to_homogeneous(calib['Tr']),
        poses=to_homogeneous(case['pose/kitti_lines'].reshape(-1, 3, 4)),
    )
    lines = case['pose/kitti360_lines']
    kitti360 = dict(
        P2=projection,
        lidar2cam=lidar2cam,
        poses=to_homogeneous(lines[:, 1:].reshape(-1, 3, 4)),
        pose_indices=lines[:, 0].astype(np.int64),
    )
    for name, dataset, sequence, offsets in (
        ('kitti', SemanticKITTIDataset, kitti, (-12, -9, -6, -3)),
        ('kitti360', SSCBenchKITTI360Dataset, kitti360, case['fallback/kitti360_offsets'].tolist()),
    ):
        query = case[f'fallback/{name}_query'].tolist()
        grid = dataset.METAINFO['voxel_grid']
        write_driving_list(
            folder / f'{name}.json',
            dict(
                metainfo=dict(
                    dataset=dataset.METAINFO['dataset'],
                    split='val',
                    format_version=1,
                    voxel_grid=VoxelGrid.build(grid),
                ),
                sequences={'0': sequence},
                data_list=[
                    dict(sequence='0', frame_id=f'{frame:06d}', labelled=False) for frame in query
                ],
            ),
        )
        samples = dataset(
            ann_file=str(folder / f'{name}.json'), frame_offsets=offsets, test_mode=True
        )
        found = [
            [int(frame['frame_id']) for frame in samples.get_data_info(number)['frames']]
            for number in range(len(samples))
        ]
        report.equal(f'fallback/{name}_frames', found, case[f'fallback/{name}_frames'])


def _check_labels(case: ParityCase, report: ParityReport) -> None:
    raw = case['label/raw_u2']
    invalid = np.unpackbits(case['label/invalid_bytes']).astype(bool).reshape(raw.shape)
    labels = SemanticKITTIDataset.train_labels(raw, invalid)
    report.equal('label/lab_1_1', labels, case['label/lab_1_1'])
    coarse = pool_labels(torch.from_numpy(labels), 2, 20)
    report.equal('label/lab_1_2', coarse, case['label/lab_1_2'])
    table = learning_table(SemanticKITTIDataset.METAINFO['learning_map'])
    report.equal('label/lut', table, case['label/lut'])
    table = raw_id_table(SemanticKITTIDataset.METAINFO['inverse_learning_map'])
    report.equal('export/raw_of_class', table, case['export/raw_of_class'])


def _check_metric(case: ParityCase, report: ParityReport) -> None:
    predictions, targets = case['metric/pred'], case['metric/target']
    for name, volumes in (('pred', predictions), ('target', targets)):
        report.equal(f'metric/{name}_crc32_u1', crc32(volumes), case[f'metric/{name}_crc32_u1'])
    classes = len(case['metric/tps'])
    pairs = zip(torch.from_numpy(predictions), torch.from_numpy(targets))
    counts = sum_counts((count_voxels(p, t, classes) for p, t in pairs), classes)
    # The reference counts every voxel without a label as a hit of class 0.
    semantics = counts.semantics.clone()
    semantics[0, 0] += counts.ignored
    for name, row in zip(('tps', 'fps', 'fns'), semantics):
        report.equal(f'metric/{name}', row, case[f'metric/{name}'])
    for name, count in zip(('tp', 'fp', 'fn'), counts.completion):
        key = f'metric/completion_{name}'
        report.equal(key, count.reshape(1), case[key])
    scores = scores_from_counts(counts, ignored_as_empty=True)
    found = np.array(scores.class_iou) / 100
    report.close('metric/iou_ssc', found, case['metric/iou_ssc'], absolute=1e-6)
    found = np.array([scores.precision, scores.recall, scores.iou, scores.miou]) / 100
    key = 'metric/precision_recall_iou_miou'
    report.close(key, found, case[key], absolute=1e-6)
    names = [f'c{number}' for number in range(classes)]
    figures = SSCMetric.calculate(list(predictions), list(targets), names, ignored_as_empty=True)
    expected = dict(zip(case['metric/evaluate_keys'].tolist(), case['metric/evaluate_values']))
    report.equal('metric/evaluate_keys', [f'semkitti_{key}' for key in figures], list(expected))
    # Two decimals: a value in the middle may round either way.
    values = [figures[key[len('semkitti_') :]] for key in expected]
    report.close('metric/evaluate_values', values, list(expected.values()), absolute=0.0101)


def _check_losses(case: ParityCase, report: ParityReport, name: str, seed: int) -> None:
    root, metainfo = f'loss/{name}', _DATASETS[name].METAINFO
    classes = len(metainfo['classes'])
    weights = class_weights_from_counts(metainfo['class_counts'])
    report.close(f'{root}/class_weights', weights, case[f'{root}/class_weights'], absolute=1e-9)
    report.equal(f'{root}/class_names', list(metainfo['classes']), case[f'{root}/class_names'])
    target = torch.from_numpy(case[f'{root}/target'])[None]
    logits = fill.normal(f'loss_logits_{classes}', (1, classes, *target.shape[1:]), seed, 2.0)
    for term, loss in (
        ('ce', VoxelCrossEntropyLoss(class_weight=weights)),
        ('sem_scal', SemanticScalLoss()),
        ('geo_scal', GeometricScalLoss()),
    ):
        gradient = _check_loss(loss, logits, target, f'{root}/{term}', case, report)
        report.probed(case, f'{root}/{term}_grad', gradient, _CLOSE)
    logits = fill.normal(f'loss_seed_logits_{classes}', (600, classes), seed, 2.0)
    labels = fill.integers(f'loss_seed_target_{classes}', (600,), seed, 0, classes + 3)
    target = torch.from_numpy(np.where(labels >= classes, 255, labels))
    _check_loss(LovaszSoftmaxLoss(), logits, target, f'{root}/lovasz', case, report)
    _check_loss(VoxelCrossEntropyLoss(), logits, target, f'{root}/seed_ce', case, report)


def _check_loss(
    loss: nn.Module,
    logits: np.ndarray,
    target: Tensor,
    name: str,
    case: ParityCase,
    report: ParityReport,
) -> Tensor:
    variable = torch.from_numpy(logits).requires_grad_()
    value = loss(variable, target)
    report.close(name, value, case[name], relative=_LOSS)
    gradient = torch.autograd.grad(value, variable)[0]
    if f'{name}_grad_l2' in case:
        norm = gradient.double().norm()
        report.close(f'{name}_grad_l2', norm, case[f'{name}_grad_l2'], relative=_CLOSE)
    return gradient


def _check_pseudo_lidar(
    case: ParityCase, report: ParityReport, calib: dict[str, np.ndarray], seed: int
) -> None:
    projection, lidar2cam = kitti360_calibration()
    cameras = {
        'kitti': (calib['P2'], to_homogeneous(calib['Tr'])),
        'kitti360': (projection, lidar2cam),
    }
    for name, (matrix, extrinsic) in cameras.items():
        expected = case[f'pseudo_lidar/{name}_depth']
        disparity = torch.from_numpy(fill.uniform('disparity', expected.shape, seed, 0.5, 90))
        depth = disparity_to_depth(disparity, _BASELINE_FOCAL[name])
        report.close(f'pseudo_lidar/{name}_depth', depth, expected, relative=1e-7)
        cam2lidar = invert_rigid(torch.from_numpy(extrinsic))
        points = depth_to_points(depth, torch.from_numpy(matrix), cam2lidar).float()
        points = torch.cat([points, torch.ones(len(points), 1)], 1)
        key = f'pseudo_lidar/{name}'
        report.close(key, points, case[key], relative=1e-6, absolute=1e-5)


def _check_image(case: ParityCase, report: ParityReport, seed: int) -> None:
    image = fill.integers('image_u8', (376, 1241, 3), seed, 0, 256).astype(np.uint8)
    results: dict[str, Any] = dict(img=[image], img_paths=['image'])
    packed = PackSSCInputs()(CropDrivingImages(_IMAGE_SIZES['kitti'])(results))
    inputs = dict(img=[packed['inputs']['img']], cam2img=[], lidar2cam=[])
    batch = SSCDataPreprocessor()(dict(inputs=inputs))
    report.probed(case, 'image/normalised', batch['inputs']['img'][0, 0], 1e-6)


def _check_schedule(case: ParityCase, report: ParityReport) -> None:
    """Linear warm-up per iteration, cosine per epoch."""
    optimizer = torch.optim.AdamW([torch.zeros(1)], lr=2e-4)
    warm_up = LinearLR(optimizer, start_factor=1 / 3, by_epoch=False, begin=0, end=501)
    cosine = CosineAnnealingLR(optimizer, T_max=48, eta_min=2e-7, by_epoch=True)
    optimizer.step()  # schedulers warn without
    length = case.integer('lr/iters_per_epoch')
    wanted = case['lr/iteration'].tolist()
    found = {}
    for iteration in range(max(wanted) + 1):
        if iteration and iteration % length == 0:
            cosine.step()
        if iteration in wanted:
            found[iteration] = optimizer.param_groups[0]['lr']
        warm_up.step()
    values = [found[iteration] for iteration in wanted]
    report.close('lr/value', values, case['lr/value'], relative=1e-10)
