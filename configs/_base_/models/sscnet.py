# SSCNet for lidar scans on SemanticKITTI, with learned up-sampling (SSCNet-full). Leaves override:
# SSCNet the up-sampling, CarlaSC the grid, the number of classes and the loss.
model = dict(
    type='mmssc.LidarCompletor',
    data_preprocessor=dict(type='mmssc.SSCDataPreprocessor'),
    voxel_grid=dict(origin=(0.0, -25.6, -2.0), voxel_size=0.2, shape=(256, 256, 32)),
    backbone=dict(type='mmssc.SSCNetTrunk'),
    head=dict(
        type='mmssc.SSCNetHead',
        num_classes=20,
        up_sampling='learned',
        losses=dict(
            # As published, divided by the number of voxels that were not selected: see quirk Q1.
            ce=dict(type='mmssc.BalancedCrossEntropyLoss', normalizer='unselected'),
        ),
    ),
)
