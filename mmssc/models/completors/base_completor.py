"""Base class of the top-level models."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import torch
from mmengine import dist
from mmengine.model import BaseModel
from torch import Tensor

from mmssc.checkpoints.matching import rename_weights
from mmssc.checkpoints.pretrained import PRETRAINED_ERRORS, explain_pretrained_error
from mmssc.errors import DataError, nearest_name
from mmssc.structures import SSCDataSample, VoxelGrid

from .finite_logits import check_logits

__all__ = ['BaseCompletor']


class BaseCompletor(BaseModel):
    """A model that labels every voxel of a grid.

    The call tree, in order of the calls:

    .. code:: text

        forward(mode='loss'):    loss()
        forward(mode='predict'): predict()
        forward(mode='tensor'):  forward_tensors()
        predict():               predict_logits()

    A completor implements ``extract_feat``, ``loss``, ``predict_logits`` and ``forward_tensors``.

    Args:
        voxel_grid: Grid of the prediction (:class:`VoxelGrid` or its dict).
        data_preprocessor: Config of the data preprocessor.
        test_cfg: ``keep_logits=True`` adds ``voxel_logits`` to the predictions.
        init_cfg: Initialisation config of mmengine.

    Raises:
        DataError: ``test_cfg`` has an entry that is not in ``test_settings``, and the class is one
            of mmssc or declares ``test_settings``.

    Attributes:
        test_settings: Entries of ``test_cfg``. A class outside of mmssc that does not declare them,
            itself or in a base outside of mmssc, takes any entries.
        origin_matters: Whether the grid of a sample must have the origin of the model's grid. False
            for methods that never use the origin and whose data sets place the grid in each frame.
        spare_weights: Prefixes of weights that a checkpoint may hold and the model may lack.
        renamed_weights: Prefix of weights in older checkpoints -> their prefix now.
        official_method: METHOD of ``import_checkpoint.py`` for the authors' checkpoints; '' if
            there are none.
        prediction_type: Type of mixed precision in predictions, see
            :func:`mmssc.models.half_precision.predict_in_half_precision`; None: none.
        export_obstacle: Why ``tools/deployment/export.py`` cannot export the network; '' if it
            can.
    """

    test_settings: tuple[str, ...] = ('keep_logits',)
    origin_matters = True
    spare_weights: tuple[str, ...] = ()
    renamed_weights: Mapping[str, str] = MappingProxyType({})
    official_method = ''
    export_obstacle = ''
    prediction_type: torch.dtype | None = None

    def __init__(
        self,
        voxel_grid: VoxelGrid | Mapping[str, Any],
        data_preprocessor: dict[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.voxel_grid = VoxelGrid.build(voxel_grid)
        self.test_cfg = dict(test_cfg or {})
        if self._says_test_settings():
            self._check_test_cfg()

    @classmethod
    def _says_test_settings(cls) -> bool:
        """Whether ``test_settings`` are all: classes outside of mmssc need not declare theirs."""
        own = [base for base in cls.__mro__ if not base.__module__.startswith('mmssc.')]
        is_ours = cls.__module__.startswith('mmssc.')
        return is_ours or any('test_settings' in vars(base) for base in own)

    def _check_test_cfg(self) -> None:
        for name in self.test_cfg.keys() - {*self.test_settings}:
            expected = f'known entries ({", ".join(self.test_settings)})'
            hint = nearest_name(name, self.test_settings) or (
                'A class that reads more entries names them in its attribute test_settings'
            )
            raise DataError('config', f'{type(self).__name__}.test_cfg', expected, name, hint)

    def init_weights(self) -> None:
        """Initialise every part; ``Pretrained`` weights are read.

        Raises:
            DataError: A file of pretrained weights is missing, or holds no weights for its part.
        """
        try:
            super().init_weights()
        except PRETRAINED_ERRORS as error:
            explained = explain_pretrained_error(self, error)
            if explained is None:
                raise
            raise explained from error

    def forward(
        self,
        inputs: dict[str, Any],
        data_samples: Sequence[SSCDataSample] | None = None,
        mode: str = 'tensor',
    ) -> Any:
        """Run the model.

        Args:
            inputs: What the data preprocessor returns.
            data_samples: One per sample; ``'loss'`` needs their targets.
            mode: ``'loss'`` returns a dict of losses, ``'predict'`` a list of data samples with
                ``pred_voxels``, ``'tensor'`` a dict of named tensors, of which ``logits``
                (B, K, X, Y, Z) is the first.

        Raises:
            DataError: Unknown mode, or ``'loss'`` without data samples.
        """
        if data_samples is not None:
            self._check_grids(data_samples)
        if mode == 'loss':
            if data_samples is None:
                raise DataError('forward', 'data_samples', "targets for mode='loss'", 'none')
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            with self._prediction_precision():
                return self.predict(inputs, data_samples)
        if mode == 'tensor':
            return self.forward_tensors(inputs)
        raise DataError('forward', 'mode', "'loss', 'predict' or 'tensor'", repr(mode))

    @abstractmethod
    def extract_feat(self, inputs: dict[str, Any]) -> Any:
        """Features that the head takes."""

    @abstractmethod
    def loss(
        self, inputs: dict[str, Any], data_samples: Sequence[SSCDataSample]
    ) -> dict[str, Tensor]:
        """Named losses of a batch."""

    @abstractmethod
    def predict_logits(self, inputs: dict[str, Any]) -> Tensor:
        """Logits (B, K, X, Y, Z) of a batch."""

    @abstractmethod
    def forward_tensors(self, inputs: dict[str, Any]) -> dict[str, Tensor]:
        """Named tensors of a batch, ``logits`` (B, K, X, Y, Z) first."""

    def constant_inputs(self) -> dict[str, Tensor]:
        """Inputs of a prediction that are the same for all samples; an exported network has them.

        They replace what the network computes in a way that cannot be exported.
        """
        return {}

    def predict(
        self, inputs: dict[str, Any], data_samples: Sequence[SSCDataSample] | None = None
    ) -> list[SSCDataSample]:
        """Label a batch.

        Returns:
            The data samples (new ones if None was given) with ``pred_voxels`` (X, Y, Z) uint8 and,
            with ``test_cfg['keep_logits']``, ``voxel_logits`` (K, X, Y, Z) float32.

        Raises:
            DataError: A logit is NaN or infinite; the message names the cause.
        """
        logits = self.predict_logits(inputs)
        if data_samples is None:
            data_samples = [SSCDataSample() for _ in logits]
        check_logits(logits, self, inputs, data_samples)
        for sample, volume in zip(data_samples, logits):
            # Not argmax: it takes three times as long on a CPU.
            fields = dict(pred_voxels=volume.max(dim=0).indices.to(torch.uint8))
            if self.test_cfg.get('keep_logits', False):
                fields['voxel_logits'] = volume.float()
            sample.set_data(fields)
        return list(data_samples)

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum the losses; the values for the log are means over all processes."""
        total, log_vars = super().parse_losses(losses)
        if dist.get_world_size() > 1:
            values = torch.stack([value.detach().float() for value in log_vars.values()])
            dist.all_reduce(values, 'mean')
            log_vars = type(log_vars)(zip(log_vars, values.unbind()))
        return total, log_vars

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        rename_weights(state_dict, self.renamed_weights, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _prediction_precision(self) -> AbstractContextManager:
        if self.prediction_type is None:
            return nullcontext()  # A caller's own autocast stays.
        return torch.autocast(next(self.parameters()).device.type, self.prediction_type)

    def _check_grids(self, data_samples: Sequence[SSCDataSample]) -> None:
        for sample in data_samples:
            grid = sample.get('voxel_grid')
            if grid is not None and not self._same_grid(VoxelGrid.build(grid)):
                raise DataError(
                    f'sample {sample.get("sequence")}/{sample.get("frame_id")}',
                    'voxel_grid',
                    self.voxel_grid,
                    grid,
                    "Give the model the data set's grid: 'model.voxel_grid' in the config.",
                )

    def _same_grid(self, grid: VoxelGrid) -> bool:
        if not self.origin_matters:
            grid = replace(grid, origin=self.voxel_grid.origin)
        return grid == self.voxel_grid
