"""The light Symphonies on synthetic streets: its network and flips, a small grid, a short schedule.

The data are those of sgn_synthetic.py; configs/symphonies/README.md has the commands and figures.
"""

_base_ = '../symphonies/symphonies-light_semantickitti.py'

data_root = 'data/synthetic'
max_epochs = 6

# Nothing is downloaded: everything starts from random numbers, so all of it learns.
model = dict(
    voxel_grid=dict(origin=(0.0, -25.6, -2.0), voxel_size=0.8, shape=(64, 64, 8)),
    # 32 x 32 x 4 working voxels.
    downsample_z=1,
    backbone=dict(norm_cfg=dict(requires_grad=True), norm_eval=False, init_cfg=None),
    head=dict(norm_cfg=dict(type='mmssc.DistributedBN'), decoder=dict(with_cp=False)),
)

inputs = [*_base_.load_steps, dict(type='CropDrivingImages', size=(96, 320))]
train_pipeline = [*inputs, *_base_.train_steps]
test_pipeline = [*inputs, *_base_.test_steps]
loader = dict(num_workers=1)
train_dataloader = dict(**loader, dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(**loader, dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader

optim_wrapper = dict(
    optimizer=dict(lr=1e-3, eps=1e-8),
    # The learned volume starts as noise, which has to turn into what most scenes look like.
    paramwise_cfg=dict(custom_keys=dict(_delete_=True, scene_embed=dict(lr_mult=10.0))),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=30),
    dict(type='CosineAnnealingLR', T_max=max_epochs, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
