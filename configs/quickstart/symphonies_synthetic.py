"""A small Symphonies that learns synthetic streets on two CPU cores in some minutes.

The data are those of sgn_synthetic.py; docs/en/methods/symphonies.md has the commands and figures.
"""

_base_ = [
    '../_base_/datasets/semantic_kitti_depth.py',
    '../_base_/models/symphonies.py',
    '../_base_/schedules/adamw_30e_step.py',
    '../_base_/default_runtime.py',
]

data_root = 'data/synthetic'
embed_dims = 32
max_epochs = 6

# Nothing is downloaded: everything starts from random numbers, so all of it learns.
model = dict(
    voxel_grid=dict(origin=(0.0, -25.6, -2.0), voxel_size=0.8, shape=(64, 64, 8)),
    # 32 x 32 x 4 working voxels.
    downsample_z=1,
    backbone=dict(depth=18, norm_cfg=dict(requires_grad=True), norm_eval=False, init_cfg=None),
    neck=dict(
        in_channels=(128, 256, 512),
        embed_dims=64,
        num_layers=2,
        feedforward_channels=256,
        init_cfg=None,
    ),
    head=dict(
        in_channels=(64, 64, 64),
        embed_dims=embed_dims,
        num_queries=50,
        norm_cfg=dict(type='mmssc.DistributedBN'),
        decoder=dict(num_layers=2, num_heads=4, dropout=0.0, with_cp=False),
    ),
)

inputs = [
    dict(type='LoadSSCImages'),
    dict(type='LoadDepthMaps'),
    dict(type='CropSSCImages', size=(96, 320)),
    dict(type='LoadVoxelLabels', scales=('1_1',)),
]
train_pipeline = [*inputs, dict(type='FrustumTargets'), dict(type='PackSSCInputs')]
test_pipeline = [*inputs, dict(type='PackSSCInputs')]
loader = dict(num_workers=1, dataset=dict(data_root=data_root, pipeline=test_pipeline))
train_dataloader = dict(loader, dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = test_dataloader = loader

optim_wrapper = dict(
    optimizer=dict(lr=2e-3, eps=1e-8),
    # The learned volume starts as noise, which has to turn into what most scenes look like.
    paramwise_cfg=dict(custom_keys=dict(_delete_=True, scene_embed=dict(lr_mult=10.0))),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=30),
    dict(type='CosineAnnealingLR', T_max=max_epochs, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
