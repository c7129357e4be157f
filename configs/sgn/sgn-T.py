"""SGN-T on SemanticKITTI: ResNet-50, the current frame and four earlier ones."""

_base_ = [
    '../_base_/datasets/semantic_kitti.py',
    '../_base_/models/sgn.py',
    '../_base_/schedules/adamw_48e.py',
    '../_base_/default_runtime.py',
]

frame_offsets = (-12, -9, -6, -3)
train_dataloader = dict(dataset=dict(frame_offsets=frame_offsets))
val_dataloader = dict(dataset=dict(frame_offsets=frame_offsets))
test_dataloader = dict(dataset=dict(frame_offsets=frame_offsets))
