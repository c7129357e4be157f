"""AdamW for 150 iterations: warm-up, then a cosine (a few frames of NYU, however few)."""

_base_ = './adamw_100e_rgbd.py'

max_iters = 150
lr = 5e-3

train_cfg = dict(
    _delete_=True, type='IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters
)
optim_wrapper = dict(optimizer=dict(lr=lr))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', T_max=max_iters, by_epoch=False),
]
