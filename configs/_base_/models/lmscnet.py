# LMSCNet on SemanticKITTI. Leaves override: SS the scales, CarlaSC the grid, the number of
# classes and the class weights.
# 1 / ln(count + 0.001) of the voxel counts of the training split.
class_weight = [
    0.04461708, 0.06033372, 0.08519951, 0.08557781, 0.07473958, 0.07342448, 0.08012932,
    0.07964536, 0.08176919, 0.05574878, 0.06527310, 0.05675503, 0.06832815, 0.05600435,
    0.06034849, 0.05296357, 0.06878050, 0.05738673, 0.07164864, 0.07862047,
]  # fmt: skip

model = dict(
    type='mmssc.LidarCompletor',
    data_preprocessor=dict(type='mmssc.SSCDataPreprocessor'),
    voxel_grid=dict(origin=(0.0, -25.6, -2.0), voxel_size=0.2, shape=(256, 256, 32)),
    backbone=dict(type='mmssc.PlaneUNet'),
    head=dict(
        type='mmssc.LMSCNetHead',
        num_classes=20,
        scales=(1, 2, 4, 8),
        # Plain batch normalisation in one process, statistics of all samples in several.
        norm_cfg=dict(type='mmssc.DistributedBN'),
        losses=dict(
            ce=dict(
                type='mmssc.VoxelCrossEntropyLoss',
                class_weight=class_weight,
                normalizer='weights',
                reduction='batch',
            ),
        ),
    ),
    init_cfg=dict(type='Kaiming', layer='Conv2d', distribution='uniform', mode='fan_in'),
)
