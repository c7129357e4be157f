"""Parity of the geometry of NYU: sketch, label pooling, depth codec, a whole room, metric."""

from __future__ import annotations

import tempfile
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mmssc.evaluation.functional import count_voxels, scores_from_counts, sum_counts
from mmssc.formats.sscnet import (
    SSCNET_SHAPE,
    SSCNetVolume,
    decode_nyu_depth,
    encode_nyu_depth,
    raw_to_class,
    read_sscnet_bin,
    write_nyu_depth,
)
from mmssc.formats.sscnet import read_nyu_depth as read_depth
from mmssc.geometry import (
    compute_tsdf,
    depth_to_voxels,
    flip_tsdf,
    label_sketch,
    label_weight,
    observed_voxels,
    pool_labels,
    pool_tsdf,
    voxel_pixel_mapping,
)
from mmssc.parity import reference_fill as fill
from mmssc.parity.report import ParityCase, ParityReport

from .inputs import repeat_each

__all__ = ['check_sketch_units']

_CLASSES = 12
_FACTOR = 4
_FINE = SSCNET_SHAPE
_COARSE = (60, 36, 60)
_TSDF = 1e-6


def check_sketch_units(case: ParityCase, report: ParityReport) -> None:
    """Compare every unit case of a ``unit_N.npz``."""
    seed = case.integer('seed')
    _check_sketch(case, report, seed)
    _check_pooling(case, report, seed)
    report.equal('depth.mm', decode_nyu_depth(case['depth.code']), case['depth.mm'])
    report.equal('depth.code', encode_nyu_depth(case['depth.mm']), case['depth.code'])
    _check_room(case, report)
    _check_metric(case, report, seed)
    report.note_unused(case)


def _histogram(labels: Tensor | np.ndarray) -> np.ndarray:
    return np.bincount(np.asarray(labels).reshape(-1), minlength=256)


