auto_scale_lr = dict(base_batch_size=4, enable=False)
class_weight = [
    0.446,
    0.603,
    0.852,
    0.856,
    0.747,
    0.734,
    0.801,
    0.796,
    0.818,
    0.557,
    0.653,
    0.568,
    0.683,
    0.56,
    0.603,
    0.53,
    0.688,
    0.574,
    0.716,
    0.786,
]
data_root = 'data/synthetic'
dataset_type = 'SemanticKITTIDataset'
default_hooks = dict(
    checkpoint=dict(
        interval=1,
        max_keep_ckpts=3,
        rule='greater',
        save_best='ssc/SSC_mIoU',
        type='CheckpointHook'),
    epoch_seed=dict(type='EpochSeedHook'),
    logger=dict(interval=50, type='LoggerHook'),
    param_scheduler=dict(type='ParamSchedulerHook'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    timer=dict(type='IterTimerHook'),
    visualization=dict(type='SSCVisualizationHook'))
default_scope = 'mmssc'
embed_dims = 32
env_cfg = dict(
    cudnn_benchmark=False,
    dist_cfg=dict(backend='nccl'),
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0))
image_size = (
    96,
    320,
)
inputs = [
    dict(type='LoadSSCImages'),
    dict(size=(
        370,
        1220,
    ), type='CropSSCImages'),
    dict(crop_to_grid=True, type='LoadPseudoLidar'),
]
load_from = None
loader = dict(
    dataset=dict(
        data_root='data/synthetic',
        pipeline=[
            dict(type='LoadSSCImages'),
            dict(size=(
                96,
                320,
            ), type='CropSSCImages'),
            dict(crop_to_grid=True, type='LoadPseudoLidar'),
            dict(scales=(
                '1_1',
                '1_2',
            ), type='LoadVoxelLabels'),
            dict(type='PackSSCInputs'),
        ]),
    num_workers=1)
log_level = 'INFO'
log_processor = dict(by_epoch=True, type='LogProcessor', window_size=50)
lr = 0.0002
max_epochs = 8
model = dict(
    backbone=dict(
        depth=18,
        dilations=(
            1,
            1,
            1,
        ),
        frozen_stages=-1,
        init_cfg=None,
        norm_cfg=dict(requires_grad=True, type='BN'),
        norm_eval=False,
        num_stages=3,
        out_indices=(2, ),
        strides=(
            1,
            2,
            2,
        ),
        style='pytorch',
        type='mmdet.ResNet'),
    data_preprocessor=dict(
        mean=(
            0.485,
            0.456,
            0.406,
        ),
        std=(
            0.229,
            0.224,
            0.225,
        ),
        type='mmssc.SSCDataPreprocessor'),
    head=dict(
        diffusion_depth=2,
        embed_dims=32,
        loss_geo_scal=dict(type='mmssc.GeometricScalLoss'),
        loss_occ=dict(type='mmssc.BinaryOccupancyLoss'),
        loss_pts=dict(type='mmssc.BinaryOccupancyLoss'),
        loss_sem=[
            dict(type='mmssc.LovaszSoftmaxLoss'),
            dict(type='mmssc.VoxelCrossEntropyLoss'),
        ],
        loss_sem_scal=dict(type='mmssc.SemanticScalLoss'),
        loss_ssc=dict(
            class_weight=[
                0.446,
                0.603,
                0.852,
                0.856,
                0.747,
                0.734,
                0.801,
                0.796,
                0.818,
                0.557,
                0.653,
                0.568,
                0.683,
                0.56,
                0.603,
                0.53,
                0.688,
                0.574,
                0.716,
                0.786,
            ],
            type='mmssc.VoxelCrossEntropyLoss'),
        num_classes=20,
        points_head=dict(type='mmssc.PointOccupancyHead'),
        type='mmssc.SGNHead'),
    lifter=dict(stride=16, type='mmssc.FLoSP'),
    neck=dict(
        in_channels=[
            256,
        ], num_outs=1, out_channels=32, type='mmdet.FPN'),
    type='mmssc.SGN',
    voxel_grid=dict(
        origin=(
            0.0,
            -25.6,
            -2.0,
        ), shape=(
            64,
            64,
            8,
        ), voxel_size=0.8))
num_classes = 20
optim_wrapper = dict(
    clip_grad=dict(max_norm=35, norm_type=2),
    optimizer=dict(lr=0.002, type='AdamW', weight_decay=0.01),
    type='OptimWrapper')
