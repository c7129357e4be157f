# Symphonies on SemanticKITTI. Leaves override: KITTI-360 and NYUv2 the number of classes, the class
# weights and the grid; light the widths.
num_classes = 20
embed_dims = 128
# 1 / ln(count + 1e-6) of the voxel counts of the training split.
class_weight = [
    0.04461708, 0.06033372, 0.08519951, 0.08557781, 0.07473958, 0.07342448, 0.08012932,
    0.07964536, 0.08176919, 0.05574878, 0.06527310, 0.05675503, 0.06832815, 0.05600435,
    0.06034849, 0.05296357, 0.06878050, 0.05738673, 0.07164864, 0.07862047,
]  # fmt: skip
# A MaskDINO R50 panoptic checkpoint in mmdet's format, see configs/symphonies/README.md, which also
# says how to start from ImageNet weights.
maskdino = 'pretrained/maskdino_r50_50e_300q_panoptic_pq53.0.pth'
# On the CPU with several processes: mmssc.DistributedBN, the same on any device.
norm_cfg = dict(type='SyncBN')

model = dict(
    type='mmssc.Symphonies',
    data_preprocessor=dict(
        type='mmssc.SSCDataPreprocessor', mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    ),
    voxel_grid=dict(origin=(0.0, -25.6, -2.0), voxel_size=0.2, shape=(256, 256, 32)),
    volume_scale=2,
    downsample_z=2,
    backbone=dict(
        type='mmdet.ResNet',
        depth=50,
        out_indices=(0, 1, 2, 3),
        frozen_stages=-1,
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
        style='pytorch',
        init_cfg=dict(type='Pretrained', prefix='backbone.', checkpoint=maskdino),
    ),
    neck=dict(
        type='mmssc.MaskDINOPixelDecoder',
        in_channels=(512, 1024, 2048),
        embed_dims=256,
        init_cfg=dict(
            type='Pretrained', prefix='panoptic_head.pixel_decoder.', checkpoint=maskdino
        ),
    ),
    head=dict(
        type='mmssc.SymphoniesHead',
        num_classes=num_classes,
        # Of the backbone's first map and of two of the pixel decoder.
        in_channels=(256, 256, 256),
        embed_dims=embed_dims,
        norm_cfg=norm_cfg,
        # with_cp: a third less memory for a quarter more time, see configs/symphonies/README.md.
        decoder=dict(type='mmssc.SymphoniesDecoder', chunk_size=16384, with_cp=True),
        losses=dict(
            ce_ssc=dict(
                type='mmssc.VoxelCrossEntropyLoss',
                class_weight=class_weight,
                normalizer='weights',
            ),
            sem_scal=dict(type='mmssc.SemanticScalLoss'),
            geo_scal=dict(type='mmssc.GeometricScalLoss'),
            frustum=dict(type='mmssc.FrustumProportionLoss'),
        ),
    ),
)
