"""AdamW for 25,000 iterations, one cycle of the rate: up for 5 %, then a cosine (VoxDet)."""

max_iters = 25000
lr = 3e-4
# An epoch of SemanticKITTI in four processes with one sample each.
val_interval = 959

train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=val_interval)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

# The published configs name a limit of the gradient, but the official training never reads it.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=lr, weight_decay=0.01))
param_scheduler = [
    dict(
        type='OneCycleLR',
        eta_max=lr,
        # The official schedule is ten steps longer than its training.
        total_steps=max_iters + 10,
        pct_start=0.05,
        div_factor=25.0,
        final_div_factor=1e4,
        by_epoch=False,
    ),
]

# The learning rate is for 4 processes with 1 sample each; --auto-scale-lr scales it to another
# batch size.
auto_scale_lr = dict(enable=False, base_batch_size=4)
