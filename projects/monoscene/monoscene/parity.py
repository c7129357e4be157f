"""Parity of MonoScene with the official implementation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmssc.checkpoints import CheckpointMethod
from mmssc.datasets import SemanticKITTIDataset
from mmssc.errors import DataError
from mmssc.evaluation.functional import count_voxels, scores_from_counts
from mmssc.geometry import count_frustum_classes, frustum_index, voxel_to_pixel
from mmssc.models.losses import class_weights_from_counts
from mmssc.parity import reference_fill as fill
from mmssc.parity.frustum_units import CALIBRATIONS, make_target
from mmssc.parity.methods import register_recipe
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
from mmssc.parity.report import ParityCase, ParityReport
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample, VoxelGrid

from .checkpoints import MONOSCENE, MONOSCENE_NYU
from .completor import MonoScene

__all__ = ['MonoSceneParity', 'monoscene_losses']

_IMAGE_SIZE = (93, 305)
_STRIDES = (1, 2, 4, 8)
_CELLS = 8
_IGNORE = 255
_PROBE, _LOSS, _GRADIENT = 1e-4, 1e-5, 1e-3
# The reference's norms are sums in float32. Of the 32 million elements of this one both cases are
# 2.0e-3 and 2.2e-3 off; summed like that, by one thread, ours is the same number to 2e-6.
_SUMMED_IN_FLOAT32 = {'net_rgb.decoder.up16._net.0.weight': 3e-3}
_LABELS = 1e-4  # share of the voxels whose label may differ
_KITTI = VoxelGrid((0.0, -12.8, -2.0), 0.4, (64, 64, 32))
_KITTI_ARRAYS = dict(
    down1='process_l1', down2='process_l2', context='CP_mega_voxels', up2='up_13_l2',
    up1='up_12_l1', up0='up_l1_lfull', logits='ssc_head',
)  # fmt: skip
_NYU_ARRAYS = dict(
    down1='process_1_4', down2='process_1_8', context='CP_mega_voxels', up2='up_1_16_1_8',
    up1='up_1_8_1_4', logits='ssc_head_1_4',
)  # fmt: skip
# Output of the encoder -> number of the layer in the reference.
_ENCODER_ARRAYS = {1: 4, 2: 5, 3: 6, 4: 8, 5: 11}


def monoscene_losses(class_weight: list[float]) -> dict[str, Any]:
    """Configs of the losses, as in the shipped configs."""
    return dict(
        losses=dict(
            loss_ce=dict(
                type='mmssc.VoxelCrossEntropyLoss', class_weight=class_weight,
                normalizer='weights', reduction='batch',
            ),
            loss_sem_scal=dict(type='mmssc.SemanticScalLoss', reduction='batch'),
            loss_geo_scal=dict(type='mmssc.GeometricScalLoss', reduction='batch'),
            loss_frustum=dict(type='mmssc.FrustumProportionLoss', reduction='batch'),
        ),
        relation_loss=dict(
            type='mmssc.ContextRelationLoss', num_classes=len(class_weight), reduction='batch'
        ),
    )  # fmt: skip


@MODELS.register_module()
class GivenMaps(nn.Module):
    """Stands in for the 2D network in the cases of the 3D part: maps that are given."""

    def __init__(self) -> None:
        super().__init__()
        self.maps: list[Tensor] = []

    def forward(self, images: Tensor) -> list[Tensor]:
        """The maps, whatever the images."""
        return self.maps


class MonoSceneParity(ParityRecipe):
    """Recipe of one kind of case.

    Args:
        kind: ``'full'``, ``'kitti3d'`` or ``'nyu3d'``.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.indoor = kind == 'nyu3d'
        self.method: CheckpointMethod = MONOSCENE_NYU if self.indoor else MONOSCENE

    def compare(self, run: ParityRun) -> None:
        """Compare arrays, losses, gradients and scores."""
        _, case, report, options = run
        model = self._load_model(run)
        inputs, sample = self._make_inputs(model, case, report)
        inputs = {key: value.to(options.device) for key, value in inputs.items()}
        sample = sample.to(options.device)
        if isinstance(model.image_unet, GivenMaps):
            width = model.volume_unet.down1[0].conv1.in_channels
            model.image_unet.maps = [
                feature.to(options.device) for feature in _feature_maps(width, case.integer('seed'))
            ]
        with torch.set_grad_enabled(not options.forward_only), _capture(model) as arrays:
            losses = model(inputs, [sample], mode='loss')
        self._check_arrays(arrays, case, report)
        self._check_scores(arrays['logits'], sample, case, report)
        total = total_loss(losses.values())
        for name, value in losses.items():
            key = f'loss/{name[len("loss_") :]}'.replace('loss/ce', 'loss/ce_ssc')
            report.close(key, value, case[key], relative=_LOSS)
        report.close('loss_total', total, case['loss_total'], relative=_LOSS)
        if not options.forward_only:
            total.backward()
            self._check_gradients(model, case, report)

    def _grid(self, case: ParityCase) -> VoxelGrid:
        if not self.indoor:
            return _KITTI
        x, y, z = case['voxel_origin'].tolist()
        return VoxelGrid((x, z, y), (0.24,) * 3, (20, 12, 20), ('x', 'z', 'y'), 'world')

    def _load_model(self, run: ParityRun) -> MonoScene:
        reference = fill_checkpoint(run.manifest, run.case.integer('seed'))
        config = run.options.model_config
        if config is None:
            config = self._model_config(reference, run.case)
        model = MODELS.build(dict(config)).eval()
        load_reference(model, reference, self.method, run.manifest)
        return model.to(run.options.device)

    def _model_config(self, reference: Mapping[str, Tensor], case: ParityCase) -> dict[str, Any]:
        head = _NYU_ARRAYS['logits'] if self.indoor else _KITTI_ARRAYS['logits']
        down = _NYU_ARRAYS['down1'] if self.indoor else _KITTI_ARRAYS['down1']
        try:
            classes = len(reference[f'net_3d_decoder.{head}.conv_classes.bias'])
            width = reference[f'net_3d_decoder.{down}.0.main.0.conv1.weight'].shape[1]
        except KeyError as error:
            raise DataError(case.path, 'manifest', f'that of {self.kind}', error) from error
        image_unet: dict[str, Any] = dict(type='mmssc.GivenMaps')
        if self.kind == 'full':
            image_unet = dict(type='mmssc.EfficientNetUNet', out_channels=width)
        weights = [0.05] + [1.0] * (classes - 1)
        if not self.indoor:
            counts = SemanticKITTIDataset.METAINFO['class_counts']
            weights = class_weights_from_counts(counts, scale=1.0, offset=0.001, digits=None)
        return dict(
            type='mmssc.MonoScene',
            image_unet=image_unet,
            lifter=dict(type='mmssc.MultiScaleFLoSP', strides=_STRIDES),
            volume_unet=dict(type='mmssc.ContextVolumeUNet', channels=width, num_classes=classes),
            voxel_grid=self._grid(case),
            feature_scale=1 if self.indoor else 2,
            **monoscene_losses(weights),
        )

    def _make_inputs(
        self, model: MonoScene, case: ParityCase, report: ParityReport
    ) -> tuple[dict[str, Tensor], SSCDataSample]:
        """Inputs and targets of a case, compared with what the file says of them."""
        seed, grid = case.integer('seed'), model.voxel_grid
        classes = model.volume_unet.head.classifier.out_channels
        intrinsics, lidar2cam = CALIBRATIONS[2 - seed % 2]
        intrinsics = intrinsics * np.array([[0.25], [0.25], [1]])
        if self.indoor:
            lidar2cam = np.linalg.inv(case['cam_pose'])
        camera = torch.from_numpy(lidar2cam), torch.from_numpy(intrinsics)
        working = model.lifter.voxel_grid
        if self.indoor:
            # The reference projects in the order x, y, up and swaps the features afterwards.
            (x, z, y), (nx, nz, ny) = working.origin, working.shape
            working = VoxelGrid((x, y, z), working.voxel_size, (nx, ny, nz))
        pixels, visible = voxel_to_pixel(working, *camera, _IMAGE_SIZE, rule='monoscene')
        report.probed(case, 'projected_pix', pixels, 1e-12)
        report.equal('fov_count', int(visible.sum()), case['fov_count'])

        labels = torch.from_numpy(make_target('target', grid.shape, seed, classes))
        coarse_name = 'target_1_16' if self.indoor else 'target_1_8'
        coarse = make_target(coarse_name, model.coarse_shape, seed, classes)
        index = frustum_index(grid, *camera, _IMAGE_SIZE, _CELLS)
        counts = count_frustum_classes(index, labels, _CELLS * _CELLS, classes)
        report.equal('frustums_class_dists', counts, case['frustums_class_dists'])
        used = int((counts.sum(1) > 0).sum())
        report.equal('frustum_nonempty', used, case['frustum_nonempty'])
        sample = SSCDataSample(metainfo=dict(voxel_grid=grid))
        sample.set_data(
            {'gt_voxels': labels, 'frustum_index': index,
             model.coarse_field: torch.from_numpy(coarse)}
        )  # fmt: skip
        image = torch.from_numpy(fill.normal('img', (1, 3, *_IMAGE_SIZE), seed))
        return dict(
            img=image[:, None], cam2img=camera[1][None], lidar2cam=camera[0][None, None]
        ), sample  # fmt: skip

    def _check_arrays(
        self, arrays: Mapping[str, Any], case: ParityCase, report: ParityReport
    ) -> None:
        if self.kind == 'full':
            for number, layer in _ENCODER_ARRAYS.items():
                report.probed(case, f'efficientnet.{layer}', arrays['encoder'][number], _PROBE)
            for stride, feature in zip(_STRIDES, arrays['maps']):
                report.probed(case, f'feats.1_{stride}', feature, _PROBE)
            case.mark_used('feats.1_16/')  # a map that nothing takes is not computed
        report.probed(case, 'x3d', arrays['x3d'], _PROBE)
        for ours, reference in (_NYU_ARRAYS if self.indoor else _KITTI_ARRAYS).items():
            report.probed(case, reference, arrays[ours], _PROBE)
        report.probed(case, 'ssc_logits', arrays['logits'], _PROBE)
        report.probed(case, 'P_logits', arrays['relation_logits'], _PROBE)

    def _check_scores(
        self, logits: Tensor, sample: SSCDataSample, case: ParityCase, report: ParityReport
    ) -> None:
        predicted = logits[0].argmax(0)
        classes = logits.shape[1]
        histogram = torch.bincount(predicted.flatten(), minlength=classes).cpu().numpy()
        expected = case['ssc_logits/argmax_hist']
        limit = max(1, int(_LABELS * predicted.numel()))
        different = int(np.abs(histogram - expected).sum())
        report.at_most('ssc_logits/argmax_hist', different, limit, predicted.numel(), 'voxels')
        scores = scores_from_counts(
            count_voxels(predicted.cpu(), sample.gt_voxels.cpu(), classes), epsilon=1e-5
        )
        for name, value in (
            ('precision', scores.precision), ('recall', scores.recall), ('iou', scores.iou),
            ('iou_ssc', np.array(scores.class_iou)), ('iou_ssc_mean', scores.miou),
        ):  # fmt: skip
            report.close(f'metric/{name}', value / 100, case[f'metric/{name}'], absolute=1e-3)

    def _check_gradients(self, model: MonoScene, case: ParityCase, report: ParityReport) -> None:
        norms = gradient_norms(dict(model.named_parameters()))
        expected = dict(zip(case['grad/names'].tolist(), case['grad/norm'].tolist()))
        for key, value in expected.items():
            dropped = self.method.drop_reason(key) is not None
            name = None if dropped else our_name(self.method, key)
            if name is None or np.isnan(value):
                report.equal(f'grad/{key}: none', name is None, bool(np.isnan(value)))
                continue
            relative = _SUMMED_IN_FLOAT32.get(key, _GRADIENT)
            report.close(f'grad/{key}', norms.pop(name), value, relative=relative)
        report.equal('grad: no other parameter', sorted(norms), [])


def _feature_maps(width: int, seed: int) -> list[Tensor]:
    height, length = _IMAGE_SIZE
    return [
        torch.from_numpy(
            fill.normal(f'feats.1_{s}', (1, width, -(-height // s), -(-length // s)), seed)
        )
        for s in _STRIDES
    ]


@contextmanager
def _capture(model: MonoScene) -> Iterator[dict[str, Any]]:
    """Collect the arrays of the parity data while the model runs."""
    arrays: dict[str, Any] = {}
    stores: list[tuple[nn.Module, Callable[[Any], object]]] = [
        (model.image_unet, lambda output: arrays.update(maps=output)),
        (model.lifter, lambda output: arrays.update(x3d=output)),
        (
            model.volume_unet,
            lambda output: arrays.update({name: value.detach() for name, value in output.items()}),
        ),
    ]
    if hasattr(model.image_unet, 'encoder'):
        stores.append((model.image_unet.encoder, lambda output: arrays.update(encoder=output)))
    with watch_outputs(stores):
        yield arrays


register_recipe('monoscene', MonoSceneParity('full'))
register_recipe('monoscene-kitti3d', MonoSceneParity('kitti3d'))
register_recipe('monoscene-nyu3d', MonoSceneParity('nyu3d'))
