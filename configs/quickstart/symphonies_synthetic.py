"""A small Symphonies that learns synthetic streets on two CPU cores in some minutes.

The data are those of sgn_synthetic.py; docs/en/methods/symphonies.md has the commands and figures.
"""

_base_ = [
    '../_base_/datasets/synthetic_streets_depth.py',
    '../_base_/models/symphonies.py',
    '../_base_/schedules/adamw_6e_streets.py',
    '../_base_/default_runtime.py',
]

embed_dims = 32

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

train_pipeline = [step for step in _base_.train_pipeline if step.type != 'FlipDrivingScene']
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

optim_wrapper = dict(optimizer=dict(lr=2e-3))
