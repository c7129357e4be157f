"""The small network of cleaners_synthetic.py at NYU's full resolution, to learn a few real frames.

For trying the real data path on a CPU before the whole data set is there: frames with a colour
image only, the depth of the sensor, no teacher. What it shows is that everything fits together;
scores on so few frames say nothing else.
"""

_base_ = './cleaners_synthetic.py'

data_root = 'data/nyu'
max_epochs = 60

model = dict(
    voxel_grid=dict(voxel_size=0.08, shape=(60, 36, 60)),
    teacher=None,
    loss_kd_t=None,
    loss_kd_sc=None,
    loss_kd_sa=None,
    # As sharp as a few frames can be learnt.
    augmentation=None,
    loss_3d=dict(label_smoothing=0.0),
)

loader = dict(dataset=dict(data_root=data_root, require=('img',)))
train_dataloader = dict(
    batch_size=1, drop_last=False, dataset=dict(clean_source=None, **loader['dataset'])
)
val_dataloader = loader
test_dataloader = loader

param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=10),
    dict(type='CosineAnnealingLR', T_max=max_epochs, by_epoch=True),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
default_hooks = dict(logger=dict(interval=10))
