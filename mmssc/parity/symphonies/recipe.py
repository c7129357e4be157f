"""Parity of Symphonies with the official implementation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmssc.checkpoints.importer.symphonies import symphonies_decoder_config, symphonies_model_config
from mmssc.datasets import SemanticKITTIDataset
from mmssc.errors import DataError
from mmssc.evaluation.functional import count_voxels, scores_from_counts
from mmssc.geometry import count_frustum_classes, project_voxels, voxel_to_pixel
from mmssc.geometry.working_volume import normalized_centers
from mmssc.models.completors import Symphonies
from mmssc.models.heads import SymphoniesDecoder
from mmssc.models.lifters import VolumeProjection, project_volume
from mmssc.models.losses import class_weights_from_counts
from mmssc.parity import reference_fill as fill
from mmssc.parity.frustum_units import check_frustum_units
from mmssc.parity.recipe import (
    ParityOptions,
    ParityRecipe,
    ParityRun,
    fill_checkpoint,
    load_reference,
    total_loss,
    watch_outputs,
)
from mmssc.parity.report import ParityCase, ParityReport
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample

from .gradients import GRADIENT, LOOSE_IN_DECODER, LOOSE_IN_MODEL, METHOD, check_gradients, to_ours
from .inputs import GEOMETRIES, SymphoniesGeometry, build_inputs
from .units import check_symphonies_units

__all__ = ['SymphoniesParity', 'symphonies_losses']

# Arrays relative to their deviation, losses to their value, the objective to the typical size of a
# sum of the logits with random weights.
_TENSOR, _LOSS, _OBJECTIVE = 2e-4, 1e-5, 1e-4
_ARGMAX_SHARE = 1e-4
_METRIC = 1e-4
# Ours -> the reference's name of a module of a layer.
_MODULES = {
    'query_image_cross_deform_attn': 'query_image_cross_defrom_attn',
    'scene_query_cross_attn': 'scene_query_cross_attn',
    'scene_self_deform_attn': 'scene_self_deform_attn',
    'query_scene_cross_deform_attn': 'query_scene_cross_deform_attn',
    'query_self_attn': 'query_self_attn',
}


def symphonies_losses() -> dict[str, dict[str, Any]]:
    """Configs of the four losses of an output, as in the shipped SemanticKITTI config."""
    counts = SemanticKITTIDataset.METAINFO['class_counts']
    weights = class_weights_from_counts(counts, scale=1.0, offset=1e-6, digits=None)
    return dict(
        ce_ssc=dict(type='mmssc.VoxelCrossEntropyLoss', class_weight=weights, normalizer='weights'),
        sem_scal=dict(type='mmssc.SemanticScalLoss'),
        geo_scal=dict(type='mmssc.GeometricScalLoss'),
        frustum=dict(type='mmssc.FrustumProportionLoss'),
    )


class SymphoniesParity(ParityRecipe):
    """Recipe of one kind of case.

    Args:
        kind: ``'full'`` or ``'small'`` for the whole model, ``'decoder'`` for the decoder alone.
    """

    def __init__(self, kind: str = 'full') -> None:
        self.kind = kind

    def check_units(self, case: ParityCase, report: ParityReport) -> None:
        """Compare single parts with ``units_N.npz``."""
        check_frustum_units(case, report)
        check_symphonies_units(case, report)
        report.note_unused(case)

    def compare(self, run: ParityRun) -> None:
        """Compare the whole model, or the decoder, with one case file."""
        manifest, case, report, options = run
        reference = rebuild_checkpoint(manifest, case)
        geometry = self._geometry(manifest, case, reference)
        made = build_inputs(case, geometry, options.device)
        if self.kind == 'decoder':
            _check_decoder(reference, case, geometry, made[0], report, options)
        else:
            _check_model(reference, case, geometry, made, report, options)

    def _geometry(
        self, manifest: str | PathLike[str], case: ParityCase, reference: Mapping[str, Tensor]
    ) -> SymphoniesGeometry:
        whole = 'encoder.query_embed.weight' in reference
        shape = tuple(reference['decoder.voxel_grid'].shape[1:])
        for name, geometry in GEOMETRIES.items():
            working = geometry.grid.coarsen(geometry.volume_scale).shape
            fits = shape == (*working[:2], working[2] // geometry.downsample_z)
            kind = name if whole else 'decoder'
            if fits and kind == self.kind and case['depth_q'].shape == geometry.image_size:
                return geometry
        expected = f'those of symphonies-{self.kind}'
        found = f'working volume {shape}, image {case["depth_q"].shape}'
        raise DataError(manifest, 'model and case', expected, found, f'Case: {case.path}')


def rebuild_checkpoint(manifest: str | PathLike[str], case: ParityCase) -> dict[str, Tensor]:
    """The reference checkpoint: filled by seed, except the two computed buffers."""
    state = fill_checkpoint(manifest, case.integer('seed'))
    alignment = 'centers' if 'half_grid' in case.path.stem else 'corners'
    shape = state['decoder.voxel_grid'].shape[1:]
    state['decoder.voxel_grid'] = normalized_centers(shape, alignment)
    height, width = state['decoder.image_grid'].shape[-2:]
    v, u = torch.meshgrid(torch.arange(height), torch.arange(width), indexing='ij')
    state['decoder.image_grid'] = torch.stack([u, v])[None].float()
    return state


def _check_model(
    reference: Mapping[str, Tensor],
    case: ParityCase,
    geometry: SymphoniesGeometry,
    made: tuple[dict[str, Any], SSCDataSample],
    report: ParityReport,
    options: ParityOptions,
) -> None:
    config = options.model_config
    if config is None:
        shapes = {key: tuple(value.shape) for key, value in reference.items()}
        config = symphonies_model_config(shapes)
        config['head'].update(losses=symphonies_losses())
    config = {**config, 'voxel_grid': geometry.grid.to_dict()}
    model = MODELS.build(config).eval()
    lightning = {f'model.{key}': value for key, value in reference.items()}
    load_reference(model, lightning, METHOD, case.path)
    model.to(options.device)
    inputs, sample = made
    _check_loader(inputs, sample, geometry, case, report)
    with torch.set_grad_enabled(not options.forward_only), _capture(model) as arrays:
        outputs = model._decode({**inputs}, all_outputs=True)
    (view,) = model.view_scenes(inputs)
    points = model.head.query_points.weight.sigmoid()[None]
    with torch.no_grad():
        arrays['queries'], arrays['pred_pts'] = model.head.query_embed.weight[None], points
        levels = [arrays[f'backbone.{number}'] for number in range(4)]
        for number, level in enumerate(model.neck.encode_levels(levels)):
            arrays[f'pixel_decoder.{number}'] = level
    _check_view(view, points, case, report)
    _check_stages(arrays, case, report)
    _check_logits(outputs, case, report)
    _check_metric(outputs[-1], sample, case, report)
    for number, logits in enumerate(outputs):
        if f'grad_logits.{number}/norm' in case and logits.requires_grad:
            logits.retain_grad()
    losses = model.head.loss(outputs, [sample])
    for name, value in losses.items():
        report.close(f'loss/{name}', value, case[f'loss/{name}'], relative=_LOSS)
    total = total_loss(losses.values())
    report.close('loss_total', total, case['loss_total'], relative=_LOSS)
    if options.forward_only:
        return
    total.backward()
    for number, logits in enumerate(outputs):
        key = f'grad_logits.{number}/norm'
        if key in case:
            # Like the figure: a float32 sum over 42 million elements on a CPU, which differs by
            # 0.5 % from the norm in float64.
            report.close(key, logits.grad.float().cpu().norm(), case[key], relative=GRADIENT)
    check_gradients(dict(model.named_parameters()), case, report, LOOSE_IN_MODEL)


def _check_decoder(
    reference: Mapping[str, Tensor],
    case: ParityCase,
    geometry: SymphoniesGeometry,
    inputs: Mapping[str, Tensor],
    report: ParityReport,
    options: ParityOptions,
) -> None:
    shapes = {key: tuple(value.shape) for key, value in reference.items()}
    decoder: SymphoniesDecoder = MODELS.build(symphonies_decoder_config(shapes)).eval()
    prefix = 'head.decoder.'
    names = {key: to_ours(key) for key in reference}
    state = {name[len(prefix) :]: reference[key] for key, name in names.items() if name}
    decoder.load_state_dict(state, strict=True)
    decoder.to(options.device)
    seed = case.integer('seed')
    grid = geometry.grid.coarsen(geometry.volume_scale)
    camera = inputs['lidar2cam'][0, 0], inputs['cam2img'][0]
    pixels, visible = voxel_to_pixel(grid, *camera, geometry.image_size, rule='monoscene')
    _check_integers('projected_pix', pixels, case, report)
    report.equal('fov_mask/count', int(visible.sum()), case['fov_mask/count'])
    view = project_volume(inputs['depth'][0, 0], grid, camera[1], camera[0], geometry.downsample_z)

    draws = {
        'queries': fill.normal('queries', (1, 100, 128), seed, 0.5),
        'pred_pts': fill.uniform('pred_pts', (1, 100, 2), seed),
    }
    for number, shape in enumerate(((24, 77), (12, 39), (6, 20))):
        draws[f'feats.{number}'] = fill.normal(f'feats.{number}', (1, 128, *shape), seed)
    made = {key: torch.from_numpy(draw).to(options.device) for key, draw in draws.items()}
    for value in made.values():
        value.requires_grad_(not options.forward_only)
    query_pos = torch.from_numpy(fill.normal('query_pos', (1, 100, 128), seed, 0.5))
    maps = [made[f'feats.{number}'] for number in range(3)]
    with torch.set_grad_enabled(not options.forward_only), _capture(decoder) as arrays:
        outputs = decoder(
            made['queries'], made['pred_pts'], maps, [view], query_pos.to(options.device)
        )
    _check_view(view, made['pred_pts'], case, report)
    _check_stages(arrays, case, report)
    _check_logits(outputs, case, report)
    objective, squares = torch.zeros((), dtype=torch.float64, device=options.device), 0.0
    for number, logits in enumerate(outputs):
        weight = fill.normal(f'objective.{number}', tuple(logits.shape), seed)
        product = logits.double() * torch.from_numpy(weight).to(options.device)
        objective = objective + product.sum() / logits.numel() ** 0.5
        name = f'ssc_logits.{number}'
        squares += case.number(f'{name}/mean') ** 2 + case.number(f'{name}/std') ** 2
    scale = squares**0.5
    report.close('objective', objective, case['objective'], relative=_OBJECTIVE, scale=scale)
    if options.forward_only:
        return
    objective.backward()
    parameters = {prefix + name: value for name, value in decoder.named_parameters()}
    parameters.update({f'input:{name}': value for name, value in made.items()})
    check_gradients(parameters, case, report, LOOSE_IN_DECODER)


@contextmanager
def _capture(model: Symphonies | SymphoniesDecoder) -> Iterator[dict[str, Tensor]]:
    """Collect the stages of the parity data while the model runs."""
    arrays: dict[str, Tensor] = {}
    stores: list[tuple[nn.Module, Callable[[Any], object]]] = []

    def keep(module: nn.Module, store: Callable[[Any], object]) -> None:
        stores.append((module, store))

    def volume(scene: Tensor) -> Tensor:
        return scene.detach().transpose(1, 2).unflatten(2, decoder.shape)

    def keep_layer(number: int, layer: nn.Module) -> None:
        def store(output: tuple[Tensor, Tensor]) -> None:
            arrays[f'layers.{number}.scene_embed'] = volume(output[0])
            arrays[f'layers.{number}.inst_queries'] = output[1].detach()

        keep(layer, store)
        for ours, reference in _MODULES.items():
            if hasattr(layer, ours):
                keep_plain(f'layers.{number}.{reference}', getattr(layer, ours))

    def keep_plain(name: str, module: nn.Module) -> None:
        keep(module, lambda output: arrays.update({name: output.detach()}))

    decoder = model.head.decoder if isinstance(model, Symphonies) else model
    if isinstance(model, Symphonies):
        keep(
            model.backbone,
            lambda output: arrays.update(
                {f'backbone.{number}': level.detach() for number, level in enumerate(output)}
            ),
        )
        for number, projection in enumerate(model.head.feature_projs):
            keep_plain(f'feats.{number}', projection)
    keep(decoder.scene_pos, lambda output: arrays.update(scene_pos=output.detach()[None]))
    keep(decoder.voxel_proposal, lambda output: arrays.update(voxel_proposal=volume(output)))
    for number, layer in enumerate(decoder.layers):
        keep_layer(number, layer)
    keep_plain('aspp', decoder.aspp)
    with watch_outputs(stores):
        yield arrays


def _check_integers(name: str, array: Any, case: ParityCase, report: ParityReport) -> None:
    """Check a probe whose entries must be equal."""
    found = array.cpu().numpy()
    report.equal(f'{name}/shape', found.shape, case[f'{name}/shape'])
    index = case[f'{name}/idx'].astype(np.int64)
    report.equal(name, found.reshape(-1)[index], case[f'{name}/val'])
    case.mark_used(f'{name}/mean', f'{name}/std')


def _check_loader(
    inputs: Mapping[str, Tensor],
    sample: SSCDataSample,
    geometry: SymphoniesGeometry,
    case: ParityCase,
    report: ParityReport,
) -> None:
    camera = inputs['lidar2cam'][0, 0].cpu(), inputs['cam2img'][0].cpu()
    for scale in (1, geometry.volume_scale):
        grid = geometry.grid.coarsen(scale)
        pixels, visible = voxel_to_pixel(grid, *camera, geometry.image_size, rule='monoscene')
        _check_integers(f'projected_pix_{scale}', pixels, case, report)
        key = f'fov_mask_{scale}/count'
        report.equal(key, int(visible.sum()), case[key])
    depth = project_voxels(geometry.grid, *camera, rule='monoscene')[1]
    report.probed(case, 'pix_z_1', depth, 1e-9)
    target, frustums = sample.gt_voxels.cpu(), sample.frustum_index.cpu()
    report.equal('target/hist', np.bincount(target.flatten(), minlength=256), case['target/hist'])
    expected = case['frustums_class_dists']
    report.equal('frustums_class_dists', count_frustum_classes(frustums, target, *expected.shape),
                 expected)  # fmt: skip


def _check_view(
    view: VolumeProjection, points: Tensor, case: ParityCase, report: ParityReport
) -> None:
    _check_integers('vol_pts', view.voxels[None], case, report)
    proposal = torch.zeros_like(view.visible)
    proposal[view.proposals()] = True
    for name, mask in (('proposal_mask', proposal), ('fov_mask_z', view.visible)):
        report.equal(f'{name}/count', int(mask.sum()), case[f'{name}/count'])
        report.equal(f'{name}/packed', np.packbits(mask.cpu().numpy()), case[f'{name}/packed'])
    report.probed(case, 'ref_pix', view.pixels[None], 1e-6)
    report.close('ref_2d', points[0], case['ref_2d'], absolute=1e-6)
    report.close('ref_3d', view.points_to_volume(points)[0], case['ref_3d'], absolute=1e-6)


def _check_stages(arrays: Mapping[str, Tensor], case: ParityCase, report: ParityReport) -> None:
    for name, array in arrays.items():
        report.probed(case, name, array, _TENSOR)


def _check_logits(outputs: list[Tensor], case: ParityCase, report: ParityReport) -> None:
    for number, logits in enumerate(outputs):
        name = f'ssc_logits.{number}'
        report.probed(case, name, logits, _TENSOR)
        labels = logits[0].detach().argmax(0).cpu().numpy()
        expected = case[f'{name}/argmax_hist']
        found = np.bincount(labels.reshape(-1), minlength=len(expected))
        difference = int(np.abs(found - expected).sum())
        # One voxel with another label changes two classes.
        limit = max(2, int(_ARGMAX_SHARE * labels.size))
        report.at_most(f'{name}/argmax_hist', difference, limit, labels.size, 'voxels')


def _check_metric(
    logits: Tensor, sample: SSCDataSample, case: ParityCase, report: ParityReport
) -> None:
    counts = count_voxels(logits[0].detach().argmax(0), sample.gt_voxels, logits.shape[1])
    scores = scores_from_counts(counts, epsilon=1e-6)
    found: dict[str, float | np.ndarray] = dict(
        Precision=scores.precision, Recall=scores.recall, IoU=scores.iou, mIoU=scores.miou,
        iou_per_class=np.array(scores.class_iou),
    )  # fmt: skip
    for name, value in found.items():
        report.close(f'metric/{name}', value / 100, case[f'metric/{name}'], absolute=_METRIC)
