# In place of another image encoder: backbone={{_base_.frozen_resnet50}}, and the channels of its
# four levels as in_channels of what follows. ImageNet weights of torchvision.
resnet50_channels = (256, 512, 1024, 2048)
frozen_resnet50 = dict(
    _delete_=True,
    type='mmseg.ResNet',
    depth=50,
    out_indices=(0, 1, 2, 3),
    frozen_stages=4,
    norm_cfg=dict(type='BN', requires_grad=False),
    norm_eval=True,
    style='pytorch',
    init_cfg=dict(
        type='Pretrained',
        checkpoint='https://download.pytorch.org/models/resnet50-0676ba61.pth',
    ),
)
