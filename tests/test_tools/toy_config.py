"""Trains ``toy.py`` for three epochs of three iterations."""

_base_ = ['../../configs/_base_/default_runtime.py', '../../configs/_base_/schedules/adamw_48e.py']

custom_imports = dict(imports=['toy', 'kill_hook'])
model = dict(type='InstantCompletor', data_preprocessor=dict(type='BaseDataPreprocessor'))
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='InstantDataset'),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='InstantDataset', length=3, test_mode=True),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='SSCMetric')
test_evaluator = val_evaluator

train_cfg = dict(max_epochs=3)
optim_wrapper = dict(optimizer=dict(lr=1e-2))
default_hooks = dict(logger=dict(interval=1))
