"""AdamW for a small network on a CPU: warm-up, cosine per iteration, moving average of weights."""

max_epochs = 13
lr = 2e-3

# No frame is left to validate on: settings were chosen before, see light_seg_nyu_choose.py.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=1000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=lr, weight_decay=0.05),
    # No weight decay on 1-D tensors: biases, scales and shifts of normalisation.
    paramwise_cfg=dict(flat_decay_mult=0.0),
    clip_grad=dict(max_norm=5, norm_type=2),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.03, by_epoch=False, begin=0, end=60),
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs,
        eta_min=1e-2 * lr,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
# Old name, for configs of users; it goes away in the next release.
warmup_cosine = param_scheduler

custom_hooks = [
    # The averaged weights are what is tested; statistics of normalisation are averaged with them.
    dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.005, update_buffers=True),
]

# The learning rate is for 2 processes with 2 samples each; --auto-scale-lr scales it to another
# batch size.
auto_scale_lr = dict(enable=False, base_batch_size=4)
