"""The wide network, taught by three of light_seg-wide_nyu_mixed.py with other seeds."""

_base_ = './light_seg-wide_nyu_mixed.py'

max_epochs = 36
warm_up, cosine = _base_.param_scheduler

model = dict(
    teachers=[
        dict(checkpoint=f'work_dirs/light_nyu/teacher_{seed}/epoch_24.pth') for seed in (1, 2, 3)
    ],
    loss_distillation=dict(type='mmssc.LogitDistillationLoss', temperature=2.0, reduction='batch'),
)
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [warm_up, dict(cosine, T_max=max_epochs)]
