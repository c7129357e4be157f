"""LMSCNet-SS on SemanticKITTI: LMSCNet with one scale."""

_base_ = [
    '../_base_/datasets/semantic_kitti_lidar.py',
    '../_base_/models/lmscnet.py',
    '../_base_/schedules/adam_80e.py',
    '../_base_/default_runtime.py',
]

model = dict(head=dict(scales=(1,)))
