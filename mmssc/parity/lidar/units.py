"""Parity of single parts of LMSCNet, SSCNet and CarlaSC: unit cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.optim import ExponentialLR
from torch import Tensor, nn

from mmssc.checkpoints import export_state_dict, get_method, import_state_dict
from mmssc.datasets import CarlaSCDataset, SemanticKITTIDataset
from mmssc.datasets.label_rules import learning_table
from mmssc.datasets.transforms import FlipLidarScene
from mmssc.evaluation.functional import count_voxels, scores_from_counts
from mmssc.evaluation.score_table import name_all_class_figures
from mmssc.evaluation.submission import SubmissionRules
from mmssc.geometry import (
    floor_points,
    pool_labels_class_first,
    scan_to_occupancy,
    transform_points,
)
from mmssc.models.heads.scaled_volume_head import LMSCNetHead, target_name
from mmssc.models.layers import OccupancySegmentationHead
from mmssc.models.losses import BalancedCrossEntropyLoss
from mmssc.parity import reference_fill as fill
from mmssc.parity.recipe import total_loss
from mmssc.parity.report import ParityCase, ParityReport, crc32, seed_of_units
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample, VoxelGrid

from .inputs import CARLA, KITTI, carla_selection, semantic_selection
from .losses import class_weights, lidar_losses

__all__ = ['check_lidar_units']

_IGNORE = 255
_EXACT, _LOSS, _GRADIENT, _WEIGHT = 1e-9, 1e-5, 2e-3, 1e-7
_EVAL, _TRAIN = 1e-4, 3e-4


def check_lidar_units(case: ParityCase, report: ParityReport) -> None:
    """Compare the parts."""
    seed = seed_of_units(case)
    _check_occupancy(case, report)
    _check_carla_frames(case, report, seed)
    _check_tables(case, report)
    _check_volumes(case, report)
    _check_losses(case, report, seed)
    _check_carla_losses(case, report, seed)
    _check_metrics(case, report)
    _check_head(case, report, seed)
    _check_schedules(case, report)
    _check_export(case, report, seed)


def _check_occupancy(case: ParityCase, report: ParityReport) -> None:
    points = torch.tensor(case['occ/points'])
    for name, grid in (('kitti', KITTI), ('carla', CARLA)):
        occupancy = scan_to_occupancy(points, grid)
        packed = np.packbits(occupancy.numpy())
        report.equal(f'occ/{name}_packed', packed, case[f'occ/{name}_packed'])
        report.equal(f'occ/{name}_count', int(occupancy.sum()), case[f'occ/{name}_count'])
    indices, _ = floor_points(torch.cat([points, points[:500]]), CARLA)
    counts = torch.zeros(CARLA.shape, dtype=torch.int64)
    counts.index_put_(indices.unbind(1), torch.ones(len(indices), dtype=torch.int64), True)
    report.equal('occ/carla_point_counts', counts, case['occ/carla_point_counts'])


def _check_carla_frames(case: ParityCase, report: ParityReport, seed: int) -> None:
    root = 'carla_frames'
    poses = np.tile(np.eye(4), (4, 1, 1))
    poses[:, :3] = case[f'{root}/poses'].reshape(-1, 3, 4)
    clouds = []
    for number in range(len(poses)):
        draw = fill.uniform(f'carla_scan{number}', (1500, 4), seed).astype(np.float64)
        cloud = (draw * (56, 56, 4, 0) - (28, 28, 2.5, 0)).astype(np.float32)
        clouds.append(torch.from_numpy(cloud[:, :3]).double())
    for length, frame in ((1, 3), (1, 1), (3, 3), (3, 1)):
        name = f'{root}/T{length}_{frame}'
        horizon = case[f'{name}_horizon'].tolist()
        steps = [max(number, -1) for number in range(frame - length + 1, frame + 1)]
        report.equal(f'{name}_horizon', steps, horizon)
        volumes = torch.stack([_moved_scan(clouds, poses, n, frame) for n in steps])
        report.equal(f'{name}_counts', volumes.flatten(1).sum(1), case[f'{name}_counts'])
        packed = np.packbits(volumes.numpy())
        report.equal(f'{name}_packed', packed, case[f'{name}_packed'])
    for frame in (3, 1):
        raw = fill.integers(f'carla_eval{frame}', CARLA.shape, seed, 0, 23)
        counts = fill.integers(f'carla_evalcount{frame}', CARLA.shape, seed, 0, 3)
        every = CarlaSCDataset.train_labels(raw, np.ones_like(counts))
        name = f'{root}/{frame}'
        report.equal(f'{name}_label_crc32_u1', crc32(every), case[f'{name}_label_crc32_u1'])
        valid = CarlaSCDataset.train_labels(raw, counts) != _IGNORE
        report.equal(f'{name}_valid', int(valid.sum()), case[f'{name}_valid'])


def _moved_scan(clouds: list[Tensor], poses: np.ndarray, number: int, frame: int) -> Tensor:
    """Voxels of a scan in the frame of another one; -1: a missing scan."""
    if number < 0:
        # The reference moves one point at the origin instead of none.
        return scan_to_occupancy(torch.zeros(1, 3), CARLA)
    if number == frame:
        return scan_to_occupancy(clouds[number], CARLA)
    move = torch.from_numpy(np.linalg.inv(poses[frame]) @ poses[number])
    return scan_to_occupancy(transform_points(clouds[number], move), CARLA)


def _check_tables(case: ParityCase, report: ParityReport) -> None:
    meta = CarlaSCDataset.METAINFO
    report.equal('carla/remap', list(meta['learning_map'].values()), case['carla/remap'])
    report.equal('carla/frequencies', meta['class_counts'], case['carla/frequencies'])
    for name, dataset in (
        ('carla/weights', CarlaSCDataset),
        ('weights/kitti', SemanticKITTIDataset),
    ):
        found = np.array(class_weights(dataset), np.float32)
        report.close(name, found, case[name], relative=_WEIGHT)
    table = learning_table(SemanticKITTIDataset.METAINFO['learning_map'])
    report.equal('pool/lut', table, case['pool/lut'])


def _check_volumes(case: ParityCase, report: ParityReport) -> None:
    report.equal('bits/unpacked', np.unpackbits(case['bits/bytes']), case['bits/unpacked'])
    grid = VoxelGrid((0, -1.5, 0), 1.0, (4, 3, 2))
    volume = np.arange(24, dtype=np.int64).reshape(4, 3, 2)
    for number, axes in enumerate(((), ('x',), ('y',), ('x', 'y'))):
        results = dict(sequence='', frame_id='', voxel_grid=grid, voxel_segments=volume)
        flipped = FlipLidarScene().flip(results, axes)['voxel_segments']
        report.equal(f'flip/{number}', flipped, case[f'flip/{number}'])
    # The case has many ids without an entry in the map, which our reader refuses.
    table = learning_table(SemanticKITTIDataset.METAINFO['learning_map'])
    labels = np.where(case['pool/invalid'] > 0, _IGNORE, table[case['pool/raw']]).astype(np.uint8)
    report.equal('pool/label_1_1', labels, case['pool/label_1_1'])
    for factor in (2, 4, 8):
        pooled = pool_labels_class_first(torch.from_numpy(labels), factor, 20)
        report.equal(f'pool/label_1_{factor}', pooled, case[f'pool/label_1_{factor}'])
        name = f'pool/invalid_1_{factor}'
        report.equal(name, pooled == _IGNORE, case[name].astype(bool))


def _check_losses(case: ParityCase, report: ParityReport, seed: int) -> None:
    target = torch.tensor(case['loss/target'])
    selected = semantic_selection(target, seed)
    packed = np.packbits(selected.numpy())
    report.equal('loss/sscnet-full/mask_packed', packed, case['loss/sscnet-full/mask_packed'])
    divisor = (target != _IGNORE) & ~selected
    for name, mask in (('selected', selected), ('divisor', divisor)):
        report.equal(f'loss/sscnet-full/{name}', int(mask.sum()), case[f'loss/sscnet-full/{name}'])
    for kind in ('lmscnet-ss', 'sscnet-full'):
        logits = torch.from_numpy(fill.normal('loss_logits_20', (2, 20, 16, 16, 8), seed, 2.0))
        loss = MODELS.build(lidar_losses(kind)['ce'])
        given = (selected,) if isinstance(loss, BalancedCrossEntropyLoss) else ()
        value = loss(logits.requires_grad_(), target, *given)
        report.close(f'loss/{kind}/value', value, case[f'loss/{kind}/value'], relative=_LOSS)
        (gradient,) = torch.autograd.grad(value, logits)
        report.probed(case, f'loss/{kind}/grad', gradient, _EVAL)
        name = f'loss/{kind}/grad_l2'
        report.close(name, gradient.double().norm(), case[name], relative=_GRADIENT)
    _check_scales(case, report, seed)


def _check_scales(case: ParityCase, report: ParityReport, seed: int) -> None:
    """The mean of the losses of four scales."""
    head = LMSCNetHead(20, losses=lidar_losses('lmscnet'))
    samples = [SSCDataSample(), SSCDataSample()]
    logits = {}
    for scale in head.scales:
        target = torch.tensor(case[f'loss/lmscnet/target_1_{scale}'])
        for sample, volume in zip(samples, target):
            sample.set_data({target_name(scale): volume})
        name = f'loss_logits_20_1_{scale}'
        draw = fill.normal(name, (2, 20, *target.shape[1:]), seed, 2.0)
        logits[scale] = torch.from_numpy(draw)
    losses = head.loss(logits, samples)
    for scale, value in zip(head.scales, losses.values()):
        name = f'loss/lmscnet/semantic_1_{scale}'
        report.close(name, value * len(head.scales), case[name], relative=_LOSS)
    total = total_loss(losses.values())
    report.close('loss/lmscnet/total', total, case['loss/lmscnet/total'], relative=_LOSS)


def _check_carla_losses(case: ParityCase, report: ParityReport, seed: int) -> None:
    labels = CarlaSCDataset.train_labels(case['loss/carla/raw'], case['loss/carla/counts'])
    target = torch.from_numpy(labels)
    for kind in ('lmscnet-ss', 'sscnet-full'):
        draw = fill.normal('loss_logits_11', (2, 16, 16, 8, 11), seed, 2.0)
        logits = torch.from_numpy(draw).permute(0, 4, 1, 2, 3).requires_grad_()
        loss = MODELS.build(lidar_losses(kind, carla=True)['ce'])
        is_balanced = isinstance(loss, BalancedCrossEntropyLoss)
        voxels = carla_selection(target, seed) if is_balanced else target != _IGNORE
        value = loss(logits, target, *([voxels] if is_balanced else []))
        root = f'loss/carla/{kind}'
        report.equal(f'{root}/n', int(voxels.sum()), case[f'{root}/n'])
        report.close(f'{root}/value', value, case[f'{root}/value'], relative=_LOSS)
        (gradient,) = torch.autograd.grad(value, logits)
        norm = gradient.double().norm()
        report.close(f'{root}/grad_l2', norm, case[f'{root}/grad_l2'], relative=_GRADIENT)


def _check_metrics(case: ParityCase, report: ParityReport) -> None:
    prediction, target = (torch.tensor(case[f'metric/{key}']) for key in ('pred', 'target'))
    counts = count_voxels(prediction, target, 20)
    # Rows of the reference's matrix are predictions.
    report.equal('metric/confusion', counts.confusion.t(), case['metric/confusion'])
    scores = scores_from_counts(counts, epsilon=1e-13)
    precision, recall = scores.precision, scores.recall
    figures: dict[str, Any] = dict(
        miou=scores.miou, class_iou=np.array(scores.class_iou), iou=scores.iou,
        precision=precision, recall=recall, f1=2 * precision * recall / (precision + recall),
    )  # fmt: skip
    for name, value in figures.items():
        report.close(f'metric/{name}', value / 100, case[f'metric/{name}'], absolute=_EXACT)
    root = 'carla_metric'
    prediction, label = (torch.tensor(case[f'{root}/{key}']) for key in ('pred', 'label'))
    seen = torch.tensor(case[f'{root}/counts']) > 0
    counts = count_voxels(prediction, label, 11, seen)
    scores = scores_from_counts(counts, epsilon=1e-6)
    class_iou = np.array(scores.class_iou) / 100
    report.close(f'{root}/class_iou', class_iou, case[f'{root}/class_iou'], absolute=_EXACT)
    report.close(f'{root}/miou_all', class_iou.mean(), case[f'{root}/miou_all'], absolute=_EXACT)
    confusion = counts.confusion.double()
    accuracy = float(confusion.trace() / confusion.sum())
    report.close(f'{root}/accuracy', accuracy, case[f'{root}/accuracy'], absolute=_EXACT)
    completion = [scores.precision, scores.recall, scores.iou]
    name = f'{root}/precision_recall_iou_percent'
    report.close(name, completion, case[name], absolute=100 * _EXACT)
    rounded = name_all_class_figures(scores, counts, CarlaSCDataset.METAINFO['classes'])
    expected = [100 * case.number(f'{root}/miou_all'), 100 * case.number(f'{root}/accuracy')]
    report.close(f'{root}/figures', list(rounded.values()), expected, absolute=0.006)


def _check_head(case: ParityCase, report: ParityReport, seed: int) -> None:
    head = OccupancySegmentationHead(20)
    head.load_state_dict(_head_weights(head, seed))
    volume = torch.from_numpy(fill.normal('head_in', (2, 6, 12, 10), seed))
    volume = volume.permute(0, 2, 3, 1)[:, None]
    with torch.no_grad():
        for mode, limit in (('eval', _EVAL), ('train', _TRAIN)):
            found = head.train(mode == 'train')(volume)
            report.probed(case, f'head/{mode}', found, limit)


def _head_weights(head: nn.Module, seed: int) -> dict[str, Tensor]:
    """Weights of the head; the case names them as the reference, without a prefix."""
    ours, theirs = 'head.segmentation.1_1.', 'seg_head_1_1.'
    state = {ours + key: value for key, value in head.state_dict().items()}
    reference, _ = export_state_dict(state, get_method('lmscnet'))
    filled = {
        key: torch.from_numpy(
            np.asarray(fill.fill_tensor(key.removeprefix(theirs), tuple(value.shape), seed))
        )
        for key, value in reference.items()
    }
    imported, _ = import_state_dict(filled, get_method('lmscnet'), state)
    return {key.removeprefix(ours): value for key, value in imported.items()}


def _check_schedules(case: ParityCase, report: ParityReport) -> None:
    for name, gamma in (
        ('lmscnet', 0.98), ('sscnet', 1.0), ('carla_lmscnet-ss', 0.98), ('carla_sscnet-full', 1.0)
    ):  # fmt: skip
        optimizer = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=1e-3)
        scheduler = ExponentialLR(optimizer, gamma=gamma)
        rates = []
        for _ in case[f'lr/{name}']:
            rates.append(optimizer.param_groups[0]['lr'])
            optimizer.step()
            scheduler.step()
        report.close(f'lr/{name}', rates, case[f'lr/{name}'], relative=1e-9)


def _check_export(case: ParityCase, report: ParityReport, seed: int) -> None:
    classes = fill.integers('export', KITTI.shape, seed, 0, 20)
    raw = SubmissionRules.semantic_kitti().raw_ids[classes]
    report.equal('export/crc32_u2', crc32(raw, '<u2'), case['export/crc32_u2'])
    report.equal('export/first32', raw.reshape(-1)[:32], case['export/first32'])
