"""AdamW for 300 iterations: warm-up, then a cosine (lidar methods on small data)."""

_base_ = './adamw_150i_few_frames.py'

max_iters = 300
lr = 2e-3

train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=lr))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', T_max=max_iters, by_epoch=False),
]
