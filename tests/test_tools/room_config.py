"""The teacher of the quick start on tiny rooms: two epochs of three iterations.

Nothing is random in a step, and the losses are means of samples, so that one process and two
differ by rounding alone.
"""

_base_ = ['../../configs/quickstart/cleaners-teacher_synthetic.py']

custom_imports = dict(imports=['kill_hook'])
model = dict(
    voxel_grid=dict(voxel_size=0.24, shape=(20, 12, 20)),
    image_head=dict(dropout=0.0),
    tsdf_encoder=dict(dropout=0.0),
    head=dict(dropout=0.0),
    augmentation=None,
    loss_2d=dict(reduction='sample'),
    loss_3d=dict(reduction='sample'),
)
loader = dict(num_workers=0, persistent_workers=False)
train_dataloader = loader
val_dataloader = loader
test_dataloader = loader

train_cfg = dict(max_epochs=2, val_interval=2)
# Not Adam, see street_config.py.
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='SGD', lr=0.03, momentum=0.9, weight_decay=1e-4)
)
param_scheduler = [dict(type='CosineAnnealingLR', T_max=6, by_epoch=False)]
default_hooks = dict(logger=dict(interval=1))
log_processor = dict(window_size=1)
