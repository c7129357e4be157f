"""Parity of AMMNet with the official code: generator, discriminator, losses, one step."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmssc.checkpoints import get_method
from mmssc.engine.optim import AdversarialOptimWrapperConstructor, AdversarialOptimWrapperDict
from mmssc.errors import DataError
from mmssc.models.adversarial import VolumeDiscriminator
from mmssc.models.adversarial.fake_labels import one_hot_volume
from mmssc.models.completors.ammnet import AMMNet
from mmssc.models.layers.volume_augmentation import VolumeChange
from mmssc.models.losses import SSCLoss
from mmssc.parity import reference_fill as fill
from mmssc.parity.recipe import ParityOptions, ParityRecipe, ParityRun, our_name, total_loss
from mmssc.parity.report import ParityCase, ParityReport
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample

from .common import (
    COUNTS,
    CROSS_ENTROPY,
    GRADIENT,
    LOSS,
    PROBE,
    capture_levels,
    capture_outputs,
    check_gradients,
    check_image_arrays,
    check_scores,
    load_filled,
    synthetic_losses,
    unweighted,
)
from .images import check_image_pipeline
from .inputs import IGNORE, NUM_CLASSES, SHAPE, RGBDCaseInputs, make_inputs, synthetic_batch

__all__ = [
    'AMMNetParity', 'ammnet_losses', 'ammnet_optimisers', 'build_ammnet', 'check_judgements',
    'check_synthetic', 'fixed_fakes',
]  # fmt: skip

METHOD = get_method('ammnet')
_VOLUMES = ('real', 'shuffled', 'erased', 'predicted')  # in the order of the case files
_STEP = 1e-2  # of the logits after a step
_MODULATED = {f'head.modulations.{number}': f'mod{number + 1}' for number in range(3)}
# The augmentation of the case files: flip x and swap x and z.
_CHANGE = VolumeChange(flips=(0,), swap=(0, 2))


def ammnet_losses() -> dict[str, Any]:
    """Configs of all losses, as in the shipped config."""
    return dict(
        loss_2d=dict(CROSS_ENTROPY, loss_weight=0.25),
        loss_3d=CROSS_ENTROPY,
        loss_adv=dict(type='mmssc.AdversarialLoss', loss_weight=0.005),
        loss_disc=dict(type='mmssc.AdversarialLoss'),
    )


def ammnet_optimisers() -> dict[str, Any]:
    """Configs of both optimisers, as in the shipped config."""
    one = dict(
        optimizer=dict(type='AdamW', lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.05),
        paramwise_cfg=dict(flat_decay_mult=0.0),
        clip_grad=dict(max_norm=10, norm_type=2),
    )
    return dict(generator=one, discriminator=one)


def fixed_fakes(labels: Tensor, weight: Tensor, seed: int) -> tuple[dict[str, Tensor], list[int]]:
    """The volumes that the recipe uses instead of the random ones.

    Args:
        labels: (1, X, Y, Z), 255 = none.
        weight: (1, X, Y, Z) bool.
        seed: Seed of the case.

    Returns:
        ``real``, ``shuffled`` and ``erased``, (1, K, X, Y, Z), and the numbers of voxels that the
        two fakes change.
    """

    def chosen(name: str, share: float) -> Tensor:
        draw = fill.uniform(name, (int(np.prod(SHAPE)),), seed) < np.float32(share)
        return torch.from_numpy(draw).view(1, *SHAPE).to(labels.device)

    real = labels.masked_fill((labels == IGNORE) | ~weight, 0)
    shuffled, drawn = real.clone(), chosen('fake_shuffle', 0.5)
    for before, after in ((3, 7), (8, 2)):
        shuffled[drawn & (real == before)] = after
    erased = chosen('fake_erase', 0.4) & (labels != 0) & (labels != IGNORE)
    one_hot = one_hot_volume(real, NUM_CLASSES)
    volumes = dict(
        real=one_hot,
        shuffled=one_hot_volume(shuffled, NUM_CLASSES),
        erased=one_hot.masked_fill(erased[:, None], 0.0),
    )
    return volumes, [int((shuffled != real).sum()), int(erased.sum())]


class AMMNetParity(ParityRecipe):
    """Recipe of AMMNet's cases."""

    training_arrays = ('grad', 'step')

    def compare(self, run: ParityRun) -> None:
        """Compare the generator, the discriminator, all losses, gradients and one step."""
        manifest, case, report, options = run
        seed = case.integer('seed')
        model = build_ammnet(manifest, options)
        check_image_pipeline(seed, case, report)
        check_synthetic(model, seed, case, report)
        made = make_inputs(seed).to(options.device)
        load_filled(model, METHOD, manifest, seed, options.device)
        with torch.set_grad_enabled(not options.forward_only):
            outputs = _check_network(model, made, case, report)
            _check_generator_losses(model, outputs, made, case, report, options.forward_only)
        logits = outputs['logits'].detach()
        with torch.no_grad():
            _check_augmented(model, outputs, made, case, report)
        del outputs
        _check_discriminator(model, logits, made, seed, case, report, options.forward_only)


