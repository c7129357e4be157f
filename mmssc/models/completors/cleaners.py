"""CleanerS: a student on noisy TSDF learns from a teacher on clean TSDF (arXiv 2303.09977)."""

from __future__ import annotations

import copy
import glob
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmssc.checkpoints.files import read_state_dict
from mmssc.checkpoints.matching import check_weights
from mmssc.errors import DataError
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample

from .rgbd_completor import RGBDCompletor

__all__ = ['CleanerS']

_TEACHER = 'teacher.'
# The teacher has these parts of the student, unless its config says otherwise.
_SHARED_PARTS = ('backbone', 'image_head', 'lifter', 'tsdf_encoder', 'head', 'voxel_grid')


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
        self.teacher_cfg = teacher
        self.save_teacher = save_teacher
        # In a list, so that it is not registered as a submodule.
        self._teacher: list[RGBDCompletor] = []
        self._has_learnt = False
        if save_teacher:
            self._keep_teacher(self.build_teacher())

    @property
    def teacher(self) -> RGBDCompletor:
        """The teacher, in evaluation mode; loaded when it is asked for first.

        Raises:
            DataError: There is no teacher, no such file, or not one of this network.
        """
        if not self._has_learnt:
            path = self._teacher_file()
            teacher, state = self.build_teacher(), read_state_dict(path)
            check_weights(state, teacher, path)
            teacher.load_state_dict(state, strict=False)
            self._keep_teacher(teacher)
            self._has_learnt = True
        return self._teacher[0]

    def build_teacher(self) -> RGBDCompletor:
        """The teacher's network with random weights.

        This does not advance the global random generator. The teacher is built in the first step of
        a run. A resumed run starts at another step, so all later random numbers would differ.
        """
        cfg = {key: value for key, value in (self.teacher_cfg or {}).items() if key != 'checkpoint'}
        with torch.random.fork_rng(devices=[]):
            return MODELS.build({'type': 'mmssc.RGBDCompletor', **cfg})

    def _keep_teacher(self, teacher: RGBDCompletor) -> None:
        like = next(self.parameters())
        self._teacher[:] = [teacher.to(like.device, like.dtype).eval().requires_grad_(False)]

    def _teacher_file(self) -> str:
        pattern = (self.teacher_cfg or {}).get('checkpoint')
        hint = (
            'Train the teacher first (configs/cleaners/README.md), or import an official one with '
            'tools/model_converters/import_checkpoint.py cleaners-teacher'
        )
        if pattern is None:
            raise DataError('config', 'model.teacher.checkpoint', 'a checkpoint', 'none', hint)
        found = sorted(glob.glob(pattern)) if glob.has_magic(pattern) else [pattern]
        if len(found) != 1:
            raise DataError(pattern, 'model.teacher.checkpoint', 'one file', found or 'none', hint)
        return found[0]

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
        if self.teacher_cfg is not None:
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
        for teacher in self._teacher:
            teacher._apply(fn, *args, **kwargs)
        return super()._apply(fn, *args, **kwargs)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self.save_teacher:
            self._teacher[0].state_dict(
                destination=destination, prefix=prefix + _TEACHER, keep_vars=keep_vars
            )

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        start = prefix + _TEACHER
        names = [key for key in state_dict if key.startswith(start)]
        state = {key[len(start) :]: state_dict.pop(key) for key in names}
        if state and self.save_teacher:
            self._teacher[0].load_state_dict(state)
            self._has_learnt = True
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
