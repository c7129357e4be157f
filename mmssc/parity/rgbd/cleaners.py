"""Parity of CleanerS with the official implementation: teacher, student and distillation."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

import torch
from torch import Tensor

from mmssc.checkpoints import get_method
from mmssc.models.completors.cleaners import CleanerS
from mmssc.models.completors.rgbd_completor import RGBDCompletor
from mmssc.models.layers.volume_augmentation import VolumeChange
from mmssc.parity import reference_fill as fill
from mmssc.parity.recipe import ParityOptions, ParityRecipe, ParityRun, total_loss
from mmssc.parity.report import ParityCase, ParityReport
from mmssc.registry import MODELS

from .common import (
    CROSS_ENTROPY,
    GRADIENT,
    LOSS,
    PROBE,
    capture_levels,
    check_gradients,
    check_image_arrays,
    check_scores,
    load_filled,
    synthetic_losses,
    unweighted,
)
from .inputs import RGBDCaseInputs, make_inputs, synthetic_batch

__all__ = ['STUDENT_SEED', 'CleanersParity', 'build_student', 'check_synthetic', 'cleaners_losses']

METHOD = get_method('cleaners')
STUDENT_SEED = 100  # added to the case's seed for the student's weights
_SEGMENTATION = {'loss_2d': 'loss2d', 'loss_3d': 'loss3d'}


def cleaners_losses() -> dict[str, Any]:
    """Configs of all losses, as in the shipped config."""
    return dict(
        loss_2d=dict(CROSS_ENTROPY, loss_weight=0.25),
        loss_3d=CROSS_ENTROPY,
        loss_kd_t=dict(type='mmssc.FeatureDistillationLoss', loss_weight=0.25),
        loss_kd_sc=dict(type='mmssc.ClassCenterDistillationLoss', loss_weight=0.25),
        loss_kd_sa=dict(type='mmssc.ClassAffinityDistillationLoss', loss_weight=0.25),
    )


class CleanersParity(ParityRecipe):
    """Recipe of CleanerS' cases."""

    def compare(self, run: ParityRun) -> None:
        """Compare both networks, the losses, the distillation and the student's gradients."""
        manifest, case, report, options = run
        seed = case.integer('seed')
        student = build_student(manifest, options)
        check_synthetic(student, seed, case, report)
        made = make_inputs(seed).to(options.device)
        taught = self._check_teacher(student, made, seed, run)
        load_filled(student, METHOD, manifest, seed + STUDENT_SEED, options.device)
        with torch.set_grad_enabled(not options.forward_only), capture_levels(student) as levels:
            outputs = student.forward_network(made.inputs)
        _check_network(student, outputs, levels, made, case, report, 'student.')
        with torch.no_grad():
            flipped = student.complete(outputs, VolumeChange(flips=(0,)))
        report.probed(case, 'student.logit3d_aug', flipped['logits'], PROBE)
        self._check_losses(student, outputs, taught, made, case, report, options.forward_only)

    def _check_teacher(
        self, student: CleanerS, made: RGBDCaseInputs, seed: int, run: ParityRun
    ) -> dict[str, Tensor]:
        manifest, case, report, options = run
        teacher = load_filled(student.build_teacher(), METHOD, manifest, seed, options.device)
        with torch.no_grad(), capture_levels(teacher) as levels:
            outputs = teacher.forward_network(made.inputs)
            _check_network(teacher, outputs, levels, made, case, report, 'teacher.')
            # The teacher's own training uses the student's segmentation losses.
            teacher.loss_2d, teacher.loss_3d = student.loss_2d, student.loss_3d
            losses = teacher.segmentation_losses(outputs, [made.sample])
        names = {f'teacher.{key}': value for key, value in unweighted_of(student, losses).items()}
        names['teacher.loss_total'] = total_loss(losses.values())
        _compare_losses(names, '', case, report)
        return dict(logits=outputs['logits'], tsdf_feat=outputs['tsdf_feat'])

    def _check_losses(
        self,
        student: CleanerS,
        outputs: Mapping[str, Tensor],
        taught: Mapping[str, Tensor],
        made: RGBDCaseInputs,
        case: ParityCase,
        report: ParityReport,
        forward_only: bool,
    ) -> None:
        samples = [made.sample]
        with torch.set_grad_enabled(not forward_only):
            losses = student.segmentation_losses(outputs, samples)
            losses.update(student.distillation_losses(outputs, taught, samples))
            total = total_loss(losses.values())
        found = _by_reference_names(student, losses)
        for name in _SEGMENTATION.values():
            found[f'student.{name}'] = found.pop(name)
        _compare_losses({**found, 'loss_total': total}, '', case, report)
        if forward_only:
            return
        for name, loss, array in (
            ('grad_kd_s_logit3d', found['loss_kd_s'], outputs['logits']),
            ('grad_kd_t_feat', found['loss_kd_t'], outputs['tsdf_feat']),
        ):
            (gradient,) = torch.autograd.grad(loss, array, retain_graph=True)
            report.close(name, gradient.double().norm(), case[name], relative=GRADIENT)
        student.zero_grad(set_to_none=True)
        total.backward()
        check_gradients(dict(student.named_parameters()), METHOD, case, report)
        student.zero_grad(set_to_none=True)


