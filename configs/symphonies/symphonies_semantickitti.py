"""Symphonies on SemanticKITTI: ResNet-50 and MaskDINO's pixel decoder, one frame."""

_base_ = [
    '../_base_/datasets/semantic_kitti_depth.py',
    '../_base_/models/symphonies.py',
    '../_base_/schedules/adamw_30e_step.py',
    '../_base_/default_runtime.py',
]