param_scheduler = [
    dict(begin=0, by_epoch=False, end=30, start_factor=0.1, type='LinearLR'),
    dict(
        T_max=8,
        by_epoch=True,
        convert_to_iter_based=True,
        type='CosineAnnealingLR'),
]
pipeline = [
    dict(type='LoadSSCImages'),
    dict(size=(
        96,
        320,
    ), type='CropSSCImages'),
    dict(crop_to_grid=True, type='LoadPseudoLidar'),
    dict(scales=(
        '1_1',
        '1_2',
    ), type='LoadVoxelLabels'),
    dict(type='PackSSCInputs'),
]
randomness = dict(deterministic=False, seed=0)
resume = False
test_cfg = dict(type='TestLoop')
test_dataloader = dict(
    batch_size=1,
    dataset=dict(
        ann_file='semantickitti_infos_val.json',
        data_root='data/synthetic',
        pipeline=[
            dict(type='LoadSSCImages'),
            dict(size=(
                96,
                320,
            ), type='CropSSCImages'),
            dict(crop_to_grid=True, type='LoadPseudoLidar'),
            dict(scales=(
                '1_1',
                '1_2',
            ), type='LoadVoxelLabels'),
            dict(type='PackSSCInputs'),
        ],
        test_mode=True,
        type='SemanticKITTIDataset'),
    num_workers=1,
    persistent_workers=True,
    sampler=dict(shuffle=False, type='DefaultSampler'))
test_evaluator = dict(
    ranges=(
        12.8,
        25.6,
        51.2,
    ), type='SSCMetric')
test_pipeline = [
    dict(type='LoadSSCImages'),
    dict(size=(
        370,
        1220,
    ), type='CropSSCImages'),
    dict(crop_to_grid=True, type='LoadPseudoLidar'),
    dict(optional=True, scales=('1_1', ), type='LoadVoxelLabels'),
    dict(type='PackSSCInputs'),
]
train = dict(
    ann_file='semantickitti_infos_train.json',
    data_root='data/semantickitti',
    pipeline=[
        dict(type='LoadSSCImages'),
        dict(size=(
            370,
            1220,
        ), type='CropSSCImages'),
        dict(crop_to_grid=True, type='LoadPseudoLidar'),
        dict(scales=(
            '1_1',
            '1_2',
        ), type='LoadVoxelLabels'),
        dict(type='PackSSCInputs'),
    ],
    type='SemanticKITTIDataset')
train_cfg = dict(max_epochs=8, type='EpochBasedTrainLoop', val_interval=8)
train_dataloader = dict(
    batch_size=1,
    dataset=dict(
        ann_file='semantickitti_infos_train.json',
        data_root='data/synthetic',
        pipeline=[
            dict(type='LoadSSCImages'),
            dict(size=(
                96,
                320,
            ), type='CropSSCImages'),
            dict(crop_to_grid=True, type='LoadPseudoLidar'),
            dict(scales=(
                '1_1',
                '1_2',
            ), type='LoadVoxelLabels'),
            dict(type='PackSSCInputs'),
        ],
        type='SemanticKITTIDataset'),
    num_workers=1,
    persistent_workers=True,
    sampler=dict(shuffle=True, type='DefaultSampler'))
train_pipeline = [
    dict(type='LoadSSCImages'),
    dict(size=(
        370,
        1220,
    ), type='CropSSCImages'),
    dict(crop_to_grid=True, type='LoadPseudoLidar'),
    dict(scales=(
        '1_1',
        '1_2',
    ), type='LoadVoxelLabels'),
    dict(type='PackSSCInputs'),
]
val = dict(
    ann_file='semantickitti_infos_val.json',
    data_root='data/semantickitti',
    pipeline=[
        dict(type='LoadSSCImages'),
        dict(size=(
            370,
            1220,
        ), type='CropSSCImages'),
        dict(crop_to_grid=True, type='LoadPseudoLidar'),
        dict(optional=True, scales=('1_1', ), type='LoadVoxelLabels'),
        dict(type='PackSSCInputs'),
    ],
    test_mode=True,
    type='SemanticKITTIDataset')
val_cfg = dict(type='ValLoop')
val_dataloader = dict(
    batch_size=1,
    dataset=dict(
        ann_file='semantickitti_infos_val.json',
        data_root='data/synthetic',
        pipeline=[
            dict(type='LoadSSCImages'),
            dict(size=(
                96,
                320,
            ), type='CropSSCImages'),
            dict(crop_to_grid=True, type='LoadPseudoLidar'),
            dict(scales=(
                '1_1',
                '1_2',
            ), type='LoadVoxelLabels'),
            dict(type='PackSSCInputs'),
        ],
        test_mode=True,
        type='SemanticKITTIDataset'),
    num_workers=1,
    persistent_workers=True,
    sampler=dict(shuffle=False, type='DefaultSampler'))
val_evaluator = dict(
    ranges=(
        12.8,
        25.6,
        51.2,
    ), type='SSCMetric')
vis_backends = [
    dict(type='LocalVisBackend'),
]
visualizer = dict(
    name='visualizer',
    type='SSCVisualizer',
    vis_backends=[
        dict(type='LocalVisBackend'),
    ])
workers = dict(num_workers=4, persistent_workers=True)
