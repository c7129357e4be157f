# A small VoxDet-LiDAR for a short training on a CPU: 16 channels instead of 128.
_base_ = './voxdet_lidar.py'

channels = 16
gn = dict(num_groups=channels // 4)

model = dict(
    front_end=dict(
        channels=channels,
        backbone=dict(channels=channels, drop_path=0.0),
        neck=dict(channels=channels, norm_cfg=gn),
    ),
    encoder=dict(channels=channels, shortcut_norm_cfg=gn, drop_path=0.0),
    neck=dict(channels=channels, norm_cfg=gn),
    # With the weights of the whole model, 3, 1 and 5, occupied voxels first get a little of every
    # class, so that "empty" stays the most probable one.
    head=dict(
        channels=channels,
        norm_cfg=gn,
        num_refinements=1,
        losses=dict(voxel_ce=dict(loss_weight=1.0), voxel_geo_scal=dict(loss_weight=1.0)),
    ),
    aux_head=dict(channels=channels, norm_cfg=gn),
    train_window=(96, 96),
)
