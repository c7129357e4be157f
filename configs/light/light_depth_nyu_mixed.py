"""Depth alone, trained for long on joined rooms and moved boxes, from random numbers."""

_base_ = [
    '../_base_/datasets/nyu_cache.py',
    '../_base_/models/light.py',
    '../_base_/schedules/adamw_cpu_light.py',
    '../_base_/default_runtime.py',
]

max_epochs = 60
lr = 3e-3
warm_up, cosine = _base_.param_scheduler

model = dict(stem=dict(direct_channels=64))
train_dataloader = dict(batch_size=4, drop_last=True, dataset=dict(pipeline=_base_.mixed_pipeline))
train_cfg = dict(max_epochs=max_epochs)
# Takes two thirds of the time of float32 on a CPU with AVX-512 BF16.
optim_wrapper = dict(type='AutocastOptimWrapper', dtype='bfloat16', optimizer=dict(lr=lr))
param_scheduler = [warm_up, dict(cosine, T_max=max_epochs, eta_min=1e-2 * lr)]
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(max_keep_ckpts=2, save_best=None))
