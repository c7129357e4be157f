"""SGN-S on SemanticKITTI: ResNet-50, one frame."""

_base_ = [
    '../_base_/datasets/semantic_kitti.py',
    '../_base_/models/sgn.py',
    '../_base_/schedules/adamw_48e.py',
    '../_base_/default_runtime.py',
]
