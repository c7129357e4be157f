"""street_config.py such that two processes and one with the doubled batch differ by rounding alone.

In double precision, see exact_room_config.py of tests/test_tools.
"""

_base_ = './street_config.py'

custom_imports = dict(imports=['monoscene', 'distributed_norm', 'double_precision'])
custom_hooks = [dict(type='DistributedNormHook')]

# Nothing is random in a step, and the losses are means of samples.
augmentations = ('JitterDrivingColors', 'FlipDrivingScene')
train_pipeline = [step for step in _base_.train_pipeline if step.type not in augmentations]
train_dataloader = dict(batch_size=2, dataset=dict(pipeline=train_pipeline))
mean_of_samples = dict(reduction='sample')
model = dict(
    data_preprocessor=dict(type='DoublePrecisionPreprocessor'),
    losses=dict(
        loss_ce=mean_of_samples,
        loss_sem_scal=mean_of_samples,
        loss_geo_scal=mean_of_samples,
        loss_frustum=mean_of_samples,
    ),
    relation_loss=mean_of_samples,
)

max_epochs = 4
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
# Not Adam, which divides noise by noise where a gradient is zero but for rounding.
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='SGD', lr=1e-3, momentum=0.9, weight_decay=1e-4),
    clip_grad=dict(max_norm=100.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.5, by_epoch=False, begin=0, end=2),
    dict(type='CosineAnnealingLR', T_max=max_epochs, by_epoch=True),
]
