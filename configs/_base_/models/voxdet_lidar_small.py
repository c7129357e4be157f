# A small VoxDet-LiDAR for a short training on a CPU: 16 channels instead of 128.
_base_ = './voxdet_lidar.py'

channels = 16
gn = dict(num_groups=channels // 4)

model = dict(
    front_end=dict(
        channels=channels,
        backbone=dict(channels=channels),
        neck=dict(channels=channels, norm_cfg=gn),
    ),
    encoder=dict(channels=channels, shortcut_norm_cfg=gn),
    neck=dict(channels=channels, norm_cfg=gn),
    head=dict(channels=channels, norm_cfg=gn, num_refinements=1),
    aux_head=dict(channels=channels, norm_cfg=gn),
    train_window=(96, 96),
)
