"""The wide network, taught by three of light_seg-wide_nyu_mixed.py with other seeds."""

_base_ = [
    '../_base_/datasets/nyu_cache_seg.py',
    '../_base_/models/light.py',
    '../_base_/schedules/adamw_cpu_light.py',
    '../_base_/default_runtime.py',
]

max_epochs = 36
warm_up, cosine = _base_.param_scheduler

model = dict(
    stem=dict(out_channels=48, num_segments=14, direct_channels=96),
    head=dict(channels=(48, 216, 288), hidden_channels=96),
    teachers=[
        dict(checkpoint=f'work_dirs/light_nyu/teacher_{seed}/epoch_24.pth') for seed in (1, 2, 3)
    ],
    loss_distillation=dict(type='mmssc.LogitDistillationLoss', temperature=2.0, reduction='batch'),
)
train_dataloader = dict(batch_size=4, drop_last=True, dataset=dict(pipeline=_base_.mixed_pipeline))
train_cfg = dict(max_epochs=max_epochs)
# Takes two thirds of the time of float32 on a CPU with AVX-512 BF16.
optim_wrapper = dict(type='AutocastOptimWrapper', dtype='bfloat16')
param_scheduler = [warm_up, dict(cosine, T_max=max_epochs)]
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(max_keep_ckpts=2, save_best=None))
