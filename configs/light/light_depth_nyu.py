"""Light completor on depth alone: TSDF, visible voxels, distance behind the visible surface."""

_base_ = [
    '../_base_/datasets/nyu_cache.py',
    '../_base_/models/light.py',
    '../_base_/schedules/adamw_cpu_light.py',
    '../_base_/default_runtime.py',
]

default_hooks = dict(logger=dict(interval=20), checkpoint=dict(max_keep_ckpts=2, save_best=None))
