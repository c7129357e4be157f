# SGN-T on SemanticKITTI. Leaves override: SGN-L the backbone, neck and widths; KITTI-360 the number
# of classes and the class weights.
num_classes = 20
embed_dims = 128
# Round(10 / ln(count), 3) of the voxel counts of the training split.
class_weight = [
    0.446, 0.603, 0.852, 0.856, 0.747, 0.734, 0.801, 0.796, 0.818, 0.557,
    0.653, 0.568, 0.683, 0.560, 0.603, 0.530, 0.688, 0.574, 0.716, 0.786,
]  # fmt: skip

model = dict(
    type='mmssc.SGN',
    data_preprocessor=dict(
        type='mmssc.SSCDataPreprocessor', mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    ),
    voxel_grid=dict(origin=(0.0, -25.6, -2.0), voxel_size=0.2, shape=(256, 256, 32)),
    backbone=dict(
        type='mmdet.ResNet',
        depth=50,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(2,),
        frozen_stages=1,
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
        style='pytorch',
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://download.pytorch.org/models/resnet50-0676ba61.pth',
        ),
    ),
    neck=dict(type='mmdet.FPN', in_channels=[1024], out_channels=embed_dims, num_outs=1),
    lifter=dict(type='mmssc.FLoSP', stride=16),
    head=dict(
        type='mmssc.SGNHead',
        num_classes=num_classes,
        embed_dims=embed_dims,
        diffusion_depth=3,
        points_head=dict(type='mmssc.PointOccupancyHead'),
        loss_ssc=dict(type='mmssc.VoxelCrossEntropyLoss', class_weight=class_weight),
        loss_sem_scal=dict(type='mmssc.SemanticScalLoss'),
        loss_geo_scal=dict(type='mmssc.GeometricScalLoss'),
        loss_sem=[dict(type='mmssc.LovaszSoftmaxLoss'), dict(type='mmssc.VoxelCrossEntropyLoss')],
        loss_occ=dict(type='mmssc.BinaryOccupancyLoss'),
        loss_pts=dict(type='mmssc.BinaryOccupancyLoss'),
    ),
)
