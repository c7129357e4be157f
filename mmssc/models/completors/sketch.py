"""3D-Sketch: completion with a sketch of the scene and a structure prior (CVPR 2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from torch import Tensor

from mmssc.errors import DataError
from mmssc.geometry.sketch import label_sketch
from mmssc.models.losses.volume_losses import stack_targets
from mmssc.ops import channels_last_on_cpu, prefer_onednn
from mmssc.registry import MODELS
from mmssc.renamed import renamed_arguments
from mmssc.structures import SSCDataSample, VoxelGrid

from .rgbd_completor import RGBDCompletor

__all__ = ['SketchCompletor']

UNKNOWN_RULES = ('empty', 'ignore')
_OLD_SLOTS = {'image_head': 'neck', 'tsdf_encoder': 'sketch_head'}


@MODELS.register_module()
class SketchCompletor(RGBDCompletor):
    """Sketch of the scene from the TSDF, then semantics from it and the lifted image features.

    Args:
        backbone: Image encoder; its last level is used.
        neck: :class:`ImageProjection`.
        lifter: :class:`DepthMappedLifter`.
        sketch_head: :class:`SketchHead`.
        head: :class:`SketchSemanticHead`.
        voxel_grid: Grid of the prediction; its origin is that of any frame.
        freeze_backbone: The weights of the backbone do not learn. Its batch normalisation stays in
            training mode all the same, as in the reference: batch statistics normalise, and the
            running statistics drift. The backbone's ``norm_eval=True`` stops both.
        loss_3d: Loss of the semantic logits, on the voxels of ``label_weight``.
        ignored_in_divisor: Divide ``loss_3d`` by the number of voxels of ``label_weight``, voxels
            without a label included (the reference; on NYU 55 % of them have none). Otherwise by
            the number of those with a label.
        sketch_unknown: The sketch around voxels without a label: ``'empty'`` counts them as empty
            (the reference); ``'ignore'`` excludes their neighbourhood from the sketch losses.
        loss_scale: Factor of the sum of the losses, not of the logged values. The authors' two
            processes divide the gradient by two twice: 0.5 repeats their training on any number.
        kwargs: ``augmentation``, ``tsdf_source``, ``data_preprocessor``, ``test_cfg``,
            ``init_cfg``; see :class:`RGBDCompletor`.

    Raises:
        DataError: Unknown ``sketch_unknown``.
    """

    official_method = 'sketch'
    head_inputs = ('volume', 'sketch_raw', 'sketch_prior')
    renamed_weights = MappingProxyType({f'{old}.': f'{new}.' for old, new in _OLD_SLOTS.items()})

    @renamed_arguments(**_OLD_SLOTS)
    def __init__(
        self,
        backbone: dict[str, Any],
        neck: dict[str, Any],
        lifter: dict[str, Any],
        sketch_head: dict[str, Any],
        head: dict[str, Any],
        voxel_grid: VoxelGrid | Mapping[str, Any],
        freeze_backbone: bool = True,
        loss_3d: dict[str, Any] | None = None,
        ignored_in_divisor: bool = True,
        sketch_unknown: str = 'empty',
        loss_scale: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            backbone, image_head=None, lifter=None, tsdf_encoder=None, head=None,
            voxel_grid=voxel_grid, loss_3d=loss_3d, **kwargs,
        )  # fmt: skip
        # In this order: optimisers number the parameters in their checkpoints.
        self.neck = MODELS.build(neck)
        self.lifter = MODELS.build(lifter)
        self.sketch_head = MODELS.build(sketch_head)
        self.head = MODELS.build(head)
        prefer_onednn(self)
        if sketch_unknown not in UNKNOWN_RULES:
            field = f'{type(self).__name__}.sketch_unknown'
            raise DataError('config', field, f'one of {UNKNOWN_RULES}', repr(sketch_unknown))
        self.ignored_in_divisor, self.sketch_unknown = ignored_in_divisor, sketch_unknown
        self.loss_scale = loss_scale
        if freeze_backbone:
            self.backbone.requires_grad_(False)

    def extract_feat(self, inputs: dict[str, Any]) -> dict[str, Tensor]:
        """Sketches and lifted image features, not augmented.

        Args:
            inputs: ``img`` (B, 1, 3, H, W) normalised; ``tsdf`` (B, 1, X, Y, Z);
                ``voxel_to_pixel`` (B, X, Y, Z) flat pixel index, -1 = none. May have ``frames``,
                the name of each frame, which its random codes depend on; ``true_sketch``
                (B, X, Y, Z), 1 = edge, which turns the branches for training on; ``sketch_codes``
                and ``sketch_noise`` (S, B, L, X/4, Y/4, Z/4), which replace the random numbers of
                the prior and the posterior.

        Returns:
            The arrays of :class:`SketchHead` and those of :meth:`image_volume`.
        """
        tsdf, codes = self._tsdf(inputs), inputs.get('sketch_codes')
        if 'true_sketch' in inputs:
            noise = inputs.get('sketch_noise')
            sketches = self.sketch_head.forward_train(tsdf, inputs['true_sketch'], noise, codes)
        else:
            sketches = self.sketch_head(tsdf, inputs.get('frames'), codes)
        return {**sketches, **self.image_volume(inputs)}

    def image_volume(self, inputs: dict[str, Any]) -> dict[str, Tensor]:
        """The image branch; several voxels may read the same pixel.

        Returns:
            ``volume`` (B, C, X, Y, Z), the lifted ``feat2d`` (B, C, h, w).
        """
        if 'voxel_to_pixel' not in inputs:
            raise DataError(
                'inputs', 'voxel_to_pixel', 'a mapping', sorted(inputs),
                'Load it with LoadRGBDFrame(keys=[..., "voxel_to_pixel"])',
            )  # fmt: skip
        images = inputs['img'][:, 0]
        feat2d = self.neck(self.backbone(channels_last_on_cpu(images)))
        volume = self.lifter(feat2d, tuple(images.shape[-2:]), inputs['voxel_to_pixel'])
        return dict(volume=volume, feat2d=feat2d)

    def loss(
        self, inputs: dict[str, Any], data_samples: Sequence[SSCDataSample]
    ) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            inputs: See :meth:`extract_feat`.
            data_samples: With ``gt_voxels`` uint8 and ``label_weight`` bool, (X, Y, Z). The sketch
                is ``gt_sketch``, or computed from the labels where a sample has none.

        Raises:
            DataError: A target is missing or has another size than the prediction.
        """
        targets = self.targets(data_samples)
        outputs = self.forward_network({**inputs, 'true_sketch': targets['sketch']})
        return self.losses_by_outputs(outputs, targets)

    def losses_by_outputs(
        self, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Losses of the outputs of :meth:`forward_network` and of :meth:`targets`."""
        weight = targets['weight']
        losses = self.sketch_head.loss_by_outputs(outputs, targets['sketch'], weight)
        if self.loss_3d is not None:
            divisor = weight.sum() if self.ignored_in_divisor else None
            losses['loss_3d'] = self.loss_3d(
                outputs['logits'], targets['labels'], mask=weight, avg_factor=divisor
            )
        return losses

    def targets(self, data_samples: Sequence[SSCDataSample]) -> dict[str, Tensor]:
        """Targets of the losses, (B, X, Y, Z) each.

        Returns:
            ``labels`` uint8, 255 = ignore; ``weight`` bool, the voxels that take part; ``sketch``
            uint8, 1 = edge, 0 = none and, with ``sketch_unknown='ignore'``, 255 = unknown.

        Raises:
            DataError: A target is missing or has another size than the prediction.
        """
        labels, weight = self.label_volume(data_samples), self.label_weight(data_samples)
        if self.sketch_unknown == 'empty' and all('gt_sketch' in sample for sample in data_samples):
            sketch = stack_targets(data_samples, 'gt_sketch', self.voxel_grid.shape)
        else:
            sketch = label_sketch(labels, unknown=self.sketch_unknown)
        return dict(labels=labels, weight=weight, sketch=sketch)

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum of the losses times ``loss_scale``, and the values for the log."""
        total, log_vars = super().parse_losses(losses)
        return total * self.loss_scale, log_vars

    def constant_inputs(self) -> dict[str, Tensor]:
        """The codes of a frame without a name, ``sketch_codes`` (S, 1, L, X/4, Y/4, Z/4)."""
        sketch = next(self.parameters()).new_zeros(1, 1, *self.voxel_grid.shape)
        return dict(sketch_codes=self.sketch_head.cvae.codes_of_frames(sketch, None))

    def predict(
        self, inputs: dict[str, Any], data_samples: Sequence[SSCDataSample] | None = None
    ) -> list[SSCDataSample]:
        """See :meth:`BaseCompletor.predict`; the random codes depend on the frames' names."""
        if data_samples is not None:
            names = [
                f'{sample.get("sequence")}/{sample.get("frame_id")}' for sample in data_samples
            ]
            inputs = {**inputs, 'frames': names}
        return super().predict(inputs, data_samples)
