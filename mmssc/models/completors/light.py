"""A small completor for depth cameras, with or without a 2D segmentation."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mmssc.errors import DataError
from mmssc.geometry.tracing import has_values
from mmssc.models.layers.volume_augmentation import VolumeChange
from mmssc.models.losses.volume_losses import loss_names, stack_targets
from mmssc.ops import prefer_onednn
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample, VoxelGrid

from .base_completor import BaseCompletor
from .frozen_teacher import FrozenTeacher

__all__ = ['LightCompletor']

_TEACHER_HINT = (
    'Train the teachers first (tools/train_light.sh does), or give the file of another one: '
    'model.teachers.0.checkpoint=FILE'
)


@MODELS.register_module()
class LightCompletor(BaseCompletor):
    """Completion from the volumes of one depth image, optionally with its 2D segmentation.

    It is small enough to train on two CPU cores: no convolution runs at full resolution. Inputs
    replace what convolutions would have to learn about the camera: the distance of a voxel behind
    the visible surface, and the segmentation id at the pixel that it projects to, also for hidden
    voxels (:class:`~mmssc.datasets.transforms.AddRGBDViewVolumes`).

    Args:
        stem: :class:`VoxelStem`; the model reads a segmentation if its ``num_segments`` is not 0.
        head: :class:`LightUNet`, from the stem's features to logits.
        voxel_grid: Grid of the prediction; its origin is that of any frame.
        losses: Losses on points, ``loss(logits (N, K), target (N,), batch_index, batch_size)``, for
            the labelled voxels in ``label_weight``; the log names them after their classes
            (:func:`loss_names`).
        augmentation: :class:`VolumeAugmentation` of the inputs in training; None: no augmentation.
        teachers: Trained light completors whose mean logits the model imitates in training; each
            ``checkpoint`` (see :class:`FrozenTeacher`) and the arguments of its network that
            differ from ``stem``, ``head`` and ``voxel_grid``. A teacher may read a segmentation
            that the model does not read; ``test_cfg=dict(flip_axes=(0,))`` adds its mirror image.
        loss_distillation: :class:`LogitDistillationLoss`; needed with ``teachers``. It compares the
            logits of all voxels in ``label_weight``, labelled or not.
        offset_scale: Metres behind the surface that give an input of 1.
        ignore_index: Label of unlabelled voxels.
        data_preprocessor: Config of the data preprocessor.
        test_cfg: See :class:`BaseCompletor`; ``flip_axes=(0,)`` averages the logits with those of
            the volume mirrored along these axes. ``shift_axes=(0, 2)`` moves that second volume by
            one voxel along these axes, so that other voxels share a block of the stem; without
            ``flip_axes`` it is not mirrored.
        init_cfg: Initialisation config of mmengine.
    """

    test_settings = (*BaseCompletor.test_settings, 'flip_axes', 'shift_axes')
    origin_matters = False

    def __init__(
        self,
        stem: dict[str, Any],
        head: dict[str, Any],
        voxel_grid: VoxelGrid | Mapping[str, Any],
        losses: Sequence[dict[str, Any]] = (),
        augmentation: dict[str, Any] | None = None,
        teachers: Sequence[Mapping[str, Any]] = (),
        loss_distillation: dict[str, Any] | None = None,
        offset_scale: float = 0.8,
        ignore_index: int = 255,
        data_preprocessor: dict[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(voxel_grid, data_preprocessor, test_cfg, init_cfg)
        self.stem = MODELS.build(stem)
        self.head = prefer_onednn(MODELS.build(head))
        self.losses = torch.nn.ModuleList(MODELS.build(loss) for loss in losses)
        self.augmentation = None if augmentation is None else MODELS.build(augmentation)
        self.offset_scale, self.ignore_index = offset_scale, ignore_index
        if bool(teachers) != (loss_distillation is not None):
            expected = 'both teachers and loss_distillation, or neither'
            found = 'only teachers' if teachers else 'only loss_distillation'
            raise DataError('config', 'LightCompletor', expected, found)
        own = dict(type='mmssc.LightCompletor', stem=stem, head=head, voxel_grid=voxel_grid)
        self.teachers = [
            FrozenTeacher({**copy.deepcopy(own), **cfg}, f'model.teachers[{number}]', _TEACHER_HINT)
            for number, cfg in enumerate(teachers)
        ]
        self.loss_distillation = None if not teachers else MODELS.build(loss_distillation)

    def input_volumes(self, inputs: Mapping[str, Any]) -> dict[str, Tensor]:
        """Input volumes of the network; the voxels are the last three axes.

        Args:
            inputs: ``tsdf`` and ``surface_offset`` (B, 1, X, Y, Z); ``voxel_to_pixel``
                (B, X, Y, Z), -1 = none; ``voxel_segments`` (B, X, Y, Z) 0..num_segments, with a
                segmentation.

        Returns:
            ``numbers`` (B, 3, X, Y, Z): TSDF, offset, and whether a pixel hits the voxel;
            ``surface`` (B, X, Y, Z) bool, the last of these; ``segments`` (B, X, Y, Z) int64.

        Raises:
            DataError: An input is missing, or an id is larger than ``num_segments``.
        """
        needed = ['tsdf', 'surface_offset', 'voxel_to_pixel']
        needed += ['voxel_segments'] if self.stem.num_segments else []
        for name in needed:
            if name not in inputs:
                raise DataError(
                    'inputs', name, 'a volume', sorted(inputs),
                    'The pipeline needs LoadRGBDFrame (with "segmentation" in its keys for a '
                    'model that reads one) and AddRGBDViewVolumes',
                )  # fmt: skip
        surface = inputs['voxel_to_pixel'] >= 0
        offset = inputs['surface_offset'] / self.offset_scale
        numbers = torch.cat([inputs['tsdf'], offset, surface[:, None].to(offset.dtype)], 1)
        volumes = dict(numbers=numbers, surface=surface)
        if self.stem.num_segments:
            segments = inputs['voxel_segments'].long()
            if has_values() and int(segments.max()) > self.stem.num_segments:
                expected = f'at most {self.stem.num_segments} (stem.num_segments)'
                raise DataError('inputs', 'voxel_segments', expected, int(segments.max()))
            volumes['segments'] = segments
        return volumes

    def extract_feat(self, inputs: dict[str, Any], change: VolumeChange | None = None) -> Tensor:
        """Features of the stem, (B, C, X/2, Y/2, Z/2), after the same change of all inputs.

        Args:
            inputs: See :meth:`input_volumes`.
            change: Augmentation; None: no change.
        """
        change = change or VolumeChange()
        volumes = {key: change.apply(v) for key, v in self.input_volumes(inputs).items()}
        numbers = volumes['numbers'].permute(0, 2, 3, 4, 1)
        return self.stem(numbers, volumes.get('segments'), volumes['surface'])

    def forward_logits(self, inputs: dict[str, Any], change: VolumeChange | None = None) -> Tensor:
        """Logits (B, K, X, Y, Z) with the change undone; see :meth:`extract_feat`."""
        change = change or VolumeChange()
        return change.undo(self.head(self.extract_feat(inputs, change)))

    def loss(
        self, inputs: dict[str, Any], data_samples: Sequence[SSCDataSample]
    ) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            inputs: See :meth:`input_volumes`.
            data_samples: Samples with ``gt_voxels`` uint8 and ``label_weight`` bool, (X, Y, Z).

        Raises:
            DataError: A target is missing or differs in size from the prediction.
        """
        shape = self.voxel_grid.shape
        labels = stack_targets(data_samples, 'gt_voxels', shape)
        weight = stack_targets(data_samples, 'label_weight', shape).bool()
        change = None if self.augmentation is None else self.augmentation()
        logits = self.forward_logits(inputs, change)
        # Only about an eighth of the voxels count, so the losses take them as points.
        chosen = weight & (labels != self.ignore_index)
        sample = torch.nonzero(chosen)[:, 0]
        points, target = logits.permute(0, 2, 3, 4, 1)[chosen], labels[chosen]
        losses = {
            name: loss(points, target, batch_index=sample, batch_size=len(labels))
            for name, loss in zip(loss_names(self.losses), self.losses)
        }
        if self.loss_distillation is not None:
            own, taught = (
                volume.permute(0, 2, 3, 4, 1)[weight]
                for volume in (logits, self._taught_logits(inputs))
            )
            sample = torch.nonzero(weight)[:, 0]
            losses['loss_distillation'] = self.loss_distillation(
                own, taught, batch_index=sample, batch_size=len(labels)
            )
        return losses

    @torch.no_grad()
    def _taught_logits(self, inputs: dict[str, Any]) -> Tensor:
        """Mean logits (B, K, X, Y, Z) of the teachers."""
        taught = [teacher.load(self).predict_logits(inputs).float() for teacher in self.teachers]
        return torch.stack(taught).mean(0)

    @torch.no_grad()
    def predict_logits(self, inputs: dict[str, Any]) -> Tensor:
        """Logits (B, K, X, Y, Z) of a batch.

        Raises:
            DataError: ``test_cfg`` lists an axis that there is not.
        """
        logits = self.forward_logits(inputs)
        flips, shifts = self._test_axes('flip_axes'), self._test_axes('shift_axes')
        if flips or shifts:
            change = VolumeChange(flips, shifts=shifts)
            logits = (logits + self.forward_logits(inputs, change)) / 2
        return logits

    def _test_axes(self, name: str) -> tuple[int, ...]:
        """Array axes that an entry of ``test_cfg`` lists."""
        axes = tuple(self.test_cfg.get(name) or ())
        if not {*axes} <= {0, 1, 2}:
            field, hint = f'model.test_cfg.{name}', f'For example: model.test_cfg.{name}=(0,2)'
            raise DataError('config', field, 'array axes: 0, 1 and 2', axes, hint)
        return axes

    def forward_tensors(self, inputs: dict[str, Any]) -> dict[str, Tensor]:
        """``logits`` (B, K, X, Y, Z) and ``stem`` (B, C, X/2, Y/2, Z/2)."""
        stem = self.extract_feat(inputs)
        return dict(logits=self.head(stem), stem=stem)

    def _apply(self, fn: Any, *args: Any, **kwargs: Any) -> LightCompletor:
        for teacher in self.teachers:
            teacher.apply(fn, *args, **kwargs)
        return super()._apply(fn, *args, **kwargs)
