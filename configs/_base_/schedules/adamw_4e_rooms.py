"""AdamW for 4 epochs: warm-up, then a cosine per iteration (small networks, synthetic rooms)."""

_base_ = './adamw_100e_rgbd.py'

max_epochs = 4
lr = 2e-3

train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
optim_wrapper = dict(optimizer=dict(lr=lr))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', T_max=max_epochs, by_epoch=True, convert_to_iter_based=True),
]
