"""The two stages of 3D-Sketch (CVPR 2020): sketches from the TSDF, then semantics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmssc.models.backbones.tsdf_encoder import TSDFEncoder
from mmssc.models.heads.volume_completion_head import VolumeUNetHead
from mmssc.models.layers.ddr import VolumeClassifier, conv_stack
from mmssc.models.layers.weight_init import kaiming_init_convs
from mmssc.registry import MODELS

from .sketch_cvae import SketchCVAE

__all__ = ['SketchHead', 'SketchSemanticHead']

_PLAIN_BN = dict(type='BN')


@MODELS.register_module()
class SketchHead(BaseModule):
    """Binary sketch (3D edges) of the scene from its TSDF, refined by a conditional VAE.

    The VAE takes the argmax of the first prediction, so its losses give the TSDF branch no
    gradient.

    Args:
        widths: Channels of the TSDF branch, see :class:`TSDFEncoder`.
        dropout: Channel dropout before the classifiers.
        cvae: Arguments of :class:`SketchCVAE` (``num_samples``, ``sampling``, ``seed``, ...).
        norm_cfg: Normalisation.
        with_cp: See :class:`TSDFEncoder`.
        loss_raw: Loss of the first prediction.
        loss_posterior: Loss of the VAE with codes from the posterior.
        loss_prior: Loss of the VAE with codes from the prior, as at test time.
        loss_kl: Loss of the posterior's distribution (mean, logarithm of the variance).
    """

    def __init__(
        self,
        widths: Sequence[int] = (1, 3, 64, 128),
        dropout: float = 0.1,
        cvae: Mapping[str, Any] | None = None,
        norm_cfg: dict[str, Any] = _PLAIN_BN,
        with_cp: bool = False,
        loss_raw: dict[str, Any] | None = None,
        loss_posterior: dict[str, Any] | None = None,
        loss_prior: dict[str, Any] | None = None,
        loss_kl: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.encoder = TSDFEncoder(widths, dropout=0.0, norm_cfg=norm_cfg, with_cp=with_cp)
        self.classifier = VolumeClassifier(widths[-1], 2, dropout)
        self.cvae = SketchCVAE(**{'dropout': dropout, 'norm_cfg': norm_cfg, **(cvae or {})})
        losses = dict(raw=loss_raw, posterior=loss_posterior, prior=loss_prior)
        self.losses = nn.ModuleDict(
            {name: MODELS.build(cfg) for name, cfg in losses.items() if cfg is not None}
        )
        self.loss_kl = None if loss_kl is None else MODELS.build(loss_kl)
        kaiming_init_convs(self)

    def forward(
        self,
        tsdf: Tensor,
        frames: Sequence[str] | None = None,
        codes: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compute the sketches as at test time.

        Args:
            tsdf: (B, 1, X, Y, Z) in [-1, 1], sides multiples of 4.
            frames: Name of each frame, the seed of its random codes.
            codes: (S, B, L, X/4, Y/4, Z/4), replace the codes of the frames.

        Returns:
            ``sketch_raw`` and ``sketch_prior``, logits (B, 2, X, Y, Z).
        """
        raw, sketch = self._first_sketch(tsdf)
        if codes is None:
            codes = self.cvae.codes_of_frames(sketch, frames)
        prior = self.cvae.decode(self.cvae.condition(sketch), codes)
        return dict(sketch_raw=raw, sketch_prior=prior)

    def forward_train(
        self,
        tsdf: Tensor,
        true_sketch: Tensor,
        noise: Tensor | None = None,
        codes: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compute the sketches and the posterior.

        Args:
            tsdf: See :meth:`forward`.
            true_sketch: (B, X, Y, Z), 1 = edge, other values = no edge.
            noise: (S, B, L, X/4, Y/4, Z/4) ~ N(0, 1) for the posterior; None draws it.
            codes: The same for the prior.

        Returns:
            The arrays of :meth:`forward`, the logits ``sketch_posterior`` (B, 2, X, Y, Z), and
            ``mean`` and ``log_var`` of the posterior, (B, L, X/4, Y/4, Z/4).
        """
        raw, sketch = self._first_sketch(tsdf)
        mean, log_var = self.cvae.encode(sketch, (true_sketch == 1).to(sketch)[:, None])
        noise = self.cvae.draw(sketch) if noise is None else noise
        codes = self.cvae.draw(sketch) if codes is None else codes
        condition = self.cvae.condition(sketch)
        posterior = self.cvae.decode(condition, mean + (log_var / 2).exp() * noise)
        return dict(
            sketch_raw=raw,
            sketch_prior=self.cvae.decode(condition, codes),
            sketch_posterior=posterior,
            mean=mean,
            log_var=log_var,
        )

    def loss_by_outputs(
        self, outputs: Mapping[str, Tensor], target: Tensor, mask: Tensor
    ) -> dict[str, Tensor]:
        """Losses of the arrays of :meth:`forward_train`.

        Args:
            outputs: Arrays of :meth:`forward_train`.
            target: (B, X, Y, Z): 1 edge, 0 no edge, 255 ignored.
            mask: (B, X, Y, Z) bool, voxels that count.
        """
        losses = {
            f'loss_sketch_{name}': loss(outputs[f'sketch_{name}'], target, mask=mask)
            for name, loss in self.losses.items()
        }
        if self.loss_kl is not None:
            losses['loss_kl'] = self.loss_kl(outputs['mean'], outputs['log_var'])
        return losses

    def _first_sketch(self, tsdf: Tensor) -> tuple[Tensor, Tensor]:
        raw = self.encoder(tsdf, self.classifier)
        return raw, raw.argmax(dim=1, keepdim=True).to(raw.dtype)


@MODELS.register_module()
class SketchSemanticHead(VolumeUNetHead):
    """Logits from lifted image features and the two sketches, at the output resolution.

    Args:
        channels: Channels of the image features and of the U-Net, a multiple of 4.
        num_classes: Number of classes, including empty.
        sketch_widths: Channels of the two sketch encoders after each convolution but the last,
            which has ``channels``.
        norm_cfg: Normalisation.
        kwargs: Further arguments of :class:`VolumeUNetHead`.
    """

    def __init__(
        self,
        channels: int,
        num_classes: int,
        sketch_widths: Sequence[int] = (3, 64),
        norm_cfg: dict[str, Any] = _PLAIN_BN,
        **kwargs: Any,
    ) -> None:
        super().__init__(channels, num_classes, norm_cfg=norm_cfg, **kwargs)
        widths = (2, *sketch_widths, channels)
        self.raw_encoder = conv_stack(widths, norm_cfg, summed=True)
        self.prior_encoder = conv_stack(widths, norm_cfg, summed=True)
        kaiming_init_convs(self)

    def complete(self, volume: Tensor, sketch_raw: Tensor, sketch_prior: Tensor) -> Tensor:
        """Compute logits.

        Args:
            volume: (B, channels, X, Y, Z) lifted image features.
            sketch_raw: (B, 2, X, Y, Z) logits, not probabilities; they get gradients.
            sketch_prior: The same from the VAE.

        Returns:
            (B, num_classes, X, Y, Z) logits.

        Raises:
            DataError: A side is not a multiple of 4.
        """
        embedded = self.raw_encoder(sketch_raw) + self.prior_encoder(sketch_prior)
        return self.unet(volume + embedded, self.classifier)
