"""Parity of 3D-Sketch with the official implementation: both branches, losses, gradients."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmssc.checkpoints import get_method
from mmssc.evaluation.functional import count_voxels
from mmssc.models.completors.sketch import SketchCompletor
from mmssc.parity import reference_fill as fill
from mmssc.parity.recipe import (
    ParityOptions,
    ParityRecipe,
    ParityRun,
    gradient_norms,
    our_name,
    total_loss,
)
from mmssc.parity.report import ParityCase, ParityReport
from mmssc.parity.rgbd.common import GRADIENT, LOSS, PROBE, capture_outputs, load_filled, unweighted
from mmssc.parity.rgbd.inputs import NUM_CLASSES
from mmssc.registry import MODELS

from .inputs import SketchCaseInputs, check_inputs, make_inputs
from .real_frame import check_real_frame, is_real_frame
from .units import check_sketch_units

__all__ = ['SketchParity', 'build_sketch', 'check_image_branch', 'check_sketch_branch',
           'sketch_losses']  # fmt: skip

METHOD = get_method('sketch')
_STATISTICS = ('running_mean', 'running_var', 'num_batches_tracked')
_COUNTS = 3
_CROSS_ENTROPY = dict(type='mmssc.VoxelCrossEntropyLoss', reduction='batch')
# Modules whose output is an array of the case file.
_IMAGE_ARRAYS = {'backbone': 'eval.backbone', 'neck': 'eval.stage2.downsample'}
_SKETCH_ARRAYS = {
    'sketch_head.encoder.stem': 'eval.stage1.oper1',
    'sketch_head.encoder.unet.trunk.layer1': 'eval.stage1.completion1',
    'sketch_head.encoder.unet.trunk.layer2': 'eval.stage1.completion2',
    'sketch_head.encoder.unet.up1': 'eval.stage1.up1',
    'sketch_head.encoder.unet.up2': 'eval.stage1.up2',
    'sketch_head.cvae.condition': 'eval.cvae.decoder_x',
}
_SEMANTIC_ARRAYS = {
    'head.raw_encoder': 'eval.stage2.oper_sketch',
    'head.prior_encoder': 'eval.stage2.oper_sketch_cvae',
    'head.unet.trunk.layer1': 'eval.stage2.semantic1',
    'head.unet.trunk.layer2': 'eval.stage2.semantic2',
    'head.unet.up2': 'eval.stage2.up2',
}
_LOSSES = {
    'loss_3d': 'semantic',
    'loss_sketch_raw': 'sketch_raw',
    'loss_sketch_posterior': 'sketch_posterior',
    'loss_sketch_prior': 'sketch_prior',
    'loss_kl': 'kl',
}


def sketch_losses() -> dict[str, Any]:
    """Configs of the losses as in the shipped config: of the sketch head, then the model's."""
    return dict(
        sketch_head=dict(
            loss_raw=_CROSS_ENTROPY,
            loss_posterior=_CROSS_ENTROPY,
            loss_prior=dict(_CROSS_ENTROPY, loss_weight=1.5),
            loss_kl=dict(type='mmssc.StandardNormalKLLoss', loss_weight=2.0),
        ),
        loss_3d=_CROSS_ENTROPY,
    )


