"""A small AMMNet that learns synthetic rooms on two CPU cores in a few minutes.

See docs/en/user_guides/synthetic_rooms.md for the data.
"""

_base_ = [
    '../_base_/datasets/nyu_augmented.py',
    '../_base_/models/ammnet.py',
    '../_base_/schedules/adamw_150e_adversarial.py',
    '../_base_/default_runtime.py',
]

channels = 16
max_epochs = 4

model = dict(
    voxel_grid=dict(voxel_size=0.12, shape=(40, 24, 40)),
    # Nothing is downloaded: the image encoder starts from random numbers, so all of it learns.
    backbone=dict(
        embed_dims=16, num_layers=(1, 1, 1, 1), drop_path_rate=0.0, frozen=False, init_cfg=None
    ),
    image_head=dict(in_channels=(16, 32, 80, 128), channels=channels, dropout=0.1),
    tsdf_encoder=dict(widths=(1, 3, 8, channels), dropout=0.1),
    head=dict(channels=channels),
    discriminator=dict(channels=16, hidden=16),
)

loader = dict(num_workers=1, dataset=dict(data_root='data/synthetic_nyu'))
train_dataloader = dict(**loader, batch_size=2, drop_last=True)
val_dataloader = loader
test_dataloader = loader

optim_wrapper = dict(generator=dict(optimizer=dict(lr=2e-3)))
param_scheduler = dict(
    generator=[
        dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20),
        dict(type='CosineAnnealingLR', T_max=max_epochs, by_epoch=True, convert_to_iter_based=True),
    ]
)
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
default_hooks = dict(checkpoint=dict(save_best='ssc/SSC_mIoU_nyu', rule='greater'))
