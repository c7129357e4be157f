"""Stage 1 of CleanerS with a ResNet-50 in place of MiT-B2."""

_base_ = ['./cleaners-teacher_segformer-b2_nyucad.py', '../_base_/models/resnet50_frozen.py']

model = dict(
    backbone={{_base_.frozen_resnet50}},
    image_head=dict(in_channels={{_base_.resnet50_channels}}),
)