def build_ammnet(manifest: str | PathLike[str], options: ParityOptions | None = None) -> AMMNet:
    """The network with all losses, random weights, in evaluation mode."""
    config = (options or ParityOptions()).model_config
    if config is None:
        config = {**METHOD.model_config(fill.read_manifest(manifest)), **ammnet_losses()}
    return MODELS.build(dict(config)).eval()


def check_synthetic(model: AMMNet, seed: int, case: ParityCase, report: ParityReport) -> None:
    """Losses and scores of synthetic logits."""
    batch = synthetic_batch(seed)
    losses = unweighted(synthetic_losses(model, batch), _loss_modules(model))
    for name, key in (('loss_2d', 'loss2d'), ('loss_3d', 'loss3d')):
        report.close(f'synth.{key}', losses[name], case[f'synth.{key}'], relative=LOSS)
    check_scores(
        batch.logits_3d,
        batch.logits_2d,
        batch.voxel_to_pixel,
        batch.samples,
        case,
        report,
        'synth.',
    )


def _check_network(
    model: AMMNet, made: RGBDCaseInputs, case: ParityCase, report: ParityReport
) -> Mapping[str, Tensor]:
    with capture_levels(model) as levels, capture_outputs(model, _MODULATED) as modulated:
        outputs = model.forward_network(made.inputs)
    logits_2d = check_image_arrays(model, outputs, levels, made.inputs, case, report)
    arrays = dict(init3d=outputs['volume'], tsdf_feat=outputs['tsdf_feat'])
    arrays.update((name, output[0]) for name, output in modulated.items())
    arrays['logit3d'] = outputs['logits']
    for name, array in arrays.items():
        report.probed(case, name, array, PROBE)
    filled = int((outputs['volume'] != 0).sum())
    # An element of proj3d that is 0 here but 1e-8 in the reference, as in case 1, changes the mean
    # of up to 27 neighbours that are 0.
    report.close('init3d.nonzero', filled, case['init3d.nonzero'], absolute=27 * COUNTS)
    check_scores(
        outputs['logits'].detach(), logits_2d, made.inputs['voxel_to_pixel'], [made.sample],
        case, report, centred=True,
    )  # fmt: skip
    return outputs


def _discriminator(model: AMMNet) -> VolumeDiscriminator:
    """The discriminator of a model.

    Raises:
        DataError: There is none, or it is of another class.
    """
    found = model.discriminator
    if not isinstance(found, VolumeDiscriminator):
        expected = VolumeDiscriminator.__name__
        raise DataError('model config', 'discriminator', expected, type(found).__name__)
    return found


def _loss_modules(model: AMMNet) -> dict[str, SSCLoss]:
    return {name: getattr(model, name) for name in ('loss_2d', 'loss_3d', 'loss_adv', 'loss_disc')}


def _check_generator_losses(
    model: AMMNet,
    outputs: Mapping[str, Tensor],
    made: RGBDCaseInputs,
    case: ParityCase,
    report: ParityReport,
    forward_only: bool,
) -> None:
    losses = model.generator_losses(outputs, [made.sample])
    plain = unweighted(losses, _loss_modules(model))
    for name, value in plain.items():
        key = name.replace('_2d', '2d').replace('_3d', '3d')
        report.close(key, value, case[key], relative=LOSS)
    total = total_loss(losses.values())
    report.close('loss_total', total, case['loss_total'], relative=LOSS)
    if forward_only:
        return
    (gradient,) = torch.autograd.grad(plain['loss_adv'], outputs['logits'], retain_graph=True)
    name = 'grad_adv_logit3d'
    report.close(name, gradient.double().norm(), case[name], relative=GRADIENT)
    model.zero_grad(set_to_none=True)
    total.backward()
    check_gradients(dict(model.named_parameters()), METHOD, case, report, 'gradG')
    model.zero_grad(set_to_none=True)


