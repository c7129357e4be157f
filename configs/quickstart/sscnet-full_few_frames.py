"""SSCNet-full learns a handful of real scans on a CPU."""

_base_ = [
    '../_base_/datasets/semantic_kitti_few_scans.py',
    '../_base_/models/sscnet-full_short.py',
    '../_base_/schedules/adamw_300i_lidar.py',
    '../_base_/short_iteration_runtime.py',
]
