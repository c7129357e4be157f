"""A small SGN that learns synthetic streets on two CPU cores in a few minutes.

The data come from tools/dataset_converters/make_synthetic.py and semantic_kitti.py; see
tools/quickstart.sh for the whole chain.
"""

_base_ = [
    '../_base_/datasets/semantic_kitti.py',
    '../_base_/models/sgn.py',
    '../_base_/schedules/adamw_48e.py',
    '../_base_/default_runtime.py',
]

data_root = 'data/synthetic'
image_size = (96, 320)
embed_dims = 32
max_epochs = 7

# Nothing is downloaded: the backbone starts from random numbers, so all of it learns.
model = dict(
    voxel_grid=dict(origin=(0.0, -25.6, -2.0), voxel_size=0.8, shape=(64, 64, 8)),
    backbone=dict(
        depth=18,
        frozen_stages=-1,
        norm_cfg=dict(requires_grad=True),
        norm_eval=False,
        init_cfg=None,
    ),
    neck=dict(in_channels=[256], out_channels=embed_dims),
    head=dict(embed_dims=embed_dims, diffusion_depth=2),
)

pipeline = [
    dict(type='LoadDrivingImages'),
    dict(type='CropDrivingImages', size=image_size),
    dict(type='LoadDrivingPoints', crop_to_grid=True),
    dict(type='LoadDrivingLabels', scales=('1_1', '1_2')),
    dict(type='PackSSCInputs'),
]
loader = dict(num_workers=1, dataset=dict(data_root=data_root, pipeline=pipeline))
train_dataloader = dict(**loader, batch_size=2)
val_dataloader = loader
test_dataloader = loader

optim_wrapper = dict(optimizer=dict(lr=4e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=30),
    dict(type='CosineAnnealingLR', T_max=max_epochs, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
