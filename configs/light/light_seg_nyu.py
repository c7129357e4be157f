"""Light completor on depth and a 2D segmentation (ids 0 to 13)."""

_base_ = [
    '../_base_/datasets/nyu_cache_seg.py',
    '../_base_/models/light.py',
    '../_base_/schedules/adamw_cpu_light.py',
    '../_base_/default_runtime.py',
]

model = dict(stem=dict(num_segments=14))
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(max_keep_ckpts=2, save_best=None))
