"""Conditional variational autoencoder of sketches (3D-Sketch, CVPR 2020, sec. 3.3)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmssc.errors import DataError
from mmssc.models.layers.ddr import UpsampleBlock3D, VolumeClassifier, conv_stack

__all__ = ['SketchCVAE']

_BN = dict(type='BN')
SAMPLINGS = ('random', 'mean')


class SketchCVAE(nn.Module):
    """Refine a binary sketch: decode it together with latent codes, and average the results.

    The prior of the codes is N(0, I), not learned. The posterior also takes the true sketch and is
    used in training only. A decoded sample is a volume of 2 **logits** (no edge, edge); the samples
    are averaged as logits.

    The condition is encoded once for all samples. At test time the decoder takes all samples as
    one batch; with running statistics this equals one pass per sample. In training each sample has
    its own pass, so batch normalisation uses the statistics of one pass, as in the reference.

    Args:
        latent_channels: Channels of a code, at a quarter of the resolution.
        num_samples: Number of codes to average.
        sampling: Codes at test time. ``'random'`` draws the codes of a frame from a generator
            seeded with ``seed`` and the name of the frame, so results do not depend on the run or
            the batch. ``'mean'`` decodes only the mean code, 0.
        seed: Seed of ``'random'``.
        dropout: Channel dropout before the last convolution.
        norm_cfg: Normalisation, see :func:`build_norm`.

    Raises:
        DataError: Unknown ``sampling``, or ``num_samples`` is below 1.
    """

    def __init__(
        self,
        latent_channels: int = 16,
        num_samples: int = 4,
        sampling: str = 'random',
        seed: int = 0,
        dropout: float = 0.1,
        norm_cfg: dict[str, Any] = _BN,
    ) -> None:
        super().__init__()
        if sampling not in SAMPLINGS:
            expected = f'one of {SAMPLINGS}'
            raise DataError('config', 'SketchCVAE.sampling', expected, repr(sampling))
        if num_samples < 1:
            raise DataError('config', 'SketchCVAE.num_samples', '1 or more', num_samples)
        self.latent_channels, self.num_samples = latent_channels, num_samples
        self.sampling, self.seed = sampling, seed
        self.encoder = _SketchEncoder(2, latent_channels, norm_cfg)
        self.mean = nn.Conv3d(latent_channels, latent_channels, 1)
        self.log_var = nn.Conv3d(latent_channels, latent_channels, 1)
        self.condition = _SketchEncoder(1, latent_channels, norm_cfg)
        self.up1 = UpsampleBlock3D(2 * latent_channels, latent_channels, norm_cfg=norm_cfg)
        self.up2 = UpsampleBlock3D(latent_channels, latent_channels, norm_cfg=norm_cfg)
        self.classifier = VolumeClassifier(latent_channels, 2, dropout)

    def encode(self, sketch: Tensor, true_sketch: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the posterior of the codes.

        Args:
            sketch: (B, 1, X, Y, Z) float, 0 or 1.
            true_sketch: The same for the ground truth.

        Returns:
            Mean and logarithm of the variance, (B, L, X/4, Y/4, Z/4) each.
        """
        encoded = self.encoder(torch.cat([sketch, true_sketch], dim=1))
        return self.mean(encoded), self.log_var(encoded)

    def decode(self, condition: Tensor, codes: Tensor) -> Tensor:
        """Decode the codes and average the logits.

        Args:
            condition: (B, L, X/4, Y/4, Z/4), output of the module ``condition``.
            codes: (S, B, L, X/4, Y/4, Z/4), or (S, 1, ...): the same for all samples.

        Returns:
            (B, 2, X, Y, Z).
        """
        codes = codes.expand(-1, condition.shape[0], -1, -1, -1, -1)
        pairs = torch.cat([condition.expand_as(codes), codes], dim=2)
        if self.training:
            decoded = torch.stack([self._upsample(pair) for pair in pairs])
        else:
            decoded = self._upsample(pairs.flatten(0, 1)).unflatten(0, pairs.shape[:2])
        # The last convolution is linear: average first, convolve once.
        return self.classifier.conv(decoded.mean(dim=0))

    def _upsample(self, pair: Tensor) -> Tensor:
        """Map (B, 2 L, X/4, Y/4, Z/4) to the input of the last convolution, (B, L, X, Y, Z)."""
        return self.classifier.dropout(self.up2(self.up1(pair)))

    def draw(self, sketch: Tensor) -> Tensor:
        """Draw codes for training from the global random state: (S, B, L, X/4, Y/4, Z/4)."""
        shape = (self.num_samples, len(sketch), *self._code_shape(sketch))
        return torch.randn(shape, dtype=sketch.dtype, device=sketch.device)

    def codes_of_frames(self, sketch: Tensor, frames: Sequence[str] | None) -> Tensor:
        """Codes for testing, see ``sampling``.

        Args:
            sketch: (B, 1, X, Y, Z); gives shape, dtype and device.
            frames: Name of each frame; None: the same codes for all frames.

        Returns:
            (S, B, L, X/4, Y/4, Z/4), the same on every device.
        """
        shape = self._code_shape(sketch)
        if self.sampling == 'mean':
            return sketch.new_zeros(1, len(sketch), *shape)
        codes = []
        for frame in [''] * len(sketch) if frames is None else frames:
            seed = zlib.crc32(f'{self.seed}/{frame}'.encode())
            generator = torch.Generator().manual_seed(seed)
            codes.append(torch.randn(self.num_samples, *shape, generator=generator))
        return torch.stack(codes, dim=1).to(sketch)

    def _code_shape(self, sketch: Tensor) -> tuple[int, ...]:
        return (self.latent_channels, *(side // 4 for side in sketch.shape[2:]))


class _SketchEncoder(nn.Module):
    """Five convolution blocks with two average poolings: 3, then ``channels`` channels."""

    def __init__(self, in_channels: int, channels: int, norm_cfg: dict[str, Any]) -> None:
        super().__init__()
        self.blocks = conv_stack((in_channels, 3, channels, channels, channels, channels), norm_cfg)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, X, Y, Z) to (B, channels, X/4, Y/4, Z/4)."""
        for number, block in enumerate(self.blocks):
            x = block(F.avg_pool3d(x, 2) if number > 2 else x)
        return x
