"""AdamW for 6 epochs: warm-up, then a cosine per iteration (Symphonies on synthetic streets)."""

_base_ = './adamw_30e_step.py'

max_epochs = 6
lr = 1e-3

train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
optim_wrapper = dict(
    optimizer=dict(lr=lr, eps=1e-8),
    # The learned volume starts as noise, which has to turn into what most scenes look like.
    paramwise_cfg=dict(custom_keys=dict(_delete_=True, scene_embed=dict(lr_mult=10.0))),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=30),
    dict(type='CosineAnnealingLR', T_max=max_epochs, by_epoch=True, convert_to_iter_based=True),
]
