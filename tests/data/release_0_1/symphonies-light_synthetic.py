auto_scale_lr = dict(base_batch_size=4, enable=False)
class_weight = [
    0.04461708,
    0.06033372,
    0.08519951,
    0.08557781,
    0.07473958,
    0.07342448,
    0.08012932,
    0.07964536,
    0.08176919,
    0.05574878,
    0.0652731,
    0.05675503,
    0.06832815,
    0.05600435,
    0.06034849,
    0.05296357,
    0.0687805,
    0.05738673,
    0.07164864,
    0.07862047,
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
embed_dims = 64
env_cfg = dict(
    cudnn_benchmark=False,
    dist_cfg=dict(backend='nccl'),
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0))
image_size = (
    370,
    1220,
)
inputs = [
    dict(type='LoadSSCImages'),
    dict(type='LoadDepthMaps'),
    dict(size=(
        96,
        320,
    ), type='CropSSCImages'),
]
load_from = None
load_steps = [
    dict(type='LoadSSCImages'),
    dict(type='LoadDepthMaps'),
]
loader = dict(num_workers=1)
log_level = 'INFO'
log_processor = dict(by_epoch=True, type='LogProcessor', window_size=50)
lr = 0.0002
maskdino = 'pretrained/maskdino_r50_50e_300q_panoptic_pq53.0.pth'
max_epochs = 6
model = dict(
    backbone=dict(
        depth=18,
        frozen_stages=-1,
        init_cfg=None,
        norm_cfg=dict(requires_grad=True, type='BN'),
        norm_eval=False,
        out_indices=(
            0,
            1,
            2,
            3,
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
    downsample_z=1,
    head=dict(
        decoder=dict(
            chunk_size=16384,
            num_layers=2,
            type='mmssc.SymphoniesDecoder',
            with_cp=False),
        embed_dims=64,
        in_channels=(
            64,
            128,
            128,
        ),
        losses=dict(
            ce_ssc=dict(
                class_weight=[
                    0.04461708,
                    0.06033372,
                    0.08519951,
                    0.08557781,
                    0.07473958,
                    0.07342448,
                    0.08012932,
                    0.07964536,
                    0.08176919,
                    0.05574878,
                    0.0652731,
                    0.05675503,
                    0.06832815,
                    0.05600435,
                    0.06034849,
                    0.05296357,
                    0.0687805,
                    0.05738673,
                    0.07164864,
                    0.07862047,
                ],
                normalizer='weights',
                type='mmssc.VoxelCrossEntropyLoss'),
            frustum=dict(type='mmssc.FrustumProportionLoss'),
            geo_scal=dict(type='mmssc.GeometricScalLoss'),
            sem_scal=dict(type='mmssc.SemanticScalLoss')),
        norm_cfg=dict(type='mmssc.DistributedBN'),
        num_classes=20,
        type='mmssc.SymphoniesHead'),
    neck=dict(
        embed_dims=128,
        feedforward_channels=512,
        in_channels=(
            128,
            256,
            512,
        ),
        init_cfg=None,
        num_layers=3,
        type='mmssc.MaskDINOPixelDecoder'),
    type='mmssc.Symphonies',
    volume_scale=2,
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
norm_cfg = dict(type='SyncBN')
num_classes = 20
optim_wrapper = dict(
    optimizer=dict(eps=1e-08, lr=0.001, type='AdamW', weight_decay=0.0001),
    paramwise_cfg=dict(custom_keys=dict(scene_embed=dict(lr_mult=10.0))),
    type='OptimWrapper')
param_scheduler = [
    dict(begin=0, by_epoch=False, end=30, start_factor=0.1, type='LinearLR'),
    dict(
        T_max=6,
        by_epoch=True,
        convert_to_iter_based=True,
        type='CosineAnnealingLR'),
]
randomness = dict(deterministic=False, seed=0)
resnet18 = 'https://download.pytorch.org/models/resnet18-f37072fd.pth'
resume = False
test_cfg = dict(type='TestLoop')
test_dataloader = dict(
    batch_size=1,
    dataset=dict(
        ann_file='semantickitti_infos_val.json',
        data_root='data/synthetic',
        pipeline=[
            dict(type='LoadSSCImages'),
            dict(type='LoadDepthMaps'),
            dict(size=(
                96,
                320,
            ), type='CropSSCImages'),
            dict(optional=True, scales=('1_1', ), type='LoadVoxelLabels'),
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
    dict(type='LoadDepthMaps'),
    dict(size=(
        96,
        320,
    ), type='CropSSCImages'),
    dict(optional=True, scales=('1_1', ), type='LoadVoxelLabels'),
    dict(type='PackSSCInputs'),
]
test_steps = [
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
train_cfg = dict(max_epochs=6, type='EpochBasedTrainLoop', val_interval=6)
train_dataloader = dict(
    batch_size=1,
    dataset=dict(
        ann_file='semantickitti_infos_train.json',
        data_root='data/synthetic',
        pipeline=[
            dict(type='LoadSSCImages'),
            dict(type='LoadDepthMaps'),
            dict(size=(
                96,
                320,
            ), type='CropSSCImages'),
            dict(scales=('1_1', ), type='LoadVoxelLabels'),
            dict(prob=0.5, type='FlipSSCScene'),
            dict(cells=8, type='FrustumTargets'),
            dict(type='PackSSCInputs'),
        ],
        type='SemanticKITTIDataset'),
    num_workers=1,
    persistent_workers=True,
    sampler=dict(shuffle=True, type='DefaultSampler'))
train_pipeline = [
    dict(type='LoadSSCImages'),
    dict(type='LoadDepthMaps'),
    dict(size=(
        96,
        320,
    ), type='CropSSCImages'),
    dict(scales=('1_1', ), type='LoadVoxelLabels'),
    dict(prob=0.5, type='FlipSSCScene'),
    dict(cells=8, type='FrustumTargets'),
    dict(type='PackSSCInputs'),
]
train_steps = [
    dict(scales=('1_1', ), type='LoadVoxelLabels'),
    dict(prob=0.5, type='FlipSSCScene'),
    dict(cells=8, type='FrustumTargets'),
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
            dict(type='LoadDepthMaps'),
            dict(size=(
                96,
                320,
            ), type='CropSSCImages'),
            dict(optional=True, scales=('1_1', ), type='LoadVoxelLabels'),
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
