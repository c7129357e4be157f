"""The light Symphonies on synthetic streets: its network and flips, a small grid, a short schedule.

The data are those of sgn_synthetic.py; configs/symphonies/README.md has the commands and figures.
"""

_base_ = [
    '../_base_/datasets/synthetic_streets_depth.py',
    '../_base_/models/symphonies.py',
    '../_base_/schedules/adamw_6e_streets.py',
    '../_base_/default_runtime.py',
]

embed_dims = 64

# Nothing is downloaded: everything starts from random numbers, so all of it learns.
model = dict(
    voxel_grid=dict(origin=(0.0, -25.6, -2.0), voxel_size=0.8, shape=(64, 64, 8)),
    # 32 x 32 x 4 working voxels.
    downsample_z=1,
    backbone=dict(depth=18, norm_cfg=dict(requires_grad=True), norm_eval=False, init_cfg=None),
    neck=dict(
        in_channels=(128, 256, 512),
        embed_dims=128,
        num_layers=3,
        feedforward_channels=512,
        init_cfg=None,
    ),
    head=dict(
        in_channels=(64, 128, 128),
        embed_dims=embed_dims,
        norm_cfg=dict(type='mmssc.DistributedBN'),
        decoder=dict(num_layers=2, with_cp=False),
    ),
)
