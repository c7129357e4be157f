"""Parity of SGN with the official implementation: the cases T, L and tiny."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmssc.checkpoints import get_method
from mmssc.datasets import SemanticKITTIDataset
from mmssc.errors import DataError
from mmssc.evaluation.functional import count_voxels, scores_from_counts
from mmssc.models.completors import SGN
from mmssc.models.losses import class_weights_from_counts
from mmssc.parity.recipe import (
    ParityRecipe,
    ParityRun,
    gradient_norms,
    load_reference,
    our_name,
    rebuild_checkpoint,
    total_loss,
    watch_outputs,
)
from mmssc.parity.reference_fill import read_manifest
from mmssc.parity.report import ParityCase, ParityReport, crc32
from mmssc.registry import MODELS

from .inputs import SGNCaseInputs, build_inputs, check_inputs
from .units import check_sgn_units

__all__ = ['LOSS_TERMS', 'SGNParity', 'sgn_losses']

LOSS_TERMS = (
    'loss_ssc', 'loss_sem_scal', 'loss_geo_scal', 'loss_sem', 'loss_occ', 'loss_pts',
)  # fmt: skip
METHOD = get_method('sgn')
_ACTIVATIONS = (
    'c4', 'fpn', 'x3d_lift', 'x3d', 'pts_voxel', 'pts_guidance', 'pts_occ', 'occ', 'seed_desc',
    'vox_feats', 'sdb',
)  # fmt: skip
# Relative tolerances: see the table of the parity data's README.
_ACTIVATION, _LOGIT, _LOSS, _GRADIENT, _TRAIN = 1e-4, 3e-4, 1e-5, 1e-3, 1e-3
_LATER_STEPS = 1e-2
_ARGMAX_VOXELS = 200


def sgn_losses() -> dict[str, Any]:
    """Configs of the six losses, as in the shipped SemanticKITTI configs."""
    weights = class_weights_from_counts(SemanticKITTIDataset.METAINFO['class_counts'])
    return dict(
        loss_ssc=dict(type='mmssc.VoxelCrossEntropyLoss', class_weight=weights),
        loss_sem_scal=dict(type='mmssc.SemanticScalLoss'),
        loss_geo_scal=dict(type='mmssc.GeometricScalLoss'),
        loss_sem=[dict(type='mmssc.LovaszSoftmaxLoss'), dict(type='mmssc.VoxelCrossEntropyLoss')],
        loss_occ=dict(type='mmssc.BinaryOccupancyLoss'),
        loss_pts=dict(type='mmssc.BinaryOccupancyLoss'),
    )


class SGNParity(ParityRecipe):
    """Recipe of one kind of case.

    Args:
        kind: ``'T'``, ``'S'``, ``'L'`` or ``'tiny'``, as in the case files.
    """

    training_arrays = ('grad', 'train')

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.size = 'tiny' if kind == 'tiny' else 'full'

    def check_units(self, case: ParityCase, report: ParityReport) -> None:
        """Compare single parts with ``units_N.npz``."""
        check_sgn_units(case, report)

    def compare(self, run: ParityRun) -> None:
        """Compare the whole model with one case file."""
        manifest, case, report, options = run
        if str(case['kind']) != self.kind:
            raise DataError(case.path, 'kind', f'a case of sgn-{self.kind}', str(case['kind']))
        model, state = self._load_model(run)
        with tempfile.TemporaryDirectory() as folder:
            made = build_inputs(
                self.size, case.integer('seed'), case.integer('n_frames'), Path(folder)
            )
        check_inputs(case, made, model.lifter.voxel_grid, report)
        made = made.to(options.device)
        self._check_prediction(model, made, case, report)
        self._check_training_graph(model, made, case, report, manifest, options.forward_only)
        if not options.forward_only:
            self._check_train_mode(model, state, made, case, report)

    def _load_model(self, run: ParityRun) -> tuple[SGN, dict[str, Tensor]]:
        reference = rebuild_checkpoint(run.manifest, run.case)
        config = run.options.model_config
        if config is None:
            shapes = {key: tuple(value.shape) for key, value in reference.items()}
            config = METHOD.model_config(shapes)
            config['head'].update(sgn_losses())
        model = MODELS.build(dict(config)).eval()
        state = load_reference(model, reference, METHOD, run.manifest)
        return model.to(run.options.device), state

    def _check_prediction(
        self, model: SGN, made: SGNCaseInputs, case: ParityCase, report: ParityReport
    ) -> None:
        """The steps of ``tools/test.py``: labels of mode 'predict', and the metric."""
        with torch.no_grad():
            sample = model(made.inputs, [made.sample], mode='predict')[0]
        predicted = sample.pred_voxels.cpu()
        found = predicted.numpy()
        histogram = np.bincount(found.reshape(-1), minlength=model.head.num_classes)
        expected = case['ssc_argmax/hist']
        difference = int(np.abs(histogram - expected).sum())
        report.at_most('ssc_argmax/hist', difference, _ARGMAX_VOXELS, found.size, 'voxels')
        if 'ssc_argmax' in case:
            differing = int((found != case['ssc_argmax']).sum())
            report.at_most('ssc_argmax', differing, _ARGMAX_VOXELS, found.size, 'voxels')
            return
        report.equal('ssc_argmax/shape', found.shape, case['ssc_argmax/shape'])
        index = case['ssc_argmax/idx'].astype(np.int64)
        differing = int((found.reshape(-1)[index] != case['ssc_argmax/val']).sum())
        report.at_most('ssc_argmax', differing, _ARGMAX_VOXELS, len(index), 'voxels')
        stats = found.mean(), found.std(), found.min(), found.max()
        report.close('ssc_argmax/stats', stats, case['ssc_argmax/stats'], absolute=2e-3)
        report.tell('ssc_argmax/crc32', crc32(found, 'u1') == case.integer('ssc_argmax/crc32'))
        counts = count_voxels(predicted, sample.gt_voxels.cpu(), model.head.num_classes)
        # The reference counts every voxel without a label as a hit of class 0.
        scores = scores_from_counts(counts, ignored_as_empty=True)
        values = np.array([scores.precision, scores.recall, scores.iou, scores.miou]) / 100
        report.close('metric/values', values, case['metric/values'], absolute=2e-4)
        class_iou = np.array(scores.class_iou) / 100
        report.close('metric/iou_ssc', class_iou, case['metric/iou_ssc'], absolute=2e-4)

    def _check_training_graph(
        self,
        model: SGN,
        made: SGNCaseInputs,
        case: ParityCase,
        report: ParityReport,
        manifest: str | PathLike[str],
        forward_only: bool,
    ) -> None:
        """All arrays, losses and gradients, batch normalisation in eval mode."""
        with torch.set_grad_enabled(not forward_only), capture_arrays(model) as arrays:
            losses = model(made.inputs, [made.sample], mode='loss')
        _check_arrays(arrays, case, report)
        arrays.clear()
        total = total_loss(losses.values())
        _check_losses({**losses, 'total': total}, 'loss', case, report, _LOSS)
        if forward_only:
            return
        model.zero_grad(set_to_none=True)
        total.backward()
        _check_gradients(model, manifest, case, report)
        model.zero_grad(set_to_none=True)

    def _check_train_mode(
        self,
        model: SGN,
        state: Mapping[str, Tensor],
        made: SGNCaseInputs,
        case: ParityCase,
        report: ParityReport,
    ) -> None:
        """Figures with batch statistics: one pass, or three optimiser steps."""
        model.load_state_dict(state)
        model.train()
        if 'train/steps' in case:
            _check_optimiser_steps(model, made, case, report)
            return
        with torch.no_grad(), capture_arrays(model) as arrays:
            losses = model(made.inputs, [made.sample], mode='loss')
        _check_losses(losses, 'train_loss', case, report, _TRAIN)
        proposals = int(arrays['proposal'].sum())
        report.close('train/proposal_count', proposals, case['train/proposal_count'], absolute=5)
        margin = float(arrays['pts_occ'].abs().min())
        report.close('train/proposal_margin', margin, case['train/proposal_margin'], absolute=1e-4)
        result = model.state_dict()
        for name in case.below('train/bn/'):
            found, expected = result[to_ours(name[len('train/bn/') :])], case[name]
            scale = float(np.abs(expected).max())
            report.close(name, found, expected, absolute=_TRAIN * scale)


def to_ours(key: str) -> str:
    """:func:`our_name` of SGN."""
    return our_name(METHOD, key)


@contextmanager
def capture_arrays(model: SGN) -> Iterator[dict[str, Tensor]]:
    """Collect the arrays of the parity data while the model runs, in any mode."""
    arrays: dict[str, Tensor] = {}

    def keep(**found: Tensor) -> None:
        arrays.update((name, value.detach()) for name, value in found.items())

    stores = [
        (model.backbone, lambda output: keep(c4=output[-1])),
        (model.neck, lambda output: keep(fpn=output[0])),
        (model.lifter, lambda output: keep(x3d_lift=output.flatten(2))),
        (model.head, lambda output: keep(**output)),
    ]
    with watch_outputs(stores):
        yield arrays


def _check_arrays(arrays: Mapping[str, Tensor], case: ParityCase, report: ParityReport) -> None:
    proposal = arrays['proposal'].cpu().numpy().reshape(-1)
    report.equal('proposal/count', int(proposal.sum()), case['proposal/count'])
    report.equal('proposal/packed', np.packbits(proposal), case['proposal/packed'])
    report.equal('proposal/crc32', crc32(np.flatnonzero(proposal), '<i4'), case['proposal/crc32'])
    margin = float(arrays['pts_occ'].abs().min())
    scale = float(case['pts_occ/stats'][1])
    report.close(
        'proposal/margin', margin, case['proposal/margin'], relative=_ACTIVATION, scale=scale
    )
    for name in _ACTIVATIONS:
        report.probed(case, name, arrays[name], _ACTIVATION)
    report.probed(case, 'sem_logit', arrays['seed_logits'], _ACTIVATION)
    if 'pts_voxel/n_active' in case:
        volume = arrays['pts_voxel'].cpu().numpy().reshape(-1)
        active = np.flatnonzero(volume)
        report.equal('pts_voxel/n_active', len(active), case['pts_voxel/n_active'])
        index = case['pts_voxel_active/crc32_index']
        report.equal('pts_voxel_active/crc32_index', crc32(active, '<i4'), index)
        report.probed(case, 'pts_voxel_active', volume[active], _ACTIVATION)
    logits = arrays['logits']
    report.probed(case, 'ssc_logit', logits, _LOGIT)
    if 'ssc_argmax/n_margin_lt_1e-3' in case:
        best = logits[0].topk(2, dim=0).values
        close_calls = int(((best[0] - best[1]) < 1e-3).sum())
        expected = case['ssc_argmax/n_margin_lt_1e-3']
        report.close('ssc_argmax/n_margin_lt_1e-3', close_calls, expected, absolute=_ARGMAX_VOXELS)


def _check_losses(
    losses: Mapping[str, Tensor],
    prefix: str,
    case: ParityCase,
    report: ParityReport,
    relative: float,
) -> None:
    for name, value in losses.items():
        report.close(f'{prefix}/{name}', value, case[f'{prefix}/{name}'], relative=relative)


def _check_gradients(
    model: SGN, manifest: str | PathLike[str], case: ParityCase, report: ParityReport
) -> None:
    parameters = dict(model.named_parameters())
    norms = gradient_norms(parameters)
    if 'grad/keys' in case:
        expected = dict(zip(case['grad/keys'].tolist(), case['grad/l2'].tolist()))
    else:
        expected = {key[len('grad/') :]: case.number(key) for key in case.below('grad/')}
    for key, value in expected.items():
        found = norms.get(to_ours(key), float('nan'))
        report.close(f'grad/{key}', found, value, relative=_GRADIENT, absolute=1e-9)
    if 'grad_total_l2' in case:
        total = np.sqrt(sum(norm**2 for norm in norms.values()))
        report.close('grad_total_l2', total, case['grad_total_l2'], relative=_GRADIENT)
    without = set()
    for key in read_manifest(manifest):
        dropped = METHOD.drop_reason(key) is not None
        name = None if dropped else to_ours(key)
        is_parameter = name in parameters or (dropped and not _is_statistic(key))
        if is_parameter and name not in norms:
            without.add(key)
    report.equal('grad_none', sorted(without), sorted(case['grad_none'].tolist()))


def _is_statistic(key: str) -> bool:
    return key.endswith(('running_mean', 'running_var', 'num_batches_tracked'))


def _check_optimiser_steps(
    model: SGN, made: SGNCaseInputs, case: ParityCase, report: ParityReport
) -> None:
    """AdamW with gradient clipping on one sample; the figures are from before each step."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=2e-4, weight_decay=0.01)
    names, rows = case['train/terms'].tolist(), case['train/steps']
    for step, row in enumerate(rows):
        optimizer.zero_grad()
        with capture_arrays(model) as arrays:
            losses = model(made.inputs, [made.sample], mode='loss')
        total = total_loss(losses.values())
        total.backward()
        norm = nn.utils.clip_grad_norm_(parameters, 35.0)
        optimizer.step()
        found = {name: float(value.detach()) for name, value in losses.items()}
        found.update(
            total=float(total.detach()),
            grad_norm_before_clip=float(norm),
            n_proposals=float(arrays['proposal'].sum()),
        )
        for name, expected in zip(names, row):
            rule = dict(relative=_LATER_STEPS if step else _TRAIN)
            if name == 'n_proposals':
                rule = dict(absolute=3.0)
            report.close(f'train/steps[{step}]/{name}', found[name], expected, **rule)