class SketchParity(ParityRecipe):
    """Recipe of 3D-Sketch's cases."""

    training_arrays = ('grad.',)

    def check_units(self, case: ParityCase, report: ParityReport) -> None:
        """Compare geometry and metric on synthetic cases, or on a frame of the authors."""
        (check_real_frame if is_real_frame(case) else check_sketch_units)(case, report)

    def compare(self, run: ParityRun) -> None:
        """Compare the network in testing and training: outputs, losses, scores and gradients."""
        manifest, case, report, options = run
        seed, batch = case.integer('seed'), case.integer('batch')
        model = build_sketch(manifest, seed, options)
        made = make_inputs(seed, batch).to(options.device)
        check_inputs(made, case, report)
        with torch.no_grad():
            volume = check_image_branch(model, made, case, report)
            sketches = check_sketch_branch(model, made, case, report)
            self._check_semantics(model, volume, sketches, made, case, report)
        self._check_training(model, made, case, report, options.forward_only)
        if not options.forward_only:
            self._check_gradients(model, manifest, case, report)

    def _check_semantics(
        self,
        model: SketchCompletor,
        volume: Tensor,
        sketches: Mapping[str, Tensor],
        made: SketchCaseInputs,
        case: ParityCase,
        report: ParityReport,
    ) -> None:
        """The second stage, its scores, and a check that the model consists of these parts."""
        with capture_outputs(model, _SEMANTIC_ARRAYS) as arrays:
            logits = model.head(volume, sketches['sketch_raw'], sketches['sketch_prior'])
            mean = model.head(volume, sketches['sketch_raw'], sketches['mean.sketch_prior'])
        for name, found in arrays.items():
            report.probed(case, name, found[0], PROBE)
        embedded = arrays['eval.stage2.oper_sketch'][0] + arrays['eval.stage2.oper_sketch_cvae'][0]
        report.probed(case, 'eval.stage2.fused', volume + embedded, PROBE)
        for name, found in (('eval.semantic', logits), ('mean.semantic', mean)):
            report.probed(case, name, found, PROBE)
            _check_histogram(found, f'{name}.argmax_histogram', case, report)
        whole = model.predict_logits({**made.inputs, 'sketch_codes': made.codes['noise']})
        report.probed(case, 'eval.semantic', whole, PROBE)
        _check_scores(whole, made, case, report)

    def _check_training(
        self,
        model: SketchCompletor,
        made: SketchCaseInputs,
        case: ParityCase,
        report: ParityReport,
        forward_only: bool,
    ) -> None:
        """The training branch on running statistics, its losses, and the backward pass."""
        inputs = {
            **made.inputs,
            'sketch_codes': made.codes['noise_prior'],
            'sketch_noise': made.codes['noise_posterior'],
        }
        with torch.set_grad_enabled(not forward_only):
            targets = model.targets(made.samples)
            outputs = model.forward_network({**inputs, 'true_sketch': targets['sketch']})
            losses = model.losses_by_outputs(outputs, targets)
        for name in ('sketch_raw', 'sketch_prior', 'sketch_posterior', 'mean', 'log_var'):
            report.probed(case, f'train.{name}', outputs[name], PROBE)
        report.probed(case, 'train.semantic', outputs['logits'], PROBE)
        total = total_loss(losses.values())
        modules = {f'loss_sketch_{name}': loss for name, loss in model.sketch_head.losses.items()}
        modules.update(loss_3d=model.loss_3d, loss_kl=model.sketch_head.loss_kl)
        for name, value in {**unweighted(losses, modules), 'total': total}.items():
            key = f'loss.{_LOSSES.get(name, name)}'
            report.close(key, value, case[key], relative=LOSS)
        if not forward_only:
            model.zero_grad(set_to_none=True)
            total.backward()

    def _check_gradients(
        self,
        model: SketchCompletor,
        manifest: str | PathLike[str],
        case: ParityCase,
        report: ParityReport,
    ) -> None:
        norms = gradient_norms(dict(model.named_parameters()))
        keys = [key for key in case.below('grad.') if key != 'grad.none_count']
        for key in keys:
            found = norms.get(our_name(METHOD, key.removeprefix('grad.')), float('nan'))
            report.close(key, found, case[key], relative=GRADIENT, absolute=1e-9)
        # Parameters of the reference without a gradient do not exist here.
        learning = sum(
            not key.startswith('backbone.') and not key.endswith(_STATISTICS)
            for key in fill.read_manifest(manifest)
        )
        report.equal('grad.none_count', learning - len(norms), case['grad.none_count'])
        model.zero_grad(set_to_none=True)


