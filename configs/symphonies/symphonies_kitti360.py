"""Symphonies on SSCBench-KITTI-360: ResNet-50 and MaskDINO's pixel decoder, one frame."""

_base_ = [
    '../_base_/datasets/sscbench_kitti360_depth.py',
    '../_base_/models/symphonies.py',
    '../_base_/schedules/adamw_30e_step.py',
    '../_base_/default_runtime.py',
]

num_classes = 19
# 1 / ln(count + 1e-6) of the voxel counts of the training split.
class_weight = [
    0.04642431, 0.05946658, 0.08649435, 0.08714451, 0.07166007, 0.06572679, 0.08520143,
    0.05412835, 0.06021847, 0.05672550, 0.06065572, 0.05399686, 0.06358309, 0.05126766,
    0.05640704, 0.07012189, 0.07742982, 0.05802562, 0.06904457,
]  # fmt: skip
model = dict(
    head=dict(num_classes=num_classes, losses=dict(ce_ssc=dict(class_weight=class_weight)))
)
