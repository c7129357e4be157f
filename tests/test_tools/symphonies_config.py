"""The Symphonies of the quick start, smaller: two epochs of three iterations."""

_base_ = ['../../configs/quickstart/symphonies_synthetic.py']

custom_imports = dict(imports=['kill_hook'])
image_size = (48, 160)
embed_dims = 16
model = dict(
    # Frozen statistics of the backbone: what is left normalises over all processes.
    backbone=dict(norm_cfg=dict(requires_grad=False), norm_eval=True),
    neck=dict(embed_dims=16, num_layers=1, feedforward_channels=32),
    head=dict(
        in_channels=(64, 16, 16),
        embed_dims=embed_dims,
        num_queries=8,
        # Two processes draw other dropout masks than one with the doubled batch.
        decoder=dict(dropout=0.0, with_cp=True, chunk_size=500),
    ),
)

inputs = [
    dict(type='LoadDrivingImages'),
    dict(type='LoadDrivingDepth'),
    dict(type='CropDrivingImages', size=image_size),
]
train_pipeline = [
    *inputs,
    dict(type='LoadDrivingLabels', scales=('1_1',)),
    dict(type='FrustumTargets'),
    dict(type='PackSSCInputs'),
]
test_pipeline = [
    *inputs,
    dict(type='LoadDrivingLabels', scales=('1_1',), optional=True),
    dict(type='PackSSCInputs'),
]
loader = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(**loader, batch_size=2, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(**loader, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

train_cfg = dict(max_epochs=2, val_interval=2)
# Not Adam: see street_config.py.
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='SGD', lr=5e-3, momentum=0.9, weight_decay=1e-4)
)
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=6, by_epoch=False),
    dict(type='MultiStepLR', milestones=[100], by_epoch=True),
]
default_hooks = dict(logger=dict(interval=1))
# Every figure of the log is that of one iteration, not a running mean.
log_processor = dict(window_size=1)
