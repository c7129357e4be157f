"""SGN-L on SemanticKITTI: ResNet-18, half the channels, one diffusion block; five frames."""

_base_ = './sgn-T.py'

embed_dims = 64
model = dict(
    backbone=dict(
        depth=18,
        init_cfg=dict(checkpoint='https://download.pytorch.org/models/resnet18-f37072fd.pth'),
    ),
    neck=dict(in_channels=[256], out_channels=embed_dims),
    head=dict(embed_dims=embed_dims, diffusion_depth=1),
)
