"""AdamW for 48 epochs: cosine per epoch, linear warm-up over the first 500 iterations (SGN)."""

max_epochs = 48
lr = 2e-4

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=lr, weight_decay=0.01),
    clip_grad=dict(max_norm=35, norm_type=2),
)
param_scheduler = [
    # Factor 1 - (1 - i/500) * 2/3 for i < 500; mmengine divides by end - begin - 1.
    dict(type='LinearLR', start_factor=1 / 3, by_epoch=False, begin=0, end=501),
    # Constant inside an epoch.
    dict(type='CosineAnnealingLR', T_max=max_epochs, eta_min=1e-3 * lr, by_epoch=True),
]

# The learning rate is for 4 processes with 1 sample each; --auto-scale-lr scales it to another
# batch size.
auto_scale_lr = dict(enable=False, base_batch_size=4)
