_base_ = '../../../configs/_base_/default_runtime.py'
custom_imports = dict(imports=['example_project'], allow_failed_imports=False)

pipeline = [
    dict(type='LoadDrivingImages'),
    dict(type='LoadDrivingPoints', source='depth'),
    dict(type='LoadDrivingLabels', scales=('1_1',)),
    dict(type='PackSSCInputs'),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='ToyScenesDataset',
        data_root='data/toy',
        ann_file='toy_infos_train.json',
        pipeline=pipeline,
    ),
)
val_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ToyScenesDataset',
        data_root='data/toy',
        ann_file='toy_infos_val.json',
        pipeline=pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='SSCMetric')
test_evaluator = val_evaluator

model = dict(
    type='ToyCompletor',
    data_preprocessor=dict(type='SSCDataPreprocessor'),
    # The grid of ToyScenesDataset; a model says which grid it was made for.
    voxel_grid=dict(
        origin=(0.0, -1.0, -3.2), voxel_size=0.2, shape=(32, 8, 32), axes=('x', 'z', 'y')
    ),
    lifter=dict(type='FLoSP'),
    num_classes=5,
    losses=dict(
        loss_ce=dict(type='VoxelCrossEntropyLoss', class_weight=[0.3, 1, 2, 2, 2]),
        loss_sem_scal=dict(type='SemanticScalLoss'),
    ),
)

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=10, val_interval=10)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=5e-3))
default_hooks = dict(logger=dict(interval=6), checkpoint=dict(interval=10))
