"""Parity of the parts that Symphonies and MonoScene share outside their networks: unit cases.

Projection, frustums, context relations, losses, metric, multi-scale lifting, class weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmssc.datasets import SemanticKITTIDataset, SSCBenchKITTI360Dataset
from mmssc.datasets.sscbench_kitti360 import kitti360_calibration
from mmssc.evaluation.functional import count_voxels, scores_from_counts, sum_counts
from mmssc.geometry import (
    assign_frustums,
    context_relations,
    count_frustum_classes,
    project_voxels,
    voxel_to_pixel,
)
from mmssc.models.layers import ResidualASPP3d
from mmssc.models.lifters import lift_pyramid
from mmssc.models.losses import (
    ContextRelationLoss,
    FrustumProportionLoss,
    GeometricScalLoss,
    LovaszSoftmaxLoss,
    SemanticScalLoss,
    VoxelCrossEntropyLoss,
    class_weights_from_counts,
)
from mmssc.parity import reference_fill as fill
from mmssc.structures import VoxelGrid

from .report import ParityCase, ParityReport, crc32, seed_of_units

__all__ = [
    'CALIBRATIONS', 'NYU_INTRINSICS', 'check_frustum_units', 'check_loss', 'make_target',
]  # fmt: skip

_CLOSE, _LOSS, _GRADIENT = 1e-4, 1e-5, 1e-4
_CLASSES, _RELATION_CLASSES = 20, 5
_FULL, _COARSE = (256, 256, 32), (128, 128, 16)
_KITTI, _KITTI360, _NYU = (370, 1220), (376, 1408), (480, 640)
# Seed -> P2[:, :3] and Tr of the odometry sequence that the cases of that seed use.
CALIBRATIONS = {
    1: (
        np.array([[707.0912, 0, 601.8873], [0, 707.0912, 183.1104], [0, 0, 1]]),
        np.array([
            [-1.857739385241e-03, -9.999659513510e-01, -8.039975204516e-03, -4.784029760483e-03],
            [-6.481465826011e-03, 8.051860151134e-03, -9.999466081774e-01, -7.337429464231e-02],
            [9.999773098287e-01, -1.805528627661e-03, -6.496203536139e-03, -3.339968064433e-01],
            [0, 0, 0, 1],
        ]),
    ),
    2: (
        np.array([[718.856, 0, 607.1928], [0, 718.856, 185.2157], [0, 0, 1]]),
        np.array([
            [4.276802385584e-04, -9.999672484946e-01, -8.084491683471e-03, -1.198459927713e-02],
            [-7.210626507497e-03, 8.081198471645e-03, -9.999413164504e-01, -5.403984729748e-02],
            [9.999738645903e-01, 4.859485810390e-04, -7.206933692422e-03, -2.921968648686e-01],
            [0, 0, 0, 1],
        ]),
    ),
}  # fmt: skip
NYU_INTRINSICS = np.array([[518.8579, 0, 320], [0, 518.8579, 240], [0, 0, 1]])
# With float32 poses, voxels in the camera's plane (never visible) differ by some pixels.
_NYU_PIXELS = 10


def check_frustum_units(case: ParityCase, report: ParityReport) -> None:
    """Compare the shared parts with a ``units_N.npz``."""
    seed = seed_of_units(case)
    _check_projection(case, report, seed)
    _check_nyu_projection(case, report, seed)
    _check_frustums(case, report, seed)
    _check_relations(case, report)
    _check_losses(case, report, seed)
    _check_relation_loss(case, report, seed)
    _check_edge_cases(case, report, seed)
    _check_metric(case, report, seed)
    _check_lifting(case, report, seed)
    _check_aspp(case, report, seed)
    _check_class_weights(case, report)


def make_target(name: str, shape: tuple[int, ...], seed: int, num_classes: int) -> np.ndarray:
    """A label volume of the recipe of the cases: 80 % empty, 5 % ignored, uint8."""
    chance = fill.uniform(f'{name}_u', shape, seed)
    classes = fill.integers(name, shape, seed, 1, num_classes)
    return np.where(chance < 0.8, 0, np.where(chance >= 0.95, 255, classes)).astype(np.uint8)


def _points(prefix: str, count: int, seed: int, suffix: object = '') -> tuple[Tensor, Tensor]:
    """Random projections: pixels (count, 2) and depth (count,)."""
    u = fill.integers(f'{prefix}x{suffix}', (count,), seed, -100, 1320)
    v = fill.integers(f'{prefix}y{suffix}', (count,), seed, -60, 430)
    depth = fill.normal(f'{prefix}z{suffix}', (count,), seed) * 10 + 15
    return torch.from_numpy(np.stack([u, v], 1)), torch.from_numpy(depth)


def _check_projection(case: ParityCase, report: ParityReport, seed: int) -> None:
    calibration = CALIBRATIONS[2 - seed % 2]
    kitti360 = kitti360_calibration()
    report.equal('vox2pix_kitti360/velo2cam', kitti360[1], case['vox2pix_kitti360/velo2cam'])
    for root, size, scale, (intrinsics, ref2cam) in (
        ('vox2pix_kitti/1', _KITTI, 1, calibration),
        ('vox2pix_kitti/2', _KITTI, 2, calibration),
        ('vox2pix_kitti360', _KITTI360, 2, (kitti360[0][:, :3], kitti360[1])),
    ):
        shape = _FULL if scale == 1 else _COARSE
        grid = VoxelGrid((0.0, -25.6, -2.0), 0.2 * scale, shape)
        camera = torch.from_numpy(ref2cam), torch.from_numpy(intrinsics)
        pixels, visible = voxel_to_pixel(grid, *camera, size, rule='monoscene')
        index = case[f'{root}/pix_idx']
        report.equal(f'{root}/pix', pixels.reshape(-1)[index], case[f'{root}/pix_val'])
        report.equal(f'{root}/fov_count', int(visible.sum()), case[f'{root}/fov_count'])
        report.equal(f'{root}/fov_crc32', crc32(np.packbits(visible)), case[f'{root}/fov_crc32'])
        if f'{root}/pix_infov_crc32' in case:
            seen = crc32(pixels[visible], '<i8')
            report.equal(f'{root}/pix_infov_crc32', seen, case[f'{root}/pix_infov_crc32'])
        if f'{root}/z_idx' in case:
            depth = project_voxels(grid, *camera, rule='monoscene')[1]
            found = depth[case[f'{root}/z_idx']]
            report.close(f'{root}/z', found, case[f'{root}/z_val'], absolute=1e-12)


def _check_nyu_projection(case: ParityCase, report: ParityReport, seed: int) -> None:
    root = 'vox2pix_nyu'
    origin = case[f'{root}/voxel_origin'].tolist()
    grid = VoxelGrid(origin, 0.08, (60, 60, 36))
    world2cam = torch.from_numpy(np.linalg.inv(case[f'{root}/cam_pose']))
    camera = world2cam, torch.from_numpy(NYU_INTRINSICS)
    pixels, visible = voxel_to_pixel(grid, *camera, _NYU, rule='monoscene')
    index, expected = case[f'{root}/pix_idx'], case[f'{root}/pix_val']
    wrong = pixels.reshape(-1)[index].numpy() != expected
    report.equal(f'{root}/pix, seen', int(wrong[visible[index // 2].numpy()].sum()), 0)
    report.at_most(f'{root}/pix', int(wrong.sum()), _NYU_PIXELS, len(index), 'pixels')
    report.equal(f'{root}/fov_count', int(visible.sum()), case[f'{root}/fov_count'])
    depth = project_voxels(grid, *camera, rule='monoscene')[1]
    report.equal(f'{root}/z_dtype', str(depth.dtype)[len('torch.') :], case[f'{root}/z_dtype'])
    found = fill.probe(depth.numpy(), seed)[1]
    report.close(f'{root}/z', found, case[f'{root}/z_val'], absolute=1e-5)


def _check_frustums(case: ParityCase, report: ParityReport, seed: int) -> None:
    shape = (12, 10, 6)
    labels = torch.from_numpy(make_target('fr_target', shape, seed, _CLASSES))
    for cells in (4, 8):
        root, count = f'frustum/{cells}', cells * cells
        index = assign_frustums(*_points('fr_', labels.numel(), seed), _KITTI, cells).view(shape)
        found = count_frustum_classes(index, labels, count, _CLASSES)
        report.equal(f'{root}/class_dists', found, case[f'{root}/class_dists'])
        cell = torch.arange(count).view(-1, 1, 1, 1)
        masks = np.packbits((index == cell) & (labels != 255))
        report.equal(f'{root}/masks_packed', masks, case[f'{root}/masks_packed'])


def _check_relations(case: ParityCase, report: ParityReport) -> None:
    for name, key, relations in (
        ('cp', 'four_way_packed', 4),
        ('cp', 'binary_packed', 2),
        ('cp_odd', 'packed', 4),
    ):
        labels = torch.from_numpy(case[f'{name}/target'])[None]
        found = context_relations(labels, _RELATION_CLASSES, relations)[0]
        report.equal(f'{name}/{key}', np.packbits(found), case[f'{name}/{key}'])
        if f'{name}/shape' in case:
            report.equal(f'{name}/shape', found.shape, case[f'{name}/shape'])


def _loss_inputs(case: ParityCase, seed: int) -> tuple[np.ndarray, Tensor, Tensor]:
    """Logits (B, K, X, Y, Z), labels and frustums (B, X, Y, Z) of the loss cases."""
    target = torch.from_numpy(case['loss/target'])
    batch, *shape = target.shape
    logits = fill.normal('loss_logits', (batch, _CLASSES, *shape), seed, 2.0)
    frustums = [
        assign_frustums(*_points('loss_f', target[0].numel(), seed, sample), _KITTI, 4)
        for sample in range(batch)
    ]
    return logits, target, torch.stack(frustums).view(target.shape)


def _volume_losses(case: ParityCase) -> dict[str, nn.Module]:
    weight = case['loss/class_weights'].tolist()
    return dict(
        ce_ssc=VoxelCrossEntropyLoss(weight, normalizer='weights', reduction='batch'),
        sem_scal=SemanticScalLoss(reduction='batch'),
        geo_scal=GeometricScalLoss(reduction='batch'),
    )


def check_loss(
    loss: nn.Module,
    logits: np.ndarray,
    targets: tuple[Tensor, ...],
    name: str,
    case: ParityCase,
    report: ParityReport,
) -> None:
    """Compare value, gradient norm and, if given, some entries of the gradient."""
    variable = torch.from_numpy(logits).requires_grad_()
    value = loss(variable, *targets)
    report.close(name, value, case[name], relative=_LOSS)
    gradient = torch.autograd.grad(value, variable)[0]
    norm = case.number(f'{name}_grad_norm')
    report.close(f'{name}_grad_norm', gradient.double().norm(), norm, relative=_GRADIENT)
    if f'{name}_grad_idx' in case:
        found = gradient.flatten()[case[f'{name}_grad_idx']]
        expected = case[f'{name}_grad_val']
        report.close(f'{name}_grad', found, expected, relative=_GRADIENT, scale=norm)


def _check_losses(case: ParityCase, report: ParityReport, seed: int) -> None:
    logits, target, frustums = _loss_inputs(case, seed)
    losses = _volume_losses(case)
    for name, loss in losses.items():
        check_loss(loss, logits, (target,), f'loss/{name}', case, report)
    for name in ('ce_ssc', 'sem_scal'):
        value = losses[name](torch.from_numpy(logits), target.float())
        key = f'loss/{name}_float_target'
        report.close(key, value, case[key], relative=_LOSS)
    loss = FrustumProportionLoss(reduction='batch')
    check_loss(loss, logits, (target, frustums), 'loss/frustum', case, report)
    # The reference's Lovasz loss runs over all voxels of the batch, like points of one sample.
    variable = torch.from_numpy(logits).requires_grad_()
    value = LovaszSoftmaxLoss()(variable.movedim(1, -1).flatten(0, 3), target.flatten())
    report.close('loss/lovasz', value, case['loss/lovasz'], relative=_LOSS)
    norm = torch.autograd.grad(value, variable)[0].norm()
    expected = case['loss/lovasz_grad_norm']
    report.close('loss/lovasz_grad_norm', norm, expected, relative=_GRADIENT)


def _check_relation_loss(case: ParityCase, report: ParityReport, seed: int) -> None:
    logits = fill.normal('rel_logits', (2, 4, 24, 192), seed)
    target = torch.from_numpy(
        np.stack([
            make_target(f'rel_target{sample}', (8, 6, 4), seed, _RELATION_CLASSES)
            for sample in range(2)
        ])
    )  # fmt: skip
    found = context_relations(target, _RELATION_CLASSES).sum((0, 2, 3))
    report.equal('loss/relation_counts', found, case['loss/relation_counts'])
    loss = ContextRelationLoss(_RELATION_CLASSES, reduction='batch')
    check_loss(loss, logits, (target,), 'loss/relation', case, report)


def _check_edge_cases(case: ParityCase, report: ParityReport, seed: int) -> None:
    """Where the reference gives no number, ours is finite, and 0 if no voxel has a label."""
    logits, target, frustums = _loss_inputs(case, seed)
    for name, label in (('all_empty', 0), ('all_ignored', 255)):
        labels = torch.full_like(target, label)
        for term, loss in _volume_losses(case).items():
            key = f'loss/{name}/{term}'
            _check_finite(loss, logits, (labels,), key, case, report, zero=label == 255)
    none = torch.full_like(frustums, 255)
    arguments = logits, (target, none), 'loss/no_frustum', case, report
    _check_finite(FrustumProportionLoss(reduction='batch'), *arguments, zero=True)


def _check_finite(
    loss: nn.Module,
    logits: np.ndarray,
    targets: tuple[Tensor, ...],
    key: str,
    case: ParityCase,
    report: ParityReport,
    zero: bool,
) -> None:
    case.mark_used(key)
    variable = torch.from_numpy(logits).requires_grad_()
    value = loss(variable, *targets)
    gradient = torch.autograd.grad(value, variable)[0]
    expected = case.get(key)
    if expected is not None and np.isfinite(expected):
        report.close(key, value, expected, relative=_LOSS)
    else:
        ok = bool(value.isfinite()) and (not zero or value.item() == 0)
        report.equal(f'{key}: a number' + (', 0' if zero else ''), ok, True)
    report.equal(f'{key}: finite gradient', bool(gradient.isfinite().all()), True)


def _check_metric(case: ParityCase, report: ParityReport, seed: int) -> None:
    logits, target, _ = _loss_inputs(case, seed)
    predictions = torch.from_numpy(logits).argmax(1)
    counts = sum_counts(
        (count_voxels(p, t, _CLASSES) for p, t in zip(predictions, target)), _CLASSES
    )
    for name, row in zip(('tps', 'fps', 'fns'), counts.semantics):
        report.equal(f'metric/{name}_ssc', row, case[f'metric/{name}_ssc'])
    for name, count in zip(('tp', 'fp', 'fn'), counts.completion):
        report.equal(f'metric/{name}_sc', count, case[f'metric/{name}_sc'])
    scores = scores_from_counts(counts, epsilon=1e-6)
    found: dict[str, Any] = dict(
        Precision=scores.precision, Recall=scores.recall, IoU=scores.iou, mIoU=scores.miou,
        iou_per_class=np.array(scores.class_iou),
    )  # fmt: skip
    for name, value in found.items():
        report.close(f'metric/{name}', value / 100, case[f'metric/{name}'], absolute=1e-6)


def _check_lifting(case: ParityCase, report: ParityReport, seed: int) -> None:
    width, height, strides, shape = 40, 24, (1, 2, 4, 8), (6, 4, 2)
    maps = [
        torch.from_numpy(fill.normal(f'flosp_x{s}', (2, 5, -(-height // s), -(-width // s)), seed))
        for s in strides
    ]
    u = torch.from_numpy(fill.integers('flosp_px', (2, 48), seed, -10, 50))
    v = torch.from_numpy(fill.integers('flosp_py', (2, 48), seed, -10, 34))
    visible = (u >= 0) & (u < width) & (v >= 0) & (v < height)
    report.equal('flosp/fov_count', int(visible.sum()), case['flosp/fov_count'])
    pixels = torch.stack([u, v], -1).unsqueeze(1)
    rows = lift_pyramid([m.unsqueeze(1) for m in maps], pixels, visible.unsqueeze(1), strides)
    found = rows.unflatten(1, shape).permute(0, 4, 1, 2, 3)
    expected = case['flosp/out']
    report.close('flosp/out', found, expected, relative=_CLOSE, scale=float(expected.std()))


def _check_aspp(case: ParityCase, report: ParityReport, seed: int) -> None:
    module = ResidualASPP3d(8, (1, 3)).eval()
    rows = [row.split(':') for row in case['aspp/keys'].tolist()]
    names = {'0': 'conv1', '1': 'norm1', '3': 'conv2', '4': 'norm2'}
    state = {}
    for key, shape in fill.parse_manifest_rows(rows, 'aspp/keys').items():
        _, branch, layer, rest = key.split('.')
        value = torch.from_numpy(np.asarray(fill.fill_tensor(f'aspp.{key}', shape, seed)))
        state[f'branches.{branch}.{names[layer]}.{rest}'] = value
    module.load_state_dict(state)
    with torch.no_grad():
        found = module(torch.from_numpy(fill.normal('aspp_x', (1, 8, 6, 5, 4), seed)))
    expected = case['aspp/out']
    report.close('aspp/out', found, expected, relative=_CLOSE, scale=float(expected.std()))


def _check_class_weights(case: ParityCase, report: ParityReport) -> None:
    for name, dataset in (
        ('semantic_kitti', SemanticKITTIDataset),
        ('kitti_360', SSCBenchKITTI360Dataset),
    ):
        counts = dataset.METAINFO['class_counts']
        found = class_weights_from_counts(counts, scale=1.0, offset=1e-6, digits=None)
        key = f'class_weights/{name}'
        report.close(key, found, case[key], relative=1e-6)
    found = [0.05] + [1.0] * 11
    report.close('class_weights/nyu_v2', found, case['class_weights/nyu_v2'], relative=1e-6)
