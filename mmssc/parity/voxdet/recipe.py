"""Parity of VoxDet-LiDAR with the official implementation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from os import PathLike
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmssc.checkpoints import get_method
from mmssc.models.completors import VoxDet
from mmssc.parity import reference_fill as fill
from mmssc.parity.recipe import (
    ParityRecipe,
    ParityRun,
    fill_checkpoint,
    gradient_norms,
    load_reference,
    our_name,
    total_loss,
    watch_outputs,
)
from mmssc.parity.report import ParityCase, ParityReport, seed_of_units
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample

from .inputs import case_grid, make_inputs, make_sample, make_scan
from .units import HIDDEN_RUNS, check_voxdet_units, class_weights

__all__ = ['VoxDetLidarParity', 'voxdet_losses']

METHOD = get_method('voxdet-lidar')
# Arrays relative to their deviation, losses and gradient norms to their value.
_PROBE, _LOSS, _GRADIENT = 1e-4, 1e-5, 1e-3
# Norms around 1e-3 are sums that cancel: the official float32 figures are uncertain by this.
_SMALL_GRADIENT = 1e-5
_ARGMAX_SHARE = 1e-4


def voxdet_losses() -> dict[str, Any]:
    """Configs of the losses as in the shipped config: of the head, and of the auxiliary head."""
    weights = class_weights()

    def terms(ce: float, sem_scal: float, geo_scal: float) -> dict[str, Any]:
        return dict(
            voxel_ce=dict(
                type='mmssc.VoxelCrossEntropyLoss', class_weight=weights, normalizer='weights',
                loss_weight=ce,
            ),
            voxel_sem_scal=dict(type='mmssc.SemanticScalLoss', loss_weight=sem_scal),
            voxel_geo_scal=dict(type='mmssc.GeometricScalLoss', loss_weight=geo_scal),
        )  # fmt: skip

    return dict(
        head=dict(losses=terms(3.0, 1.0, 5.0), loss_distances=dict(type='mmssc.RunLengthLoss')),
        aux_head=dict(losses=terms(0.5, 0.5, 0.5)),
    )


class VoxDetLidarParity(ParityRecipe):
    """Recipe of the cases of VoxDet-LiDAR."""

    def check_units(self, case: ParityCase, report: ParityReport) -> None:
        """Compare single parts with ``units_N.npz``, except those of the camera model."""
        check_voxdet_units(case, report)
        report.note_unused(case)

    def compare(self, run: ParityRun) -> None:
        """Compare the stages, losses and gradients with one case file."""
        manifest, case, report, options = run
        seed = seed_of_units(case)
        grid = case_grid(tuple(case['logits/shape'][2:].tolist()))
        config = {**(options.model_config or _model_config(manifest)), 'voxel_grid': grid.to_dict()}
        model = MODELS.build(config).eval()
        reference = fill_checkpoint(manifest, seed)
        lightning = {f'model.{key}': value for key, value in reference.items()}
        load_reference(model, lightning, METHOD, manifest)
        model.to(options.device)
        scan = make_scan(seed, case.integer('n_raw'), grid)
        sample = make_sample(seed, grid).to(options.device)
        inputs = make_inputs(scan, options.device)
        report.probed(case, 'raw_points', scan, _PROBE)
        _check_points(model, inputs, case, report)
        with torch.set_grad_enabled(not options.forward_only), _capture(model) as arrays:
            losses = model.loss(inputs, [sample])
        _check_stages(arrays, case, report)
        _check_labels(model, sample, arrays['logits'], case, report)
        for name, value in losses.items():
            report.close(f'loss/{name}', value, case[f'loss/{name}'], relative=_LOSS)
        total = total_loss(losses.values())
        report.close('loss/total', total, case['loss/total'], relative=_LOSS)
        if not options.forward_only:
            total.backward()
            _check_gradients(model, case, report)


def _model_config(manifest: str | PathLike[str]) -> dict[str, Any]:
    config = METHOD.model_config(fill.read_manifest(manifest))
    losses = voxdet_losses()
    config['head'].update(losses['head'], hidden_runs=HIDDEN_RUNS)
    config['aux_head'].update(losses['aux_head'])
    front_end = config['front_end']
    # A backward pass of the full size would not fit into 16 GB of memory.
    for part in (front_end['backbone'], front_end['neck'], config['encoder'], config['neck'],
                 config['head']):  # fmt: skip
        part['with_cp'] = True
    return config


def _check_points(
    model: VoxDet, inputs: Mapping[str, list[Tensor]], case: ParityCase, report: ParityReport
) -> None:
    features, cells = model.front_end.point_features(inputs)
    report.equal('n_kept', len(features), case['n_kept'])
    report.probed(case, 'points', features, _PROBE)
    found = cells[:, 1:].cpu().numpy()
    report.equal('grid_ind/shape', found.shape, case['grid_ind/shape'])
    report.equal('grid_ind', found.reshape(-1)[case['grid_ind/idx']], case['grid_ind/val'])


def _stages(model: VoxDet) -> dict[str, str]:
    """Stage of the reference -> our module whose output it is."""
    front, layers = 'front_end.', len(model.front_end.point_encoder.point_mlp)
    stages = {
        'point_mlp': f'{front}point_encoder.point_mlp.{layers - 1}',
        'tokenizer': f'{front}point_encoder',
        'bbox_raw': 'head.regressor',
        'cls_raw': 'head.classifier',
        'logits_aux': 'aux_head.classifier',
    }
    for name, path in (('backbone', f'{front}backbone'), ('encoder', 'encoder')):
        for number, blocks in enumerate(model.get_submodule(path).stages):
            stages[f'{name}.{number}'] = f'{path}.stages.{number}.{len(blocks) - 1}'
    for name, path in (('neck', f'{front}neck'), ('cls', 'class_neck'), ('reg', 'run_neck')):
        for number in range(len(model.get_submodule(path).levels)):
            stages[f'{name}.{number}'] = f'{path}.levels.{number}'
            if name != 'neck':
                stages[f'tpv_{name}.{number}'] = f'{path}.levels.{number}.planes'
    for number in range(len(model.head.refinements)):
        stages[f'refine.{number}'] = f'head.refinements.{number}'
    return stages


@contextmanager
def _capture(model: VoxDet) -> Iterator[dict[str, Tensor]]:
    """Collect the stages of the parity data while the model runs."""
    arrays: dict[str, Tensor] = {}
    stores: list[tuple[nn.Module, Callable[[Any], object]]] = [(model.head, arrays.update)]
    stores += [
        (model.get_submodule(path), partial(arrays.__setitem__, name))
        for name, path in _stages(model).items()
    ]
    with watch_outputs(stores):
        yield arrays
    arrays['bbox'] = arrays.pop('distances')
    # Of the output at the resolution of the volume.
    size = arrays['logits'].shape[2:]
    arrays['logits_aux'] = F.interpolate(arrays['logits_aux'].detach(), size, mode='trilinear')


def _check_stages(arrays: Mapping[str, Tensor], case: ParityCase, report: ParityReport) -> None:
    for name, array in arrays.items():
        report.probed(case, name, array, _PROBE)


def _check_labels(
    model: VoxDet, sample: SSCDataSample, logits: Tensor, case: ParityCase, report: ParityReport
) -> None:
    """Labels before and after the rule for long runs, and the predicted classes."""
    refined = model.head.targets([sample], model.voxel_grid.shape, model.distance_step).labels
    for name, labels in (('target', sample.gt_voxels), ('target_refined', refined)):
        found = torch.bincount(labels.flatten().int(), minlength=256)
        report.equal(f'{name}/hist', found, case[f'{name}/hist'])
    expected = case['pred/hist']
    predicted = torch.bincount(logits.argmax(1).flatten(), minlength=len(expected))
    # One voxel with another label changes two classes.
    different = int(np.abs(predicted.cpu().numpy() - expected).sum()) // 2
    total = int(expected.sum())
    report.at_most('pred/hist', different, max(1, int(_ARGMAX_SHARE * total)), total, 'voxels')


def _check_gradients(model: VoxDet, case: ParityCase, report: ParityReport) -> None:
    norms = gradient_norms(dict(model.named_parameters()))
    report.equal('grad/names: count', len(norms), len(case['grad/names']))
    for key, expected in zip(case['grad/names'].tolist(), case['grad/norm'].tolist()):
        report.close(
            f'grad/{key}', norms[our_name(METHOD, key)], expected,
            relative=_GRADIENT, absolute=_SMALL_GRADIENT,
        )  # fmt: skip
