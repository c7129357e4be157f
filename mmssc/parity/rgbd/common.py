"""Shared parts of the parity recipes of CleanerS and AMMNet: arrays, scores, gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from os import PathLike

import numpy as np
import torch
from torch import Tensor, nn

from mmssc.checkpoints import CheckpointMethod
from mmssc.evaluation.functional import SSCCounts, count_voxels, scores_from_counts, sum_counts
from mmssc.models.completors.rgbd_completor import RGBDCompletor, labels_of_pixels
from mmssc.models.losses import SSCLoss
from mmssc.parity.recipe import (
    fill_checkpoint,
    gradient_norms,
    load_reference,
    our_name,
    watch_outputs,
)
from mmssc.parity.report import ParityCase, ParityReport
from mmssc.structures import SSCDataSample

from .inputs import IGNORE, NUM_CLASSES, SyntheticBatch

__all__ = ['COUNTS', 'CROSS_ENTROPY', 'GRADIENT', 'LOSS', 'PROBE', 'capture_levels',
           'capture_outputs', 'check_gradients', 'check_image_arrays', 'check_scores',
           'load_filled', 'synthetic_losses', 'unweighted']  # fmt: skip

# Relative tolerances, see the README of the parity data; probes relative to the array's deviation.
PROBE, LOSS, GRADIENT = 1e-4, 1e-5, 1e-3
COUNTS, _PERCENT = 3, 2e-2
CROSS_ENTROPY = dict(type='mmssc.VoxelCrossEntropyLoss', label_smoothing=0.2, reduction='batch')


def load_filled(
    model: RGBDCompletor,
    method: CheckpointMethod,
    manifest: str | PathLike[str],
    seed: int,
    device: str = 'cpu',
) -> RGBDCompletor:
    """The model in evaluation mode with weights filled by seed, through the importer."""
    load_reference(model, fill_checkpoint(manifest, seed), method, manifest)
    return model.to(device).eval()


def synthetic_losses(model: RGBDCompletor, batch: SyntheticBatch) -> dict[str, Tensor]:
    """``loss_2d`` and ``loss_3d`` of synthetic logits."""
    labels = model.label_volume(batch.samples)
    return dict(
        loss_2d=model.loss_2d(batch.logits_2d, labels_of_pixels(labels, batch.pixel_to_voxel)),
        loss_3d=model.loss_3d(batch.logits_3d, labels, mask=model.label_weight(batch.samples)),
    )


@contextmanager
def capture_levels(model: RGBDCompletor) -> Iterator[list[Tensor]]:
    """Collect the outputs of the image encoder's stages while the model runs."""
    levels: list[Tensor] = []

    def keep(output: Sequence[Tensor]) -> None:
        levels.extend(level.detach() for level in output)

    with watch_outputs([(model.backbone, keep)]):
        yield levels


@contextmanager
def capture_outputs(
    model: RGBDCompletor, names: Mapping[str, str]
) -> Iterator[dict[str, list[Tensor]]]:
    """Collect the outputs of modules while the model runs.

    Args:
        model: The model.
        names: Path of a module -> name of its output.
    """
    outputs: dict[str, list[Tensor]] = {}

    def keep(name: str, output: Tensor | Sequence[Tensor]) -> None:
        level = output if isinstance(output, Tensor) else output[-1]
        outputs.setdefault(name, []).append(level.detach())

    with watch_outputs(
        (model.get_submodule(path), partial(keep, name)) for path, name in names.items()
    ):
        yield outputs


def check_image_arrays(
    model: RGBDCompletor,
    outputs: Mapping[str, Tensor],
    levels: Sequence[Tensor],
    inputs: Mapping[str, Tensor],
    case: ParityCase,
    report: ParityReport,
    prefix: str = '',
) -> Tensor:
    """Compare ``enc_c*``, ``feat2d``, ``logit2d`` and ``proj3d`` (lifted, not filled).

    Args:
        model: The network.
        outputs: Result of its :meth:`forward_network`.
        levels: Result of :func:`capture_levels`.
        inputs: Inputs of the model.
        case: The case file.
        report: Collects the rows.
        prefix: Prefix of the names, e.g. ``'teacher.'``.

    Returns:
        The 2D logits (B, K, H, W).
    """
    for number, level in enumerate(levels, 1):
        report.probed(case, f'{prefix}enc_c{number}', level, PROBE)
    feat2d = outputs['feat2d'].detach()
    size = tuple(inputs['img'].shape[-2:])
    logits_2d = model.image_head.classify(feat2d, size).detach()
    report.probed(case, f'{prefix}feat2d', feat2d, PROBE)
    report.probed(case, f'{prefix}logit2d', logits_2d, PROBE)
    lifted = model.lifter.lift(feat2d, size, model.voxel_to_pixel(outputs['pixel_to_voxel']))
    report.probed(case, f'{prefix}proj3d', lifted, PROBE)
    hit = lifted != 0
    report.close(f'{prefix}proj3d.nonzero', int(hit.sum()), case[f'{prefix}proj3d.nonzero'],
                 absolute=COUNTS)  # fmt: skip
    voxels = int(hit.any(1).sum())
    report.equal(f'{prefix}proj3d.voxels', voxels, case[f'{prefix}proj3d.voxels'])
    return logits_2d


