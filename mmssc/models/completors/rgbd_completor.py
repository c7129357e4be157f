"""Completion from one RGB image and a TSDF volume: what CleanerS, AMMNet and 3D-Sketch share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mmssc.errors import DataError
from mmssc.geometry.depth_mapping import invert_mapping, invert_pixel_mapping
from mmssc.models.layers.memory_layout import fast_layout
from mmssc.models.layers.volume_augmentation import VolumeChange
from mmssc.models.losses.volume_losses import stack_targets
from mmssc.ops import channels_last_on_cpu, prefer_onednn
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample, VoxelGrid

from .base_completor import BaseCompletor

__all__ = ['TSDF_SOURCES', 'RGBDCompletor']

TSDF_SOURCES = ('tsdf', 'tsdf_clean')


@MODELS.register_module()
class RGBDCompletor(BaseCompletor):
    """Image encoder and head, lifting by depth, TSDF encoder, volume head.

    With :class:`VolumeCompletionHead` it is the network of CleanerS, both teacher and student
    (arXiv 2303.09977). The call tree, in order of the calls (a part that is None is not called):

    .. code:: text

        loss():                forward_network() -> segmentation_losses()
        predict_logits():      forward_network()
        forward_tensors():     forward_network() -> image_head.classify()
        forward_network():     extract_feat() -> augmentation() -> complete()
        extract_feat():        tsdf_encoder() -> image_volume()
        image_volume():        backbone() -> image_head() -> pixel_to_voxel() -> voxel_to_pixel()
                               -> lifter()
        complete():            head()
        segmentation_losses(): label_volume() -> image_head.classify() -> loss_2d()
                               -> label_weight() -> loss_3d()

    Another method changes

    - the **volume head** by its config: any module ``head(volume, tsdf_feat) -> logits``, from
      (B, C, X, Y, Z) lifted image features and (B, C, X, Y, Z) TSDF features, both augmented alike,
      to (B, K, X, Y, Z). AMMNet's generator is this class with a modulating head;
    - the **image branch** by overriding :meth:`image_volume`;
    - **what the head takes** by overriding :meth:`extract_feat` and naming its results in
      ``head_inputs``, as 3D-Sketch does;
    - the **training** by overriding :meth:`loss`: :meth:`forward_network` gives the logits before
      and after the augmentation is undone, and :meth:`segmentation_losses` the cross entropies.

    Args:
        backbone: Image encoder with several levels, finest first. This and the next four are
            None if a subclass replaces them.
        image_head: :class:`ImageSemanticHead`.
        lifter: :class:`DepthMappedLifter`.
        tsdf_encoder: :class:`TSDFEncoder`.
        head: Volume head, see above.
        voxel_grid: Grid of the prediction; its origin is that of any frame.
        augmentation: :class:`VolumeAugmentation` of the features in training; None: no change.
        tsdf_source: Which TSDF the network reads: ``'tsdf'`` (of the sensor) or ``'tsdf_clean'``
            (of the noise-free depth).
        loss_2d: Loss of the image logits, at the pixels that hit a voxel against that voxel's
            label; None: no such loss.
        loss_3d: Loss of the volume logits, on the voxels of ``label_weight``.
        data_preprocessor: Config of the data preprocessor.
        test_cfg: See :class:`BaseCompletor`.
        init_cfg: Initialisation config of mmengine.

    Attributes:
        head_inputs: Names of the results of :meth:`extract_feat` that the volume head takes, in
            order, (B, C, X, Y, Z) each.
    """

    origin_matters = False
    official_method = 'cleaners-teacher'
    head_inputs: tuple[str, ...] = ('volume', 'tsdf_feat')

    def __init__(
        self,
        backbone: dict[str, Any] | None,
        image_head: dict[str, Any] | None,
        lifter: dict[str, Any] | None,
        tsdf_encoder: dict[str, Any] | None,
        head: dict[str, Any] | None,
        voxel_grid: VoxelGrid | Mapping[str, Any],
        augmentation: dict[str, Any] | None = None,
        tsdf_source: str = 'tsdf',
        loss_2d: dict[str, Any] | None = None,
        loss_3d: dict[str, Any] | None = None,
        data_preprocessor: dict[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(voxel_grid, data_preprocessor, test_cfg, init_cfg)
        if tsdf_source not in TSDF_SOURCES:
            field = f'{type(self).__name__}.tsdf_source'
            raise DataError('config', field, f'one of {TSDF_SOURCES}', repr(tsdf_source))
        self.tsdf_source = tsdf_source
        self.backbone = _build(backbone)
        self.image_head = _build(image_head)
        self.lifter = _build(lifter)
        self.tsdf_encoder = _build(tsdf_encoder)
        self.head = _build(head)
        self.augmentation = _build(augmentation)
        self.loss_2d = _build(loss_2d)
        self.loss_3d = _build(loss_3d)
        prefer_onednn(self)

    def extract_feat(self, inputs: dict[str, Any]) -> dict[str, Tensor]:
        """Features of both inputs, not augmented.

        Args:
            inputs: ``img`` (B, 1, 3, H, W) normalised; ``tsdf`` (or ``tsdf_clean``, see
                ``tsdf_source``) (B, 1, X, Y, Z); ``pixel_to_voxel`` (B, H, W) flat voxel index,
                -1 = none, or ``voxel_to_pixel`` (B, X, Y, Z) flat pixel index, -1 = none.

        Returns:
            ``volume`` (B, C, X, Y, Z) lifted, ``tsdf_feat`` (B, C, X, Y, Z), and what
            :meth:`image_volume` adds.
        """
        tsdf_feat = self.tsdf_encoder(self._tsdf(inputs))
        return {**self.image_volume(inputs), 'tsdf_feat': tsdf_feat}

    def image_volume(self, inputs: dict[str, Any]) -> dict[str, Tensor]:
        """The image branch.

        Returns:
            ``volume`` (B, C, X, Y, Z), the lifted ``feat2d`` (B, C, h, w), and the mapping that was
            used, ``pixel_to_voxel`` (B, H, W). Without ``feat2d`` there is no 2D loss.
        """
        images = inputs['img'][:, 0]
        feat2d = self.image_head(self.backbone(channels_last_on_cpu(images)))
        pixel_to_voxel = self.pixel_to_voxel(inputs)
        voxel_to_pixel = self.voxel_to_pixel(pixel_to_voxel)
        volume = self.lifter(feat2d, tuple(images.shape[-2:]), voxel_to_pixel)
        return dict(volume=volume, feat2d=feat2d, pixel_to_voxel=pixel_to_voxel)

    def pixel_to_voxel(self, inputs: dict[str, Any]) -> Tensor:
        """Flat voxel index of each pixel (B, H, W), -1 = none.

        Given by the inputs, or computed from ``voxel_to_pixel``: of the voxels that share a pixel
        the one with the largest index gets it. An augmented image comes with a map of its own.
        """
        if 'pixel_to_voxel' in inputs:
            return inputs['pixel_to_voxel']
        if 'voxel_to_pixel' not in inputs:
            raise DataError(
                'inputs', 'pixel_to_voxel', 'a mapping', sorted(inputs),
                'Load it with LoadRGBDFrame(keys=[..., "voxel_to_pixel"])',
            )  # fmt: skip
        return invert_mapping(inputs['voxel_to_pixel'], tuple(inputs['img'].shape[-2:]))

    def voxel_to_pixel(self, pixel_to_voxel: Tensor) -> Tensor:
        """The pixel whose feature a voxel gets: (B, H, W) -> (B, X, Y, Z), -1 = none.

        Not the mapping of the files: there a pixel may serve several voxels, here the last of them
        only. Of several pixels of a voxel (an enlarged image) the last in row-major order counts.
        """
        flat = invert_pixel_mapping(pixel_to_voxel, self.voxel_grid.num_voxels)
        return flat.unflatten(1, self.voxel_grid.shape)

    def forward_network(
        self, inputs: dict[str, Any], change: VolumeChange | None = None
    ) -> dict[str, Any]:
        """The whole network, with the augmentation of the features in training.

        Args:
            inputs: See :meth:`extract_feat`.
            change: Augmentation; None draws it (none in evaluation mode).

        Returns:
            A dict with

            - ``logits`` (B, K, X, Y, Z), with the augmentation undone;
            - ``augmented_logits``, the output of the head;
            - ``change``, the :class:`VolumeChange`;
            - the results of :meth:`extract_feat`, not augmented.
        """
        features = self.extract_feat(inputs)
        if change is None:
            change = VolumeChange() if self.augmentation is None else self.augmentation()
        return {**self.complete(features, change), **features}

    def complete(self, features: Mapping[str, Tensor], change: VolumeChange) -> dict[str, Any]:
        """The volume head on augmented features.

        Args:
            features: Of :meth:`extract_feat`.
            change: Augmentation.

        Returns:
            ``logits``, ``augmented_logits`` and ``change``; see :meth:`forward_network`.
        """
        # A swap of axes leaves an order in memory that convolutions and sums are slow on.
        volumes = (fast_layout(change.apply(features[name])) for name in self.head_inputs)
        augmented = self.head(*volumes)
        return dict(logits=change.undo(augmented), augmented_logits=augmented, change=change)

    def segmentation_losses(
        self,
        outputs: Mapping[str, Tensor],
        data_samples: Sequence[SSCDataSample],
    ) -> dict[str, Tensor]:
        """``loss_2d`` and ``loss_3d`` of the outputs of :meth:`forward_network`.

        Raises:
            DataError: A target is missing or has another size than the prediction.
        """
        labels = self.label_volume(data_samples)
        losses = {}
        if self.loss_2d is not None and 'feat2d' in outputs:
            pixel_to_voxel = outputs['pixel_to_voxel']
            logits = self.image_head.classify(outputs['feat2d'], pixel_to_voxel.shape[-2:])
            losses['loss_2d'] = self.loss_2d(logits, labels_of_pixels(labels, pixel_to_voxel))
        if self.loss_3d is not None:
            losses['loss_3d'] = self.loss_3d(
                outputs['logits'], labels, mask=self.label_weight(data_samples)
            )
        return losses

    def label_volume(self, data_samples: Sequence[SSCDataSample]) -> Tensor:
        """(B, X, Y, Z) uint8: the labels, 255 = ignore.

        Raises:
            DataError: A sample has none, or one of another size.
        """
        return stack_targets(data_samples, 'gt_voxels', self.voxel_grid.shape)

    def label_weight(self, data_samples: Sequence[SSCDataSample]) -> Tensor:
        """(B, X, Y, Z) bool: the voxels that take part in training.

        Raises:
            DataError: A sample has none, or one of another size.
        """
        return stack_targets(data_samples, 'label_weight', self.voxel_grid.shape).bool()

    def loss(
        self, inputs: dict[str, Any], data_samples: Sequence[SSCDataSample]
    ) -> dict[str, Tensor]:
        """Losses of a batch; see :meth:`extract_feat` and :meth:`segmentation_losses`.

        Args:
            inputs: See :meth:`extract_feat`.
            data_samples: With ``gt_voxels`` uint8 and ``label_weight`` bool, (X, Y, Z).
        """
        return self.segmentation_losses(self.forward_network(inputs), data_samples)

    @torch.no_grad()
    def predict_logits(self, inputs: dict[str, Any]) -> Tensor:
        """Logits (B, K, X, Y, Z); ``inputs`` as in :meth:`extract_feat`."""
        return self.forward_network(inputs)['logits']

    def forward_tensors(self, inputs: dict[str, Any]) -> dict[str, Tensor]:
        """``logits``, what the volume head takes, and of the image branch what there is.

        Its ``feat2d`` (B, C, h, w), and with an ``image_head`` ``logits_2d`` (B, K, H, W).
        """
        outputs = self.forward_network(inputs)
        names = ('logits', *self.head_inputs, 'feat2d')
        tensors = {name: outputs[name] for name in names if name in outputs}
        if self.image_head is not None:
            size = inputs['img'].shape[-2:]
            tensors['logits_2d'] = self.image_head.classify(outputs['feat2d'], size)
        return tensors

    def _tsdf(self, inputs: dict[str, Any]) -> Tensor:
        if self.tsdf_source not in inputs:
            raise DataError(
                'inputs', self.tsdf_source, 'a TSDF volume', sorted(inputs),
                'Name it in the keys of LoadRGBDFrame; tsdf_clean also needs the clean_source '
                "of the data set. The model's tsdf_source says which one it reads",
            )  # fmt: skip
        tsdf = inputs[self.tsdf_source]
        if tuple(tsdf.shape[-3:]) != self.voxel_grid.shape:
            raise DataError(
                'inputs', self.tsdf_source, self.voxel_grid.shape, tuple(tsdf.shape[-3:]),
                "Give the model the data set's grid: 'model.voxel_grid' in the config.",
            )  # fmt: skip
        return tsdf


def labels_of_pixels(labels: Tensor, pixel_to_voxel: Tensor, ignore_index: int = 255) -> Tensor:
    """The label of the voxel that each pixel hits.

    Args:
        labels: (B, X, Y, Z).
        pixel_to_voxel: (B, H, W) flat voxel index, -1 = none.
        ignore_index: Label of pixels that hit none.

    Returns:
        (B, H, W), in the dtype of the labels.
    """
    index = pixel_to_voxel.flatten(1).long()
    found = labels.flatten(1).gather(1, index.clamp_min(0))
    return found.masked_fill(index < 0, ignore_index).view(pixel_to_voxel.shape)


def _build(cfg: dict[str, Any] | None) -> Any:
    return None if cfg is None else MODELS.build(cfg)
