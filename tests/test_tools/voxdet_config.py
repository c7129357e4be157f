"""A small VoxDet-LiDAR on synthetic streets: six iterations, validated after every three."""

_base_ = ['../../configs/voxdet/voxdet-lidar_semantickitti.py']

custom_imports = dict(imports=['kill_hook'])
channels = 16
gn = dict(num_groups=4)
# Two processes drop other paths than one with the doubled batch.
encoder = dict(channels=channels, depths=(1, 1, 1), drop_path=0.0)
model = dict(
    voxel_grid=dict(origin=(0.0, -25.6, -2.0), voxel_size=0.8, shape=(64, 64, 8)),
    front_end=dict(channels=channels, backbone=encoder, neck=dict(channels=channels, norm_cfg=gn)),
    encoder=dict(**encoder, shortcut_norm_cfg=gn),
    neck=dict(channels=channels, norm_cfg=gn),
    head=dict(channels=channels, norm_cfg=gn, num_refinements=1),
    aux_head=dict(channels=channels, norm_cfg=gn),
)

loader = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(**loader, batch_size=2)
val_dataloader = loader
test_dataloader = loader

train_cfg = dict(max_iters=6, val_interval=3)
# Not Adam: see street_config.py.
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='SGD', lr=2e-4, momentum=0.9, weight_decay=1e-4)
)
param_scheduler = [
    dict(type='OneCycleLR', eta_max=2e-4, total_steps=16, pct_start=0.3, by_epoch=False)
]
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=3))
# Every figure of the log is that of one iteration, not a running mean.
log_processor = dict(window_size=1)
