"""The SGN of the quick start, smaller: two epochs of three iterations on synthetic streets.

The backbone is treated as in the paper's configs (stem and first stage frozen, BatchNorm fixed),
so that everything that is left normalises over all processes.
"""

_base_ = ['../../configs/quickstart/sgn_synthetic.py']

custom_imports = dict(imports=['kill_hook'])
image_size = (48, 160)
embed_dims = 16
norm_cfg = dict(type='mmssc.DistributedBN')
model = dict(
    backbone=dict(frozen_stages=1, norm_cfg=dict(requires_grad=False), norm_eval=True),
    neck=dict(out_channels=embed_dims),
    head=dict(
        embed_dims=embed_dims,
        diffusion_depth=1,
        norm_cfg=norm_cfg,
        points_head=dict(norm_cfg=norm_cfg),
        # Untrained, it would name the same class everywhere, and scores would prove little.
        init_cfg=dict(type='Normal', override=dict(type='Normal', name='ssc_header', std=1.0)),
    ),
)

train_pipeline = [
    dict(type='LoadDrivingImages'),
    dict(type='CropDrivingImages', size=image_size),
    dict(type='LoadDrivingPoints', crop_to_grid=True),
    dict(type='LoadDrivingLabels', scales=('1_1', '1_2')),
    dict(type='PackSSCInputs'),
]
test_pipeline = [
    dict(type='LoadDrivingImages'),
    dict(type='CropDrivingImages', size=image_size),
    dict(type='LoadDrivingPoints', crop_to_grid=True),
    dict(type='LoadDrivingLabels', scales=('1_1',), optional=True),
    dict(type='PackSSCInputs'),
]
frame_offsets = (-1,)
loader = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(
    **loader, batch_size=2, dataset=dict(frame_offsets=frame_offsets, pipeline=train_pipeline)
)
val_dataloader = dict(**loader, dataset=dict(frame_offsets=frame_offsets, pipeline=test_pipeline))
test_dataloader = val_dataloader

train_cfg = dict(max_epochs=2, val_interval=2)
# Not Adam: where a gradient is zero but for rounding (a bias before a normalisation), it divides
# noise by noise, so two ways to compute the same step would drift apart.
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='SGD', lr=3e-4, momentum=0.9, weight_decay=1e-4)
)
param_scheduler = [dict(type='CosineAnnealingLR', T_max=6, by_epoch=False)]
default_hooks = dict(logger=dict(interval=1))
# Every figure of the log is that of one iteration, not a running mean.
log_processor = dict(window_size=1)
