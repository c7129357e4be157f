"""The small network of ammnet_synthetic.py at NYU's full resolution, to learn a few real frames.

See cleaners_few_frames.py for what it is good for.
"""

_base_ = [
    '../_base_/datasets/nyu_few_frames.py',
    '../_base_/models/ammnet.py',
    '../_base_/schedules/adamw_150e_adversarial.py',
    '../_base_/few_frames_runtime.py',
]

channels = 16
# As in cleaners_few_frames.py, which says how they are made.
class_weight = (
    0.501, 4.696, 1.284, 1.396, 3.889, 3.126, 2.012, 2.503, 2.633, 7.914, 0.989, 1.441,
)  # fmt: skip

model = dict(
    backbone=dict(
        embed_dims=16, num_layers=(1, 1, 1, 1), drop_path_rate=0.0, frozen=False, init_cfg=None
    ),
    augmentation=None,
    image_head=dict(in_channels=(16, 32, 80, 128), channels=channels, dropout=0.0),
    tsdf_encoder=dict(widths=(1, 3, 8, channels), dropout=0.0),
    head=dict(channels=channels, dropout=0.0),
    loss_3d=dict(label_smoothing=0.0, class_weight=class_weight),
    discriminator=dict(channels=16, hidden=16),
)

max_iters = 150
train_cfg = dict(
    _delete_=True, type='IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters
)
optim_wrapper = dict(generator=dict(optimizer=dict(lr=5e-3)))
param_scheduler = dict(
    generator=[
        dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20),
        dict(type='CosineAnnealingLR', T_max=max_iters, by_epoch=False),
    ]
)
