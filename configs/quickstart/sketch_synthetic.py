"""A small 3D-Sketch that learns synthetic rooms on two CPU cores in a few minutes.

See docs/en/user_guides/synthetic_rooms.md for the data.
"""

_base_ = '../sketch/sketch_r50_nyu.py'

data_root = 'data/synthetic_nyu'
channels = 16
max_epochs = 4

# Nothing is downloaded: a narrow ResNet-18 starts from random numbers, so all of it learns.
model = dict(
    voxel_grid=dict(voxel_size=0.12, shape=(40, 24, 40)),
    backbone=dict(depth=18, base_channels=16, stem_channels=16, init_cfg=None),
    freeze_backbone=False,
    image_head=dict(in_channels=128, channels=channels),
    tsdf_encoder=dict(widths=(1, 3, 8, channels), cvae=dict(latent_channels=4)),
    head=dict(channels=channels, sketch_widths=(3, 8)),
)

loader = dict(num_workers=1, dataset=dict(data_root=data_root))
train_dataloader = loader
val_dataloader = loader
test_dataloader = loader

optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=2e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=10, norm_type=2),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', T_max=max_epochs, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