def _check_sketch(case: ParityCase, report: ParityReport, seed: int) -> None:
    shape = tuple(side // 3 for side in _COARSE)
    labels = repeat_each(fill.integers('sketch_label', shape, seed, 0, _CLASSES), 3)
    labels[repeat_each(fill.integers('sketch_empty', shape, seed, 0, 3), 3) > 0] = 0
    labels[repeat_each(fill.integers('sketch_ignore', shape, seed, 0, 8), 3) == 0] = 255
    sketch = label_sketch(torch.from_numpy(labels))
    report.equal('sketch.output_bits', np.packbits(sketch), case['sketch.output_bits'])
    report.equal('sketch.sum', int(sketch.sum()), case['sketch.sum'])


def _fine_labels(seed: int) -> np.ndarray:
    """The label volume of the pooling case, (240, 144, 240) uint8."""
    sixth = tuple(side // 6 for side in _FINE)
    fifth = tuple(-(-side // 5) for side in _FINE)
    labels = repeat_each(fill.integers('down_label', sixth, seed, 0, _CLASSES), 6)
    labels[repeat_each(fill.integers('down_empty', sixth, seed, 0, 4), 6) > 0] = 0
    ignored = repeat_each(fill.integers('down_ignore', fifth, seed, 0, 3), 5) == 0
    labels[ignored[tuple(slice(side) for side in _FINE)]] = 255
    single = fill.integers('down_fine', _FINE, seed, 0, 40)
    return np.where(single < 3, single + 9, labels).astype(np.uint8)


def _check_pooling(case: ParityCase, report: ParityReport, seed: int) -> None:
    fine = torch.from_numpy(_fine_labels(seed))
    report.equal('down.input_histogram', _histogram(fine), case['down.input_histogram'])
    empty = pool_labels(fine, _FACTOR, _CLASSES, tie='empty')
    ignore = pool_labels(fine, _FACTOR, _CLASSES, tie='ignore')
    report.equal('down.tie_empty', empty, case['down.tie_empty'])
    report.equal('down.tie_ignore_diff', int((empty != ignore).sum()), case['down.tie_ignore_diff'])
    for name, labels in (('tie_empty', empty), ('tie_ignore', ignore)):
        key = f'down.{name}_histogram'
        report.equal(key, _histogram(labels), case[key])
    coarsest = pool_labels(fine, 4 * _FACTOR, _CLASSES, tie='ignore')
    report.probed(case, 'down.by16', coarsest, 1e-9)


def _read_room(case: ParityCase) -> tuple[SSCNetVolume, Tensor]:
    """The volume and the depth (metres) of the room, through files."""
    with tempfile.TemporaryDirectory() as folder:
        volume_file, depth_file = Path(folder) / 'room.bin', Path(folder) / 'room.png'
        volume_file.write_bytes(case['room.bin'].tobytes())
        write_nyu_depth(depth_file, case['room.depth_mm'] / 1000)
        return read_sscnet_bin(volume_file), torch.from_numpy(read_depth(depth_file))


def _check_room(case: ParityCase, report: ParityReport) -> None:
    volume, depth = _read_room(case)
    millimetres = (depth * 1000).round().numpy().astype(np.uint16)
    report.equal('room.depth_mm', millimetres, case['room.depth_mm'])
    cam2img = torch.from_numpy(case['room.intrinsics'])
    cam2world = torch.from_numpy(volume.cam2world)
    camera = (cam2img, cam2world, volume.grid)

    pixel_voxels = depth_to_voxels(depth, *camera)
    mapping = voxel_pixel_mapping(pixel_voxels, volume.grid, _FACTOR)
    hit = pixel_voxels[pixel_voxels >= 0]
    report.equal('room.pixel_in_grid', len(hit), case['room.pixel_in_grid'])
    surface = len(torch.unique(hit))
    report.equal('room.surface_voxels_240', surface, case['room.surface_voxels_240'])
    none = depth.numel()
    found = mapping.masked_fill(mapping < 0, none).reshape(-1)
    report.equal('room.mapping', found, case['room.mapping'])

    fine = compute_tsdf(depth, pixel_voxels, *camera)
    unseen = ~observed_voxels(fine, pixel_voxels)
    for name, volume_240 in (
        ('tsdf_240', fine),
        ('flipped_tsdf_240', flip_tsdf(fine)),
        ('flipped_tsdf_240_unseen_one', flip_tsdf(fine, unseen)),
    ):
        report.probed(case, f'room.{name}', volume_240, 0.0, absolute=_TSDF)
    tsdf = pool_tsdf(fine, _FACTOR)
    report.close('room.tsdf_60', tsdf.reshape(-1), case['room.tsdf_60'], absolute=_TSDF)

    report.equal('room.raw_histogram', _histogram(volume.raw_ids), case['room.raw_histogram'])
    classes = torch.from_numpy(raw_to_class(volume.raw_ids))
    labels = pool_labels(classes, _FACTOR, _CLASSES, tie='empty')
    report.equal('room.label_60', labels, case['room.label_60'])
    report.equal('room.label_histogram', _histogram(labels), case['room.label_histogram'])
    weight, sketch = label_weight(labels, tsdf), label_sketch(labels)
    for name, mask in (('label_weight', weight), ('sketch', sketch)):
        report.equal(f'room.{name}_bits', np.packbits(mask), case[f'room.{name}_bits'])
        report.equal(f'room.{name}_sum', int(mask.sum()), case[f'room.{name}_sum'])
    scored = weight & (labels != 255)
    report.equal('room.ssc_mask_sum', int(scored.sum()), case['room.ssc_mask_sum'])
    hidden = scored & (mapping < 0)
    report.equal('room.sc_mask_sum', int(hidden.sum()), case['room.sc_mask_sum'])


def _check_metric(case: ParityCase, report: ParityReport, seed: int) -> None:
    """SSC on weighted and labelled voxels, completion on those without a pixel."""
    shape = (3, prod(_COARSE))
    predictions = fill.integers('metric_pred', shape, seed, 0, _CLASSES)
    labels = fill.integers('metric_label', shape, seed, 0, _CLASSES + 1)
    labels[labels == _CLASSES] = 255
    agree = fill.uniform('metric_agree', shape, seed) < 0.4
    predictions = np.where(agree & (labels < _CLASSES), labels, predictions)
    weight = torch.from_numpy(fill.uniform('metric_weight', shape, seed) < 0.35)
    hidden = torch.from_numpy(fill.uniform('metric_mapping', shape, seed) < 0.9)
    ids = [torch.from_numpy(volumes) for volumes in (predictions, labels)]
    semantic, completion = (
        sum_counts((count_voxels(p, t, _CLASSES, m) for p, t, m in zip(*ids, mask)), _CLASSES)
        for mask in (weight, weight & hidden)
    )
    report.equal('metric.confusion', semantic.confusion, case['metric.confusion'])
    report.equal('metric.sc_counts', completion.completion, case['metric.sc_counts'])
    scores = scores_from_counts(semantic)
    found = np.array(scores.class_iou) / 100
    report.close('metric.ssc_iou', found, case['metric.ssc_iou'], absolute=1e-6)
    report.close('metric.ssc_miou', scores.miou / 100, case['metric.ssc_miou'], absolute=1e-6)
    scores = scores_from_counts(completion)
    found = np.array([scores.iou, scores.precision, scores.recall]) / 100
    report.close('metric.sc', found, case['metric.sc'], absolute=1e-6)
