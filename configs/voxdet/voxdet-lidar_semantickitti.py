"""VoxDet-LiDAR on SemanticKITTI: one scan, no images."""

_base_ = [
    '../_base_/datasets/semantic_kitti_points.py',
    '../_base_/models/voxdet_lidar.py',
    '../_base_/schedules/adamw_25000i_one_cycle.py',
    '../_base_/iteration_runtime.py',
]
