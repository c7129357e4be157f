"""MonoScene on NYUv2: EfficientNet-B7, 200 channels; 2 processes with 2 samples each."""

_base_ = [
    '../../../configs/_base_/datasets/nyu.py',
    '../../../configs/_base_/default_runtime.py',
    './_base_/monoscene.py',
]

num_classes = 12
channels = 200
class_weight = [0.05] + [1.0] * 11
model = dict(
    # World axes X, Z (up), Y (forward); MoveOriginToGrid puts the grid of every frame here.
    voxel_grid=dict(
        origin=(0.0, 0.0, 0.0),
        voxel_size=0.08,
        shape=(60, 36, 60),
        axes=('x', 'z', 'y'),
        frame='world',
    ),
    feature_scale=1,
    image_unet=dict(out_channels=channels),
    volume_unet=dict(channels=channels, num_classes=num_classes),
    losses=dict(loss_ce=dict(class_weight=class_weight)),
    relation_loss=dict(num_classes=num_classes),
)

# The published model was trained with this camera, not with the depth camera's.
camera = dict(
    type='SetIntrinsics',
    cam2img=[[518.8579, 0, 320], [0, 518.8579, 240], [0, 0, 1]],
    image_size=(480, 640),
)
train_pipeline = [
    dict(type='LoadRGBDFrame', keys=['img', 'gt_voxels']),
    dict(type='MoveOriginToGrid'),
    camera,
    dict(type='JitterDrivingColors'),
    dict(type='FlipDrivingImages'),
    dict(type='PoolVoxelLabels', factors=(4,)),
    dict(type='FrustumTargets'),
    dict(type='PackSSCInputs'),
]
test_pipeline = [
    dict(type='LoadRGBDFrame', keys=['img', 'gt_voxels'], optional=['eval_masks']),
    dict(type='MoveOriginToGrid'),
    camera,
    dict(type='PackSSCInputs'),
]
train_dataloader = dict(batch_size=2, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
