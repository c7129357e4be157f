"""A small SGN at SemanticKITTI's full resolution, to learn a handful of real frames on a CPU.

For trying the real data path before the whole data set is there: ResNet-18 from random numbers, a
quarter of SGN-T's channels, a higher learning rate, scores on the training frames themselves.
"""

_base_ = '../sgn/sgn-S.py'

embed_dims = 32
max_epochs = 120

model = dict(
    backbone=dict(
        depth=18,
        frozen_stages=-1,
        norm_cfg=dict(requires_grad=True),
        norm_eval=False,
        init_cfg=None,
    ),
    neck=dict(in_channels=[256], out_channels=embed_dims),
    # An untrained head proposes most of the grid; the cap keeps the first steps short.
    head=dict(embed_dims=embed_dims, diffusion_depth=1, max_proposals=40000),
)

train_dataloader = dict(num_workers=1)
val_dataloader = dict(num_workers=1, dataset=dict(ann_file='semantickitti_infos_train.json'))
test_dataloader = dict(num_workers=1)

optim_wrapper = dict(optimizer=dict(lr=4e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=10),
    dict(type='CosineAnnealingLR', T_max=max_epochs, by_epoch=True),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=60)
default_hooks = dict(logger=dict(interval=1))
