"""CleanerS: a student on noisy TSDF learns from a teacher on clean TSDF (arXiv 2303.09977)."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from mmssc.errors import DataError
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample

from .frozen_teacher import FrozenTeacher
from .rgbd_completor import RGBDCompletor

__all__ = ['CleanerS']

_TEACHER = 'teacher.'
# The teacher has these parts of the student, unless its config says otherwise.
_SHARED_PARTS = ('backbone', 'image_head', 'lifter', 'tsdf_encoder', 'head', 'voxel_grid')
_HINT = (
    'Train the teacher first (configs/cleaners/README.md), or import an official one with '
    'tools/model_converters/import_checkpoint.py cleaners-teacher'
)


@MODELS.register_module()
class CleanerS(RGBDCompletor):
    """Student of CleanerS: :class:`RGBDCompletor` and, in training, a teacher.

    The teacher is a trained :class:`RGBDCompletor`, usually on ``tsdf_clean``. It is loaded at the
    first training step, stays in evaluation mode, gets no gradient and is no submodule: it is in
    no optimiser, no gradient reducer and no checkpoint. Prediction needs no teacher.

    Args:
        teacher: ``checkpoint``: a checkpoint of the teacher, or a pattern such as
            ``work_dirs/NAME/best_*.pth`` that one file matches; ``tsdf_source`` (default
            ``'tsdf_clean'``); any other argument of :class:`RGBDCompletor` in which its network
            differs from the student's. None trains without distillation.
        loss_kd_t: Loss of the TSDF features (:class:`FeatureDistillationLoss`).
        loss_kd_sc: Loss of the class centres (:class:`ClassCenterDistillationLoss`).
        loss_kd_sa: Loss of the affinities (:class:`ClassAffinityDistillationLoss`).
        save_teacher: Write the teacher's weights, ``teacher.*``, into the student's checkpoints,
            and read them from there.
        network: Arguments of :class:`RGBDCompletor`.
    """

    # A student's file may hold its teacher whether or not this config saves it.
    spare_weights = (_TEACHER,)
    official_method = 'cleaners'

    def __init__(
        self,
        *,
        teacher: Mapping[str, Any] | None = None,
        loss_kd_t: dict[str, Any] | None = None,
        loss_kd_sc: dict[str, Any] | None = None,
        loss_kd_sa: dict[str, Any] | None = None,
        save_teacher: bool = False,
        **network: Any,
    ) -> None:
        super().__init__(**network)
        self.distillation = nn.ModuleDict(
            {
                name: MODELS.build(cfg)
                for name, cfg in (
                    ('loss_kd_t', loss_kd_t),
                    ('loss_kd_sc', loss_kd_sc),
                    ('loss_kd_sa', loss_kd_sa),
                )
                if cfg is not None
            }
        )
        if teacher is not None:
            shared = {name: copy.deepcopy(network[name]) for name in _SHARED_PARTS}
            teacher = {**shared, 'tsdf_source': 'tsdf_clean', **teacher}
        elif save_teacher:
            expected = 'false, or a teacher'
            raise DataError('config', 'CleanerS.save_teacher', expected, save_teacher)
        self.has_teacher, self.save_teacher = teacher is not None, save_teacher
        cfg = {'type': 'mmssc.RGBDCompletor', **(teacher or {})}
        self._teacher = FrozenTeacher(cfg, 'model.teacher', _HINT)
        if save_teacher:
            self._teacher.keep(self.build_teacher(), self)

    @property
    def teacher(self) -> RGBDCompletor:
        """The teacher, in evaluation mode; loaded when it is asked for first.

        Raises:
            DataError: There is no teacher, no such file, or not one of this network.
        """
        return cast(RGBDCompletor, self._teacher.load(self))

    def build_teacher(self) -> RGBDCompletor:
        """The teacher's network with random weights; see :meth:`FrozenTeacher.build`."""
        return cast(RGBDCompletor, self._teacher.build())

    def loss(
        self, inputs: dict[str, Any], data_samples: Sequence[SSCDataSample]
    ) -> dict[str, Tensor]:
        """Losses of a batch: those of :class:`RGBDCompletor`, then the distillation.

        Args:
            inputs: See :meth:`RGBDCompletor.extract_feat`; with both TSDF volumes.
            data_samples: With ``gt_voxels`` uint8 and ``label_weight`` bool, (X, Y, Z).
        """
        outputs = self.forward_network(inputs)
        losses = self.segmentation_losses(outputs, data_samples)
        if self.has_teacher:
            with torch.no_grad():
                shared = dict(pixel_to_voxel=outputs['pixel_to_voxel'])
                taught = self.teacher.forward_network({**inputs, **shared})
            losses.update(self.distillation_losses(outputs, taught, data_samples))
        return losses

    def distillation_losses(
        self,
        outputs: Mapping[str, Tensor],
        taught: Mapping[str, Tensor],
        data_samples: Sequence[SSCDataSample],
    ) -> dict[str, Tensor]:
        """The distillation terms.

        The features are compared in all voxels, the logits in those of ``label_weight`` that have
        a label.

        Args:
            outputs: Of the student's :meth:`forward_network`.
            taught: Of the teacher's.
            data_samples: With ``gt_voxels`` and ``label_weight``.
        """
        labels, weight = self.label_volume(data_samples), self.label_weight(data_samples)
        losses = {}
        for name, loss in self.distillation.items():
            if name == 'loss_kd_t':
                losses[name] = loss(outputs['tsdf_feat'], taught['tsdf_feat'])
            else:
                losses[name] = loss(outputs['logits'], taught['logits'], labels, weight)
        return losses

    def _apply(self, fn: Any, *args: Any, **kwargs: Any) -> CleanerS:
        self._teacher.apply(fn, *args, **kwargs)
        return super()._apply(fn, *args, **kwargs)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self.save_teacher:
            self._teacher.save_weights(destination, prefix + _TEACHER, keep_vars)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        start = prefix + _TEACHER
        names = [key for key in state_dict if key.startswith(start)]
        state = {key[len(start) :]: state_dict.pop(key) for key in names}
        if state and self.save_teacher:
            self._teacher.load_weights(state)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