def check_scores(
    logits_3d: Tensor,
    logits_2d: Tensor,
    voxel_to_pixel: Tensor,
    samples: Sequence[SSCDataSample],
    case: ParityCase,
    report: ParityReport,
    prefix: str = '',
    centred: bool = False,
) -> None:
    """Compare the evaluation protocol's histograms, matrices and figures.

    SSC on the voxels of ``label_weight``, SC on those that no pixel hits, 2D at the pixel of every
    voxel with a pixel.

    Args:
        logits_3d: (B, K, X, Y, Z).
        logits_2d: (B, K, H, W).
        voxel_to_pixel: (B, X, Y, Z), -1 = none.
        samples: Samples with ``gt_voxels`` and ``label_weight``.
        case: The case file.
        report: Collects the rows.
        prefix: Prefix of the names, e.g. ``'synth.'``.
        centred: Also compare the scores of the logits without their mean per channel.
    """
    labels = torch.stack([sample.gt_voxels for sample in samples])
    weight = torch.stack([sample.label_weight for sample in samples])
    volume, image = logits_3d.argmax(1), logits_2d.argmax(1)
    for name, found in (('hist3d', volume), ('hist2d', image)):
        histogram = torch.bincount(found.flatten(), minlength=NUM_CLASSES)
        report.close(f'{prefix}{name}', histogram, case[f'{prefix}{name}'], absolute=COUNTS)
    hit = voxel_to_pixel >= 0
    # At the voxel's pixel: gather the image's prediction like the labels of the 2D loss.
    at_pixel = labels_of_pixels(image, voxel_to_pixel, 0)
    ssc = _counts(volume, labels, weight)
    sc = _counts((volume > 0).long(), _binary(labels), weight & ~hit, 2)
    pixels = _counts(at_pixel, labels, hit)
    for name, counts in (('cm_ssc', ssc), ('cm_sc', sc), ('cm_2d', pixels)):
        expected = case[f'{prefix}{name}']
        report.close(f'{prefix}{name}', counts.confusion, expected, absolute=COUNTS)
    ssc_scores, sc_scores = scores_from_counts(ssc), scores_from_counts(sc)
    image_iou = np.array(scores_from_counts(pixels).class_iou)
    figures = dict(
        sc_iou=sc_scores.iou,
        sc_precision=sc_scores.precision,
        sc_recall=sc_scores.recall,
        ssc_iou=np.array(ssc_scores.class_iou),
        ssc_miou=ssc_scores.miou,
        iou_2d=image_iou,
        miou_2d=image_iou.mean(),
    )
    for name, figure in figures.items():
        report.close(f'{prefix}{name}', figure, case[f'{prefix}{name}'], absolute=_PERCENT)
    if centred:
        volume_logits, image_logits = (_centre(x.double()) for x in (logits_3d, logits_2d))
        check_scores(
            volume_logits, image_logits, voxel_to_pixel, samples, case, report, f'{prefix}centred.'
        )


def _centre(logits: Tensor) -> Tensor:
    """(B, K, ...) logits less their mean over all places, per sample and class."""
    return logits - logits.mean(tuple(range(2, logits.dim())), keepdim=True)


def _binary(labels: Tensor) -> Tensor:
    return torch.where(labels == IGNORE, IGNORE, (labels > 0).to(labels.dtype))


def _counts(
    prediction: Tensor, target: Tensor, mask: Tensor, num_classes: int = NUM_CLASSES
) -> SSCCounts:
    return sum_counts(
        (count_voxels(p, t, num_classes, m) for p, t, m in zip(prediction, target, mask)),
        num_classes,
    )


def check_gradients(
    parameters: Mapping[str, nn.Parameter],
    method: CheckpointMethod,
    case: ParityCase,
    report: ParityReport,
    prefix: str = 'grad',
) -> None:
    """Compare gradient norms with ``PREFIX.names, .norms, .total`` and, if there, ``.num``.

    Args:
        parameters: Our name -> parameter, after the backward pass.
        method: Its rules translate the names.
        case: The case file.
        report: Collects the rows.
        prefix: Prefix of the names.
    """
    norms = gradient_norms(parameters)
    for key, expected in zip(case[f'{prefix}.names'].tolist(), case[f'{prefix}.norms'].tolist()):
        found = norms.get(our_name(method, key), float('nan'))
        report.close(f'{prefix}/{key}', found, expected, relative=GRADIENT, absolute=1e-9)
    total = sum(norm**2 for norm in norms.values()) ** 0.5
    report.close(f'{prefix}.total', total, case[f'{prefix}.total'], relative=GRADIENT)
    if f'{prefix}.num' in case:
        report.equal(f'{prefix}.num', len(norms), case[f'{prefix}.num'])


def unweighted(losses: Mapping[str, Tensor], modules: Mapping[str, SSCLoss]) -> dict[str, Tensor]:
    """Losses without the factor that their config gives them."""
    return {name: value / modules[name].loss_weight for name, value in losses.items()}
