"""AMMNet: image features modulated by the TSDF, adversarial training (arXiv 2403.07560)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from mmssc.errors import DataError
from mmssc.models.adversarial.fake_labels import erase_voxels, one_hot_volume, shuffle_classes
from mmssc.models.adversarial.step_modules import StepModules, frozen
from mmssc.ops import prefer_onednn
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample

from .rgbd_completor import RGBDCompletor

__all__ = ['AMMNet']

_DISCRIMINATOR, _GENERATOR = 'discriminator', 'generator'
_IGNORE = 255


@MODELS.register_module()
class AMMNet(RGBDCompletor):
    """:class:`RGBDCompletor` with a modulating head and, in training, a discriminator.

    One training iteration has two steps, each with its own optimiser. First the discriminator
    learns, on the detached logits of a forward pass. Then the generator learns, on a second forward
    pass, and the discriminator is frozen. Prediction needs no discriminator.

    Args:
        discriminator: :class:`VolumeDiscriminator`; its ``num_classes`` and ``volume_shape`` are
            those of the head and the grid unless given. None trains the generator alone, with one
            optimiser.
        loss_adv: :class:`AdversarialLoss` of the generator.
        loss_disc: :class:`AdversarialLoss` of the discriminator, of each of its four volumes.
        undo_for_discriminator: The discriminator sees logits whose augmentation is undone. False
            is the authors' order: it sees flipped and transposed logits, masked by the
            ``label_weight`` of the volume as it was.
        segmentation_encoder: :class:`SegmentationEncoder`: features of ``inputs['segmentation']``
            (B, H, W) replace the lifted image features; ``backbone``, ``image_head`` and
            ``lifter`` are then None and there is no 2D loss.
        network: Arguments of :class:`RGBDCompletor`.
    """

    # Checkpoints of a training hold the discriminator; prediction does not need it.
    spare_weights = (f'{_DISCRIMINATOR}.',)
    official_method = 'ammnet'

    def __init__(
        self,
        *,
        discriminator: Mapping[str, Any] | None = None,
        loss_adv: dict[str, Any] | None = None,
        loss_disc: dict[str, Any] | None = None,
        undo_for_discriminator: bool = True,
        segmentation_encoder: dict[str, Any] | None = None,
        **network: Any,
    ) -> None:
        if segmentation_encoder is not None:
            network = {'backbone': None, 'image_head': None, 'lifter': None, **network}
            if network['backbone'] is not None or network['image_head'] is not None:
                expected = 'no backbone and no image_head beside it'
                raise DataError('config', 'AMMNet.segmentation_encoder', expected, 'one of them')
        super().__init__(**network)
        self.segmentation_encoder: nn.Module | None = None
        if segmentation_encoder is not None:
            self.segmentation_encoder = prefer_onednn(MODELS.build(segmentation_encoder))
        self.discriminator: nn.Module | None = None
        if discriminator is not None:
            shared = dict(num_classes=self.head.num_classes, volume_shape=self.voxel_grid.shape)
            self.discriminator = prefer_onednn(MODELS.build({**shared, **discriminator}))
            if loss_adv is None or loss_disc is None:
                expected = 'loss_adv and loss_disc beside it'
                raise DataError('config', 'AMMNet.discriminator', expected, 'one or none')
            self.loss_adv, self.loss_disc = MODELS.build(loss_adv), MODELS.build(loss_disc)
        self.undo_for_discriminator = undo_for_discriminator

    def image_volume(self, inputs: dict[str, Any]) -> dict[str, Tensor]:
        """See :meth:`RGBDCompletor.image_volume`; a segmentation gives ``volume`` only."""
        if self.segmentation_encoder is None:
            return super().image_volume(inputs)
        if 'segmentation' not in inputs:
            raise DataError(
                'inputs', 'segmentation', 'a 2D segmentation', sorted(inputs),
                'Load it with LoadRGBDFrame(keys=[..., "segmentation"])',
            )  # fmt: skip
        if 'pixel_to_voxel' in inputs or 'voxel_to_pixel' not in inputs:
            mapping = self.voxel_to_pixel(self.pixel_to_voxel(inputs))
        else:
            # A segmentation is not augmented. Several voxels may read the same pixel.
            mapping = inputs['voxel_to_pixel']
        return dict(volume=self.segmentation_encoder(inputs['segmentation'], mapping))

    def _require_discriminator(self) -> nn.Module:
        if self.discriminator is None:
            expected = 'a discriminator for the second step'
            raise DataError('config', 'AMMNet.discriminator', expected, 'none')
        return self.discriminator

    def step_modules(self) -> dict[str, StepModules]:
        """What learns in each step of a training iteration, and its losses, in order.

        Returns:
            ``discriminator`` and ``generator``, each called with the arguments of :meth:`loss`.

        Raises:
            DataError: There is no discriminator.
        """
        discriminator = {_DISCRIMINATOR: self._require_discriminator()}
        generator = {
            name: child
            for name, child in self.named_children()
            if child is not self.discriminator and next(child.parameters(), None) is not None
        }
        return {
            name: StepModules(parts, partial(self.loss, step=name))
            for name, parts in ((_DISCRIMINATOR, discriminator), (_GENERATOR, generator))
        }

    def train_step(
        self,
        data: dict[str, Any],
        optim_wrapper: OptimWrapper,
        step_modules: Mapping[str, nn.Module] | None = None,
    ) -> dict[str, Tensor]:
        """One iteration: the discriminator's step, then the generator's.

        Args:
            data: A batch of the data loader.
            optim_wrapper: One wrapper per step, each with its own clipping, schedule, precision
                and accumulation (:class:`AdversarialOptimWrapperConstructor`).
            step_modules: Of :meth:`step_modules`, wrapped or not.

        Returns:
            The generator's losses with their sum ``loss``; the discriminator's losses with their
            sum ``loss_disc``.

        Raises:
            DataError: Two optimisers without a discriminator, or one optimiser with it.
        """
        self._check_optimisers(optim_wrapper)
        if self.discriminator is None:
            return super().train_step(data, optim_wrapper)
        data = self.data_preprocessor(data, True)
        self._check_grids(data['data_samples'])
        log = {}
        for name, modules in (step_modules or self.step_modules()).items():
            wrapper = optim_wrapper[name]
            with wrapper.optim_context(modules):
                losses = modules(**data)
            total, values = self.parse_losses(losses)
            wrapper.update_params(total)
            if name == _DISCRIMINATOR:
                values['loss_disc'] = values.pop('loss')
            log.update(values)
        return log

    def _check_optimisers(self, optim_wrapper: OptimWrapper) -> None:
        several = isinstance(optim_wrapper, OptimWrapperDict)
        if several == (self.discriminator is None):
            with_discriminator = (
                "optim_wrapper.constructor='mmssc.AdversarialOptimWrapperConstructor', with a "
                'generator and a discriminator'
            )
            raise DataError(
                'config', 'optim_wrapper',
                'one optimiser, model.discriminator being None' if several else with_discriminator,
                type(optim_wrapper).__name__,
                'See configs/_base_/schedules/adamw_150e_adversarial.py',
            )  # fmt: skip

    def loss(
        self,
        inputs: dict[str, Any],
        data_samples: Sequence[SSCDataSample],
        step: str | None = None,
    ) -> dict[str, Tensor]:
        """Losses of one step of training, or of both steps from one forward pass.

        The sum of both gives the generator and the discriminator the gradients of their own losses.

        Args:
            inputs: See :meth:`RGBDCompletor.extract_feat`.
            data_samples: With ``gt_voxels`` uint8 and ``label_weight`` bool, (X, Y, Z).
            step: ``'generator'``, ``'discriminator'`` or None for both. In the step of the
                discriminator the generator draws another augmentation and gets no gradient; its
                mode, training or evaluation, stays.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and step != _DISCRIMINATOR):
            outputs = self.forward_network(inputs)
        losses = {}
        if step != _DISCRIMINATOR:
            losses.update(self.generator_losses(outputs, data_samples))
        if step != _GENERATOR and self.discriminator is not None:
            losses.update(self.discriminator_losses(outputs, data_samples))
        return losses

    def generator_losses(
        self, outputs: Mapping[str, Tensor], data_samples: Sequence[SSCDataSample]
    ) -> dict[str, Tensor]:
        """``loss_2d``, ``loss_3d`` and, with a discriminator, ``loss_adv``.

        Args:
            outputs: Of :meth:`forward_network`.
            data_samples: See :meth:`loss`.
        """
        losses = self.segmentation_losses(outputs, data_samples)
        if self.discriminator is not None:
            predicted = self.predicted_volume(outputs, self.label_weight(data_samples))
            with frozen(self.discriminator):
                losses['loss_adv'] = self.loss_adv(self.discriminator(predicted), 1.0)
        return losses

    def discriminator_losses(
        self, outputs: Mapping[str, Tensor], data_samples: Sequence[SSCDataSample]
    ) -> dict[str, Tensor]:
        """``loss_disc_*`` of each volume that is judged; the generator gets no gradient.

        Args:
            outputs: Of :meth:`forward_network`.
            data_samples: See :meth:`loss`.
        """
        labels, weight = self.label_volume(data_samples), self.label_weight(data_samples)
        predicted = self.predicted_volume(outputs, weight).detach()
        volumes = self.annotated_volumes(labels, weight)
        discriminator = self._require_discriminator()
        # One call for each volume, in the order of the authors: each has its own batch statistics.
        return {
            f'loss_disc_{name}': self.loss_disc(
                discriminator(volume.to(predicted.dtype)), float(name == 'real'), valid
            )
            for name, (volume, valid) in {**volumes, 'predicted': (predicted, None)}.items()
        }

    def predicted_volume(self, outputs: Mapping[str, Tensor], weight: Tensor) -> Tensor:
        """What the discriminator sees of a prediction: raw logits, 0 outside of ``label_weight``.

        Args:
            outputs: Of :meth:`forward_network`.
            weight: (B, X, Y, Z) bool.
        """
        name = 'logits' if self.undo_for_discriminator else 'augmented_logits'
        return outputs[name] * weight[:, None]

    def annotated_volumes(
        self, labels: Tensor, weight: Tensor, generator: torch.Generator | None = None
    ) -> dict[str, tuple[Tensor, Tensor | None]]:
        """What the discriminator sees of the labels: ``real``, ``shuffled`` and ``erased``.

        Args:
            labels: (B, X, Y, Z), 255 = none.
            weight: (B, X, Y, Z) bool; voxels outside count as empty.
            generator: Source of the random numbers; None: the global one.

        Returns:
            Name -> volume (B, K, X, Y, Z), and (B,) bool: the samples for which the volume exists
            (None: all). A scene without an occupied voxel has no fake.
        """
        num_classes = self.head.num_classes
        known = labels.masked_fill((labels == _IGNORE) | ~weight, 0)
        # Occupied voxels outside of the mask are erased, too, as in the authors' code.
        occupied = (labels != 0) & (labels != _IGNORE)
        real = one_hot_volume(known, num_classes)
        shuffled = shuffle_classes(known, num_classes, generator=generator)
        erased = erase_voxels(occupied, generator=generator)
        return dict(
            real=(real, None),
            shuffled=(one_hot_volume(shuffled, num_classes), (known != 0).flatten(1).any(1)),
            erased=(real.masked_fill(erased[:, None], 0.0), occupied.flatten(1).any(1)),
        )
