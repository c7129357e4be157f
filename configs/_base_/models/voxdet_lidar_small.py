# A small VoxDet-LiDAR for a short training on a CPU: 16 channels instead of 128, one block a stage,
# no dropped paths. It has the affinity losses already.
_base_ = './voxdet_lidar.py'

channels = 16
gn = dict(num_groups=channels // 4)
resnet = dict(channels=channels, depths=(1, 1, 1), drop_path=0.0)

model = dict(
    front_end=dict(
        channels=channels,
        backbone=resnet,
        neck=dict(channels=channels, norm_cfg=gn),
    ),
    encoder=dict(**resnet, shortcut_norm_cfg=gn),
    neck=dict(channels=channels, norm_cfg=gn),
    head=dict(channels=channels, norm_cfg=gn, num_refinements=1),
    aux_head=dict(channels=channels, norm_cfg=gn),
    train_window=(96, 96),
)
