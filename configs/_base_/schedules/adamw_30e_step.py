"""AdamW for 30 epochs, a tenth of the rate from epoch 25 on and for the encoder (Symphonies)."""

max_epochs = 30
lr = 2e-4

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    # The large eps is as published: it damps steps where gradients are small.
    optimizer=dict(type='AdamW', lr=lr, weight_decay=1e-4, eps=1e-3),
    paramwise_cfg=dict(custom_keys={'backbone.': dict(lr_mult=0.1), 'neck.': dict(lr_mult=0.1)}),
)
param_scheduler = [dict(type='MultiStepLR', milestones=[25], gamma=0.1, by_epoch=True)]

# The learning rate is for 4 processes with 1 sample each; --auto-scale-lr scales it to another
# batch size.
auto_scale_lr = dict(enable=False, base_batch_size=4)
