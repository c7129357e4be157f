"""Adam for 80 epochs, 2 % less after each (LMSCNet)."""

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=80, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3))
param_scheduler = [dict(type='ExponentialLR', gamma=0.98, by_epoch=True)]

# The learning rate is for one process with 4 samples; --auto-scale-lr scales it to another batch
# size.
auto_scale_lr = dict(enable=False, base_batch_size=4)
