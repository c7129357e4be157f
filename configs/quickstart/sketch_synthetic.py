"""A small 3D-Sketch that learns synthetic rooms on two CPU cores in a few minutes.

See docs/en/user_guides/synthetic_rooms.md for the data.
"""

_base_ = [
    '../_base_/datasets/nyu.py',
    '../_base_/models/sketch.py',
    '../_base_/schedules/adamw_4e_rooms.py',
    '../_base_/default_runtime.py',
]

channels = 16

# Nothing is downloaded: a narrow ResNet-18 starts from random numbers, so all of it learns.
model = dict(
    voxel_grid=dict(voxel_size=0.12, shape=(40, 24, 40)),
    backbone=dict(depth=18, base_channels=16, stem_channels=16, init_cfg=None),
    freeze_backbone=False,
    neck=dict(in_channels=128, channels=channels),
    sketch_head=dict(widths=(1, 3, 8, channels), cvae=dict(latent_channels=4)),
    head=dict(channels=channels, sketch_widths=(3, 8)),
)

loader = dict(num_workers=1, dataset=dict(data_root='data/synthetic_nyu'))
train_dataloader = dict(**loader, batch_size=2, drop_last=True)
val_dataloader = loader
test_dataloader = loader

optim_wrapper = dict(optimizer=dict(_delete_=True, type='AdamW', lr=2e-3, weight_decay=0.05))
default_hooks = dict(checkpoint=dict(save_best='ssc/SSC_mIoU_nyu', rule='greater'))
