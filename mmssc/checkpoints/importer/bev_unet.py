"""LMSCNet's 2D U-Net in official checkpoints: LMSCNet itself, and SGN's depth head."""

from __future__ import annotations

__all__ = ['BEV_UNET']

#: Module of the reference -> module of :class:`~mmssc.models.layers.BEVUNet`.
BEV_UNET = {
    'Encoder_block1': 'encoders.0',
    **{
        f'Encoder_block{i + 1}.{2 * n + 1}': f'encoders.{i}.{2 * n}'
        for i in (1, 2, 3)
        for n in (0, 1)
    },
    'conv_out_scale_1_8': 'out_1_8',
    'deconv1_8': 'up_1_8',
    'conv1_4': 'decoder_1_4',
    'conv_out_scale_1_4': 'out_1_4',
    'deconv1_4': 'up_1_4',
    'deconv_1_8__1_2': 'up_1_8_to_1_2',
    'conv1_2': 'decoder_1_2',
    'conv_out_scale_1_2': 'out_1_2',
}