def _check_augmented(
    model: AMMNet,
    outputs: Mapping[str, Tensor],
    made: RGBDCaseInputs,
    case: ParityCase,
    report: ParityReport,
) -> None:
    """The logits with a fixed augmentation, and the discriminator's output for them."""
    changed = model.complete(outputs, _CHANGE)
    report.probed(case, 'logit3d_aug_raw', changed['augmented_logits'], PROBE)
    report.probed(case, 'logit3d_aug', changed['logits'], PROBE)
    weight = model.label_weight([made.sample])
    before = model.undo_for_discriminator
    for key, undo in (('loss_adv_misaligned', False), ('loss_adv_aligned', True)):
        model.undo_for_discriminator = undo
        verdict = _discriminator(model)(model.predicted_volume(changed, weight))
        loss = model.loss_adv(verdict, 1.0) / model.loss_adv.loss_weight
        report.close(key, loss, case[key], relative=LOSS)
    model.undo_for_discriminator = before


@torch.no_grad()
def check_judgements(
    model: AMMNet, sample: SSCDataSample, seed: int, case: ParityCase, report: ParityReport
) -> dict[str, Tensor]:
    """Compare the discriminator on the annotated volume and on noise, without a generator.

    Returns:
        The volumes of :func:`fixed_fakes`.
    """
    labels, weight = model.label_volume([sample]), model.label_weight([sample])
    volumes, counts = fixed_fakes(labels, weight, seed)
    report.equal('fake_counts', np.array(counts), case['fake_counts'])
    noise = torch.from_numpy(fill.normal('disc_in', (1, NUM_CLASSES, *SHAPE), seed))
    noise = noise.to(labels.device)
    discriminator = _discriminator(model)
    for name, volume in (('real', volumes['real']), ('rand', noise)):
        features = discriminator.blocks(discriminator.conv(volume))
        report.probed(case, f'disc_layer4_{name}', features, PROBE)
    verdict = discriminator(noise)[0]
    report.close('disc_rand_logit', verdict, case['disc_rand_logit'], absolute=PROBE)
    return volumes


def _check_discriminator(
    model: AMMNet,
    logits: Tensor,
    made: RGBDCaseInputs,
    seed: int,
    case: ParityCase,
    report: ParityReport,
    forward_only: bool,
) -> None:
    volumes = check_judgements(model, made.sample, seed, case, report)
    outputs = dict(logits=logits, augmented_logits=logits)
    volumes['predicted'] = model.predicted_volume(outputs, model.label_weight([made.sample]))
    with torch.set_grad_enabled(not forward_only):
        verdicts = [_discriminator(model)(volumes[name]) for name in _VOLUMES]
        losses = [
            model.loss_disc(verdict, float(name == 'real'))
            for name, verdict in zip(_VOLUMES, verdicts)
        ]
        total = total_loss(losses)
    report.close('disc_logits', torch.cat(verdicts), case['disc_logits'], absolute=PROBE)
    report.close('loss_disc_parts', torch.stack(losses), case['loss_disc_parts'], relative=LOSS)
    report.close('loss_disc', total, case['loss_disc'], relative=LOSS)
    if not forward_only:
        _check_step(model, volumes, total, case, report)


def _optimisers(model: AMMNet) -> AdversarialOptimWrapperDict:
    # mmengine logs the options of every single parameter.
    logging.disable(logging.WARNING)
    try:
        return AdversarialOptimWrapperConstructor(ammnet_optimisers())(model)
    finally:
        logging.disable(logging.NOTSET)


def _check_step(
    model: AMMNet,
    volumes: Mapping[str, Tensor],
    loss: Tensor,
    case: ParityCase,
    report: ParityReport,
) -> None:
    """Gradients of the discriminator, and one step of its optimiser."""
    wrapper = _optimisers(model)['discriminator']
    before = {name: value.clone() for name, value in model.named_parameters()}
    wrapper.backward(loss)
    check_gradients(dict(model.named_parameters()), METHOD, case, report, 'gradD')
    wrapper.step()
    norm = wrapper.message_hub.get_scalar('train/grad_norm_discriminator').current()
    report.close('step.clip_norm', norm, case['step.clip_norm'], relative=GRADIENT)
    with torch.no_grad():
        verdicts = torch.cat([_discriminator(model)(volumes[name]) for name in _VOLUMES])
        adverse = model.loss_adv(verdicts[-1:], 1.0) / model.loss_adv.loss_weight
    report.close('step.disc_logits', verdicts, case['step.disc_logits'], absolute=_STEP)
    report.close('step.loss_adv', adverse, case['step.loss_adv'], absolute=_STEP)
    moved = {
        name: float((value - before[name]).detach().double().norm())
        for name, value in model.named_parameters()
    }
    for key, expected in zip(case['step.names'].tolist(), case['step.delta_norms'].tolist()):
        found = moved.pop(our_name(METHOD, key))
        report.close(f'step/{key}', found, expected, relative=GRADIENT)
    still = sum(moved[name] for name in moved if not name.startswith('discriminator.'))
    report.equal('step/generator', still, 0.0)
