# VoxDet-LiDAR on SemanticKITTI. Leaves override the grid, the classes with their weights, and the
# widths.
num_classes = 20
channels = 128
# 1 / ln(count + 1e-3) of the voxel counts of the training split.
class_weight = [
    0.04461708, 0.06033372, 0.08519951, 0.08557781, 0.07473958, 0.07342448, 0.08012932,
    0.07964536, 0.08176919, 0.05574878, 0.06527310, 0.05675503, 0.06832815, 0.05600435,
    0.06034849, 0.05296357, 0.06878050, 0.05738673, 0.07164864, 0.07862047,
]  # fmt: skip
# Over all processes, on any device. Four channels in a group.
bn = dict(type='mmssc.DistributedBN')
gn = dict(type='GN', num_groups=channels // 4)
# Longer runs of cars (class 1, voxels) are traces of moving ones: they have no label in training.
hidden_runs = ((1, 30),)

model = dict(
    type='mmssc.VoxDet',
    data_preprocessor=dict(type='mmssc.SSCDataPreprocessor'),
    voxel_grid=dict(origin=(0.0, -25.6, -2.0), voxel_size=0.2, shape=(256, 256, 32)),
    front_end=dict(
        type='mmssc.PointVolumeEncoder',
        channels=channels,
        norm_cfg=bn,
        backbone=dict(type='mmssc.VolumeResNet', channels=channels, depths=(2, 2, 2), norm_cfg=bn),
        neck=dict(type='mmssc.VolumeFPN', channels=channels, norm_cfg=gn),
    ),
    encoder=dict(
        type='mmssc.VolumeResNet',
        channels=channels,
        depths=(3, 3, 3),
        norm_cfg=bn,
        shortcut_norm_cfg=gn,
    ),
    neck=dict(type='mmssc.VolumeFPN', channels=channels, norm_cfg=gn, with_planes=True),
    head=dict(
        type='mmssc.VoxDetHead',
        num_classes=num_classes,
        channels=channels,
        norm_cfg=gn,
        hidden_runs=hidden_runs,
        losses=dict(
            voxel_ce=dict(
                type='mmssc.VoxelCrossEntropyLoss',
                class_weight=class_weight,
                normalizer='weights',
                loss_weight=3.0,
            ),
            voxel_sem_scal=dict(type='mmssc.SemanticScalLoss'),
            voxel_geo_scal=dict(type='mmssc.GeometricScalLoss', loss_weight=5.0),
        ),
        loss_distances=dict(type='mmssc.RunLengthLoss'),
    ),
    aux_head=dict(
        type='mmssc.VolumeLogitsHead',
        num_classes=num_classes,
        channels=channels,
        norm_cfg=gn,
        losses=dict(
            voxel_ce=dict(
                type='mmssc.VoxelCrossEntropyLoss',
                class_weight=class_weight,
                normalizer='weights',
                loss_weight=0.5,
            ),
            voxel_sem_scal=dict(type='mmssc.SemanticScalLoss', loss_weight=0.5),
            voxel_geo_scal=dict(type='mmssc.GeometricScalLoss', loss_weight=0.5),
        ),
    ),
)
