"""A light Symphonies on SemanticKITTI: ResNet-18, half the channels, two layers.

Not a published model: for one small GPU, and for trying things out.
"""

_base_ = './symphonies_semantickitti.py'

embed_dims = 64
resnet18 = 'https://download.pytorch.org/models/resnet18-f37072fd.pth'
model = dict(
    backbone=dict(depth=18, init_cfg=dict(_delete_=True, type='Pretrained', checkpoint=resnet18)),
    neck=dict(
        in_channels=(128, 256, 512),
        embed_dims=128,
        num_layers=3,
        feedforward_channels=512,
        init_cfg=None,
    ),
    head=dict(
        in_channels=(64, 128, 128),
        embed_dims=embed_dims,
        decoder=dict(num_layers=2),
    ),
)
# The pixel decoder starts from random numbers.
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(_delete_=True, **{'backbone.': dict(lr_mult=0.1)}))
)
