"""The teacher of the quick start on tiny rooms: two epochs of three iterations."""

_base_ = ['../../configs/quickstart/cleaners-teacher_synthetic.py']

custom_imports = dict(imports=['kill_hook'])
model = dict(voxel_grid=dict(voxel_size=0.24, shape=(20, 12, 20)))
loader = dict(num_workers=0, persistent_workers=False)
train_dataloader = loader
val_dataloader = loader
test_dataloader = loader

train_cfg = dict(max_epochs=2, val_interval=2)
param_scheduler = [dict(type='CosineAnnealingLR', T_max=6, by_epoch=False)]
default_hooks = dict(logger=dict(interval=1))
log_processor = dict(window_size=1)
