"""Heads that give class logits at one or more scales, from the features of a scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmssc.errors import DataError
from mmssc.models.layers import OccupancySegmentationHead
from mmssc.models.layers.memory_layout import fast_layout
from mmssc.models.losses.volume_losses import volume_losses
from mmssc.ops.transposed_conv import TransposedConv3d
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample

__all__ = ['LMSCNetHead', 'SSCNetHead', 'ScaledVolumeHead', 'target_name']

_SCALES = (1, 2, 4, 8)
_BN = dict(type='BN')
# SSCNet works at a quarter of the resolution.
_STRIDE = 4


def target_name(scale: int) -> str:
    """The target of a scale: ``gt_voxels`` or ``gt_voxels_1_2`` and so on."""
    return 'gt_voxels' if scale == 1 else f'gt_voxels_1_{scale}'


class ScaledVolumeHead(BaseModule):
    """Base of the heads on features by scale; it has the losses.

    Args:
        num_classes: Number of classes K, with the empty one.
        scales: Scales of the logits, finest first. A scale s has voxels s times as long.
        losses: Name -> loss of the logits of each scale; the log calls it ``loss_NAME``, or
            ``loss_NAME_1_S`` if there are several scales. The total is the mean over the scales.
        init_cfg: Initialisation config of mmengine.

    Attributes:
        official_method: METHOD of ``import_checkpoint.py`` for the authors' checkpoints.
    """

    official_method = ''

    def __init__(
        self,
        num_classes: int,
        scales: Sequence[int] = (1,),
        losses: Mapping[str, dict[str, Any]] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes, self.scales = num_classes, tuple(scales)
        self.losses = nn.ModuleDict(
            {name: MODELS.build(loss) for name, loss in (losses or {}).items()}
        )

    def forward(
        self, features: Mapping[int, Tensor], scales: Sequence[int] | None = None
    ) -> dict[int, Tensor]:
        """Compute logits.

        Args:
            features: What the backbone returns.
            scales: Scales to compute; None: all of the head.

        Returns:
            Scale s -> (B, K, X / s, Y / s, Z / s), finest first.
        """
        raise NotImplementedError

    def loss(
        self, logits: Mapping[int, Tensor], data_samples: Sequence[SSCDataSample]
    ) -> dict[str, Tensor]:
        """Losses of a batch, each divided by the number of scales.

        Args:
            logits: See :meth:`forward`.
            data_samples: Samples with ``gt_voxels`` and, for other scales, ``gt_voxels_1_S``.

        Raises:
            DataError: A target is missing or differs in size from the prediction.
        """
        values = {}
        for scale, volume in logits.items():
            ending = f'_1_{scale}' if len(self.scales) > 1 else ''
            losses = volume_losses(self.losses, volume, data_samples, target_name(scale))
            for name, value in losses.items():
                values[f'loss_{name}{ending}'] = value / len(logits)
        return values


@MODELS.register_module()
class LMSCNetHead(ScaledVolumeHead):
    """A segmentation head at each scale, on the volumes of :class:`PlaneUNet`.

    Args:
        num_classes: Number of classes K, with the empty one.
        scales: ``(1, 2, 4, 8)`` for LMSCNet, ``(1,)`` for LMSCNet-SS, or other scales among them.
        channels: Channels of the 3D convolutions.
        norm_cfg: Normalisation of the volumes.
        losses: See :class:`ScaledVolumeHead`.
        init_cfg: Initialisation config of mmengine.

    Raises:
        DataError: A scale is none of 1, 2, 4 and 8, or occurs twice.
    """

    official_method = 'lmscnet'

    def __init__(
        self,
        num_classes: int,
        scales: Sequence[int] = _SCALES,
        channels: int = 8,
        norm_cfg: dict[str, Any] = _BN,
        losses: Mapping[str, dict[str, Any]] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        if not scales or sorted(set(scales)) != sorted(scales) or not set(scales) <= set(_SCALES):
            expected = f'some of {_SCALES}, each once'
            raise DataError('config', 'LMSCNetHead.scales', expected, tuple(scales))
        super().__init__(num_classes, sorted(scales), losses, init_cfg)
        self.segmentation = nn.ModuleDict(
            {
                f'1_{scale}': OccupancySegmentationHead(num_classes, channels, norm_cfg)
                for scale in self.scales
            }
        )

    def forward(
        self, features: Mapping[int, Tensor], scales: Sequence[int] | None = None
    ) -> dict[int, Tensor]:
        """See :meth:`ScaledVolumeHead.forward`; features: scale s -> (B, X / s, Y / s, Z / s)."""
        return {
            scale: self.segmentation[f'1_{scale}'](fast_layout(features[scale][:, None]))
            for scale in (self.scales if scales is None else scales)
        }


@MODELS.register_module()
class SSCNetHead(ScaledVolumeHead):
    """Logits at full resolution from the features of :class:`SSCNetTrunk` at a quarter of it.

    Args:
        num_classes: Number of classes K, with the empty one.
        in_channels: Channels of the features.
        up_sampling: ``'learned'``: a transposed convolution (SSCNet-full). ``'nearest'``: a
            classifier at a quarter of the resolution, each voxel repeated (SSCNet).
        losses: See :class:`ScaledVolumeHead`.
        init_cfg: Initialisation config of mmengine.

    Raises:
        DataError: ``up_sampling`` is unknown.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 128,
        up_sampling: str = 'learned',
        losses: Mapping[str, dict[str, Any]] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        if up_sampling not in ('learned', 'nearest'):
            expected = "'learned' or 'nearest'"
            raise DataError('config', 'SSCNetHead.up_sampling', expected, repr(up_sampling))
        super().__init__(num_classes, (1,), losses, init_cfg)
        self.official_method = 'sscnet-full' if up_sampling == 'learned' else 'sscnet'
        self.classifier: nn.Module
        if up_sampling == 'learned':
            self.classifier = TransposedConv3d(in_channels, num_classes, _STRIDE, stride=_STRIDE)
        else:
            self.classifier = nn.Sequential(
                nn.Conv3d(in_channels, num_classes, 1), nn.Upsample(scale_factor=_STRIDE)
            )

    def forward(
        self, features: Mapping[int, Tensor], scales: Sequence[int] | None = None
    ) -> dict[int, Tensor]:
        """See :meth:`ScaledVolumeHead.forward`; features: ``{4: (B, in_channels, ...)}``."""
        return {1: self.classifier(features[_STRIDE])}
