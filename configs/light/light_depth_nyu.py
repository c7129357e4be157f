"""Light completor on depth alone: TSDF, visible voxels, distance behind the visible surface."""

_base_ = [
    '../_base_/datasets/nyu_cache.py',
    '../_base_/models/light.py',
    '../_base_/schedules/adamw_cpu_light.py',
    '../_base_/default_runtime.py',
]

# A short training that starts from the network with a segmentation: all of its weights fit but
# those of the stem. Without it, load_from=None and the 13 epochs of the schedule.
load_from = 'checkpoints/light_seg_nyu.pth'
max_epochs = 6
lr = 1.5e-3

train_cfg = dict(max_epochs=max_epochs)
optim_wrapper = dict(optimizer=dict(lr=lr))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.03, by_epoch=False, begin=0, end=60),
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs,
        eta_min=1e-2 * lr,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(max_keep_ckpts=2, save_best=None))
