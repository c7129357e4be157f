"""Symphonies on NYUv2 at the full 60 x 60 x 36 voxels. Not a published model: the official code
has the config and cannot run it.
"""

_base_ = [
    '../_base_/datasets/nyu.py',
    '../_base_/models/symphonies.py',
    '../_base_/schedules/adamw_30e_step.py',
    '../_base_/default_runtime.py',
]

num_classes = 12
class_weight = [0.05] + [1.0] * 11
model = dict(
    # World axes X, Z (up), Y (forward); every frame has an origin of its own.
    voxel_grid=dict(
        origin=(0.0, 0.0, 0.0),
        voxel_size=0.08,
        shape=(60, 36, 60),
        axes=('x', 'z', 'y'),
        frame='world',
    ),
    # The volume is decoded and classified at the resolution of the labels.
    volume_scale=1,
    downsample_z=1,
    head=dict(num_classes=num_classes, losses=dict(ce_ssc=dict(class_weight=class_weight))),
)

train_pipeline = [
    dict(type='LoadRGBDFrame', keys=['img', 'depth', 'gt_voxels']),
    dict(type='FrustumTargets', cells=8),
    dict(type='PackSSCInputs'),
]
test_pipeline = [
    dict(type='LoadRGBDFrame', keys=['img', 'depth', 'gt_voxels'], optional=['eval_masks']),
    dict(type='PackSSCInputs'),
]
# Depth of another camera: its path and format='depth_mm' (16-bit PNG of millimetres).
train_depth = dict(path='NYUtrain/NYU{frame_id}_0000.png', format='nyu_depth')
test_depth = dict(path='NYUtest/NYU{frame_id}_0000.png', format='nyu_depth')
train_dataloader = dict(dataset=dict(pipeline=train_pipeline, files=dict(depth=train_depth)))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline, files=dict(depth=test_depth)))
test_dataloader = val_dataloader
# As the official code, which scores every labelled voxel: protocol full, not that of the indoor
# papers (SSC_mIoU_nyu).
default_hooks = dict(checkpoint=dict(save_best='ssc/SSC_mIoU', rule='greater'))
