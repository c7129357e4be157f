# Light LiDAR completor at SemanticKITTI's grid.
# Voxel counts of the training split (SemanticKITTIDataset.METAINFO['class_counts']) to the power of
# -1/4, scaled so that the mean weight of a training voxel is 1.
class_weight = (
    0.87, 3.75, 12.58, 12.74, 8.34, 7.85, 10.44, 10.25, 11.12, 2.67,
    5.13, 2.89, 6.09, 2.72, 3.76, 2.11, 6.24, 3.03, 7.22, 9.84,
)  # fmt: skip
# Over all processes, on any device.
bn = dict(type='mmssc.DistributedBN')

model = dict(
    type='mmssc.LidarCompletor',
    data_preprocessor=dict(type='mmssc.SSCDataPreprocessor'),
    voxel_grid=dict(origin=(0.0, -25.6, -2.0), voxel_size=0.2, shape=(256, 256, 32)),
    backbone=dict(
        type='mmssc.LightPlaneUNet',
        channels=(48, 96, 128, 192),
        volume_channels=48,
        norm_cfg=bn,
    ),
    head=dict(
        type='mmssc.BlockHead',
        num_classes=20,
        norm_cfg=bn,
        losses=dict(
            ce=dict(type='mmssc.VoxelCrossEntropyLoss', class_weight=class_weight),
            # In a few hundred steps, cross entropy alone leaves hidden voxels empty.
            sem_scal=dict(type='mmssc.SemanticScalLoss'),
            geo_scal=dict(type='mmssc.GeometricScalLoss'),
        ),
    ),
)