def build_student(manifest: str | PathLike[str], options: ParityOptions | None = None) -> CleanerS:
    """The student with the teacher's network, random weights, in evaluation mode."""
    config = (options or ParityOptions()).model_config
    if config is None:
        shapes = fill.read_manifest(manifest)
        config = {**METHOD.model_config(shapes), **cleaners_losses()}
        config.update(type='mmssc.CleanerS', teacher={})
    return MODELS.build(dict(config)).eval()


def check_synthetic(model: CleanerS, seed: int, case: ParityCase, report: ParityReport) -> None:
    """Losses and scores of synthetic logits."""
    student = synthetic_batch(seed)
    teacher = synthetic_batch(seed, 'synth_logits3d_T', signal=3.0)
    shape = (2, 16, 30, 18, 30)
    features = (torch.from_numpy(fill.normal(f'synth_feat_{who}', shape, seed)) for who in 'ST')
    outputs, taught = (
        dict(logits=batch.logits_3d, tsdf_feat=feat)
        for batch, feat in zip((student, teacher), features)
    )
    losses = synthetic_losses(model, student)
    losses.update(model.distillation_losses(outputs, taught, student.samples))
    _compare_losses(_by_reference_names(model, losses), 'synth.', case, report)
    check_scores(
        student.logits_3d, student.logits_2d, student.voxel_to_pixel, student.samples,
        case, report, 'synth.',
    )  # fmt: skip


def unweighted_of(model: CleanerS, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Losses without their factors; segmentation losses have the reference's names."""
    modules = dict(loss_2d=model.loss_2d, loss_3d=model.loss_3d, **model.distillation)
    plain = unweighted(losses, modules)
    return {_SEGMENTATION.get(name, name): value for name, value in plain.items()}


def _by_reference_names(model: CleanerS, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
    plain = unweighted_of(model, losses)
    plain['loss_kd_s'] = plain['loss_kd_sc'] + plain['loss_kd_sa']
    return plain


def _compare_losses(
    losses: Mapping[str, Tensor], prefix: str, case: ParityCase, report: ParityReport
) -> None:
    for name, value in losses.items():
        report.close(f'{prefix}{name}', value, case[f'{prefix}{name}'], relative=LOSS)


def _check_network(
    model: RGBDCompletor,
    outputs: Mapping[str, Tensor],
    levels: list[Tensor],
    made: RGBDCaseInputs,
    case: ParityCase,
    report: ParityReport,
    prefix: str,
) -> None:
    """All arrays of one network, and its scores."""
    logits_2d = check_image_arrays(model, outputs, levels, made.inputs, case, report, prefix)
    with torch.no_grad():
        fused = outputs['volume'] + outputs['tsdf_feat']
    for name, array in (('tsdf_feat', outputs['tsdf_feat']), ('fused3d', fused),
                        ('logit3d', outputs['logits'])):  # fmt: skip
        report.probed(case, f'{prefix}{name}', array, PROBE)
    check_scores(
        outputs['logits'].detach(), logits_2d, made.inputs['voxel_to_pixel'], [made.sample],
        case, report, prefix, centred=True,
    )  # fmt: skip
