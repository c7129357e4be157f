"""The light LiDAR completor learns a handful of real scans on a CPU."""

_base_ = [
    '../_base_/datasets/semantic_kitti_few_scans.py',
    '../_base_/models/light_lidar.py',
    '../_base_/schedules/adamw_300i_lidar.py',
    '../_base_/short_iteration_runtime.py',
]

model = dict(train_window=(96, 96))
optim_wrapper = dict(optimizer=dict(lr=4e-3))
