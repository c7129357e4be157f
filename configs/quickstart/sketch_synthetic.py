"""A small 3D-Sketch that learns synthetic rooms on two CPU cores in a few minutes.

See docs/en/user_guides/synthetic_rooms.md for the data.
"""

_base_ = ['../sketch/sketch_r50_nyu.py', '../_base_/small_rooms.py']

channels = 16

# Nothing is downloaded: a narrow ResNet-18 starts from random numbers, so all of it learns.
model = dict(
    voxel_grid={{_base_.room_grid}},
    backbone=dict(depth=18, base_channels=16, stem_channels=16, init_cfg=None),
    freeze_backbone=False,
    image_head=dict(in_channels=128, channels=channels),
    tsdf_encoder=dict(widths=(1, 3, 8, channels), cvae=dict(latent_channels=4)),
    head=dict(channels=channels, sketch_widths=(3, 8)),
)

train_dataloader = {{_base_.room_loader}}
val_dataloader = {{_base_.room_loader}}
test_dataloader = {{_base_.room_loader}}

optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=2e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=10, norm_type=2),
)
param_scheduler = {{_base_.room_scheduler}}
train_cfg = {{_base_.room_train_cfg}}
