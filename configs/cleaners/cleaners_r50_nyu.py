"""Stage 2 of CleanerS with a ResNet-50 in place of MiT-B2, in the teacher too."""

_base_ = ['./cleaners_segformer-b2_nyu.py', '../_base_/models/resnet50_frozen.py']

model = dict(
    backbone={{_base_.frozen_resnet50}},
    image_head=dict(in_channels={{_base_.resnet50_channels}}),
    teacher=dict(checkpoint='work_dirs/cleaners-teacher_r50_nyucad/best_*.pth'),
)