def build_sketch(
    manifest: str | PathLike[str], seed: int, options: ParityOptions | None = None
) -> SketchCompletor:
    """The network in evaluation mode, its weights filled by seed and imported.

    Raises:
        DataError: The manifest does not belong to this method.
    """
    options = options or ParityOptions()
    config = options.model_config
    if config is None:
        config = METHOD.model_config(fill.read_manifest(manifest))
        losses = sketch_losses()
        config['sketch_head'].update(losses.pop('sketch_head'))
        config.update(losses)
    model = MODELS.build(dict(config))
    return load_filled(model, METHOD, manifest, seed, options.device)


@torch.no_grad()
def check_image_branch(
    model: SketchCompletor, made: SketchCaseInputs, case: ParityCase, report: ParityReport
) -> Tensor:
    """Compare encoder, projection and lifting; return the lifted and filled volume."""
    with capture_outputs(model, _IMAGE_ARRAYS) as arrays:
        features = model.image_volume(made.inputs)
    for name, found in arrays.items():
        report.probed(case, name, found[0], PROBE)
    size = tuple(made.inputs['img'].shape[-2:])
    lifted = model.lifter.lift(features['feat2d'], size, made.inputs['voxel_to_pixel'])
    report.probed(case, 'eval.stage2.projected', lifted, PROBE)
    return features['volume']


@torch.no_grad()
def check_sketch_branch(
    model: SketchCompletor, made: SketchCaseInputs, case: ParityCase, report: ParityReport
) -> dict[str, Tensor]:
    """Compare the first stage: the sketches of the TSDF and of the VAE.

    Returns:
        ``sketch_raw``, ``sketch_prior``, and ``mean.sketch_prior`` (from the mean code).
    """
    sketcher = model.sketch_head
    with capture_outputs(model, _SKETCH_ARRAYS) as arrays:
        sketches = sketcher(made.inputs['tsdf'], codes=made.codes['noise'])
    for name, found in arrays.items():
        report.probed(case, name, found[0], PROBE)
    condition = arrays['eval.cvae.decoder_x'][0]
    mean = sketcher.cvae.decode(condition, torch.zeros_like(condition)[None])
    raw, prior = sketches['sketch_raw'], sketches['sketch_prior']
    for name, found in (('eval.sketch_raw', raw), ('eval.sketch_prior', prior),
                        ('mean.sketch_prior', mean)):  # fmt: skip
        report.probed(case, name, found, PROBE)
    for name, found in (('eval.sketch_raw', raw), ('eval.sketch_prior', prior)):
        _check_histogram(found, f'{name}.argmax_histogram', case, report)
    bits = np.unpackbits(case['eval.sketch_raw.argmax_bits'])[: raw[:, 0].numel()]
    different = int((raw.argmax(1).flatten().cpu().numpy() != bits).sum())
    report.at_most('eval.sketch_raw.argmax_bits', different, _COUNTS, bits.size, 'voxels')
    margin = (raw[:, 0] - raw[:, 1]).abs().min()
    report.close('eval.sketch_raw.margin_min', margin, case['eval.sketch_raw.margin_min'],
                 absolute=1e-5)  # fmt: skip
    return dict(sketch_raw=raw, sketch_prior=prior, **{'mean.sketch_prior': mean})


def _check_histogram(logits: Tensor, name: str, case: ParityCase, report: ParityReport) -> None:
    found = torch.bincount(logits.argmax(1).flatten(), minlength=logits.shape[1])
    report.close(name, found, case[name], absolute=_COUNTS)


def _check_scores(
    logits: Tensor, made: SketchCaseInputs, case: ParityCase, report: ParityReport
) -> None:
    """SSC on the voxels of ``label_weight``, SC on those that no pixel hits."""
    labels, weight = (
        torch.stack([sample.get(field) for sample in made.samples])
        for field in ('gt_voxels', 'label_weight')
    )
    hidden = weight & (made.inputs['voxel_to_pixel'] < 0)
    volume = logits.argmax(1)
    ssc = count_voxels(volume, labels, NUM_CLASSES, weight).confusion
    sc = count_voxels(volume, labels, NUM_CLASSES, hidden).completion
    report.close('metric.confusion', ssc, case['metric.confusion'], absolute=_COUNTS)
    report.close('metric.sc', sc, case['metric.sc'], absolute=_COUNTS)
