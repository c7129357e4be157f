"""SGN-L on SSCBench-KITTI-360: ResNet-18, half the channels, one diffusion block; five frames."""

_base_ = [
    '../_base_/datasets/sscbench_kitti360.py',
    '../_base_/models/sgn.py',
    '../_base_/schedules/adamw_48e.py',
    '../_base_/default_runtime.py',
]

num_classes = 19
# Round(10 / ln(count), 3) of the voxel counts of the training split.
class_weight = [
    0.464, 0.595, 0.865, 0.871, 0.717, 0.657, 0.852, 0.541, 0.602, 0.567,
    0.607, 0.540, 0.636, 0.513, 0.564, 0.701, 0.774, 0.580, 0.690,
]  # fmt: skip
embed_dims = 64
model = dict(
    backbone=dict(
        depth=18,
        init_cfg=dict(checkpoint='https://download.pytorch.org/models/resnet18-f37072fd.pth'),
    ),
    neck=dict(in_channels=[256], out_channels=embed_dims),
    head=dict(
        num_classes=num_classes,
        embed_dims=embed_dims,
        diffusion_depth=1,
        loss_ssc=dict(class_weight=class_weight),
    ),
)

frame_offsets = (-12, -9, -6, -3)
train_dataloader = dict(dataset=dict(frame_offsets=frame_offsets))
val_dataloader = dict(dataset=dict(frame_offsets=frame_offsets))
test_dataloader = dict(dataset=dict(frame_offsets=frame_offsets))
