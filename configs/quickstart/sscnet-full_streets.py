"""SSCNet-full on the synthetic streets of light_lidar_streets.py, with its window."""

_base_ = [
    '../_base_/datasets/lidar_streets.py',
    '../_base_/models/sscnet-full_short.py',
    '../_base_/schedules/adamw_300i_lidar.py',
    '../_base_/short_iteration_runtime.py',
]
