auto_scale_lr = dict(base_batch_size=4, enable=False)
channels = 256
cross_entropy = dict(
    label_smoothing=0.2, reduction='batch', type='mmssc.VoxelCrossEntropyLoss')
data_root = 'data/nyu'
dataset_type = 'NYUDataset'
default_hooks = dict(
    checkpoint=dict(
        interval=1,
        max_keep_ckpts=3,
        rule='greater',
        save_best='ssc/SSC_mIoU_nyu',
        type='CheckpointHook'),
    epoch_seed=dict(type='EpochSeedHook'),
    logger=dict(interval=50, type='LoggerHook'),
    param_scheduler=dict(type='ParamSchedulerHook'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    timer=dict(type='IterTimerHook'),
    visualization=dict(type='SSCVisualizationHook'))
default_scope = 'mmssc'
env_cfg = dict(
    cudnn_benchmark=False,
    dist_cfg=dict(backend='nccl'),
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0))
inputs = [
    'img',
    'tsdf',
    'voxel_to_pixel',
]
load_from = None
log_level = 'INFO'
log_processor = dict(by_epoch=True, type='LogProcessor', window_size=50)
lr = 0.001
max_epochs = 150
model = dict(
    augmentation=dict(
        flip_axes=(
            0,
            2,
        ),
        prob=0.5,
        swap_axes=(
            0,
            2,
        ),
        type='mmssc.VolumeAugmentation'),
    backbone=dict(
        drop_path_rate=0.0,
        embed_dims=16,
        frozen=False,
        frozen_eval=False,
        init_cfg=None,
        num_heads=(
            1,
            2,
            5,
            8,
        ),
        num_layers=(
            1,
            1,
            1,
            1,
        ),
        type='mmssc.MiT'),
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
    discriminator=dict(
        channels=16,
        hidden=16,
        norm_cfg=dict(type='mmssc.DistributedBN'),
        type='mmssc.VolumeDiscriminator'),
    head=dict(
        channels=16,
        dropout=0.1,
        norm_cfg=dict(type='mmssc.DistributedBN'),
        num_classes=12,
        type='mmssc.ModulatedCompletionHead'),
    image_head=dict(
        channels=16,
        dropout=0.1,
        in_channels=(
            16,
            32,
            80,
            128,
        ),
        norm_cfg=dict(type='mmssc.DistributedBN'),
        num_classes=12,
        type='mmssc.ImageSemanticHead'),
    lifter=dict(
        align_corners=False, fill=True, type='mmssc.DepthMappedLifter'),
    loss_2d=dict(
        label_smoothing=0.2,
        loss_weight=0.25,
        reduction='batch',
        type='mmssc.VoxelCrossEntropyLoss'),
    loss_3d=dict(
        label_smoothing=0.2,
        reduction='batch',
        type='mmssc.VoxelCrossEntropyLoss'),
    loss_adv=dict(loss_weight=0.005, type='mmssc.AdversarialLoss'),
    loss_disc=dict(loss_weight=1.0, type='mmssc.AdversarialLoss'),
    tsdf_encoder=dict(
        dropout=0.1,
        norm_cfg=dict(type='mmssc.DistributedBN'),
        type='mmssc.TSDFEncoder',
        widths=(
            1,
            3,
            8,
            16,
        )),
    type='mmssc.AMMNet',
    undo_for_discriminator=True,
    voxel_grid=dict(
        axes=(
            'x',
            'z',
            'y',
        ),
        frame='world',
        origin=(
            0.0,
            0.0,
            0.0,
        ),
        shape=(
            40,
            24,
            40,
        ),
        voxel_size=0.12))
model_wrapper_cfg = dict(type='mmssc.PlayersDistributedDataParallel')
norm_cfg = dict(type='mmssc.DistributedBN')
num_classes = 12
nyu_grid = dict(
    axes=(
        'x',
        'z',
        'y',
    ),
    frame='world',
    origin=(
        0.0,
        0.0,
        0.0,
    ),
    shape=(
        60,
        36,
        60,
    ),
    voxel_size=0.08)
optim_wrapper = dict(
    constructor='mmssc.AdversarialOptimWrapperConstructor',
    decay_opponent=False,
    discriminator=dict(
        clip_grad=dict(max_norm=10, norm_type=2),
        optimizer=dict(
            betas=(
                0.9,
                0.999,
            ),
            eps=1e-08,
            lr=0.001,
            type='AdamW',
            weight_decay=0.05),
        paramwise_cfg=dict(flat_decay_mult=0.0),
        type='OptimWrapper'),
    generator=dict(
        clip_grad=dict(max_norm=10, norm_type=2),
        optimizer=dict(
            betas=(
                0.9,
                0.999,
            ),
            eps=1e-08,
            lr=0.002,
            type='AdamW',
            weight_decay=0.05),
        paramwise_cfg=dict(flat_decay_mult=0.0),
        type='OptimWrapper'))
param_scheduler = dict(
    discriminator=[],
    generator=[
        dict(
            begin=0, by_epoch=False, end=20, start_factor=0.1,
            type='LinearLR'),
        dict(
            T_max=4,
            by_epoch=True,
            convert_to_iter_based=True,
            type='CosineAnnealingLR'),
    ])
player = dict(
    clip_grad=dict(max_norm=10, norm_type=2),
    optimizer=dict(
        betas=(
            0.9,
            0.999,
        ),
        eps=1e-08,
        lr=0.001,
        type='AdamW',
        weight_decay=0.05),
    paramwise_cfg=dict(flat_decay_mult=0.0),
    type='OptimWrapper')
randomness = dict(deterministic=False, seed=0)
resume = False
room_channels = 16
room_epochs = 4
room_grid = dict(
    shape=(
        40,
        24,
        40,
    ), voxel_size=0.12)
room_loader = dict(dataset=dict(data_root='data/synthetic_nyu'), num_workers=1)
room_mit = dict(
    drop_path_rate=0.0,
    embed_dims=16,
    frozen=False,
    init_cfg=None,
    num_layers=(
        1,
        1,
        1,
        1,
    ))
room_rgbd = dict(
    backbone=dict(
        drop_path_rate=0.0,
        embed_dims=16,
        frozen=False,
        init_cfg=None,
        num_layers=(
            1,
            1,
            1,
            1,
        )),
    head=dict(channels=16),
    image_head=dict(channels=16, dropout=0.1, in_channels=(
        16,
        32,
        80,
        128,
    )),
    tsdf_encoder=dict(dropout=0.1, widths=(
        1,
        3,
        8,
        16,
    )),
    voxel_grid=dict(shape=(
        40,
        24,
        40,
    ), voxel_size=0.12))
room_scheduler = [
    dict(begin=0, by_epoch=False, end=20, start_factor=0.1, type='LinearLR'),
    dict(
        T_max=4,
        by_epoch=True,
        convert_to_iter_based=True,
        type='CosineAnnealingLR'),
]
room_train_cfg = dict(max_epochs=4, val_interval=4)
targets = [
    'gt_voxels',
    'label_weight',
]
test_cfg = dict(type='TestLoop')
test_dataloader = dict(
    batch_size=1,
    dataset=dict(
        ann_file='nyu_infos_test.json',
        data_root='data/synthetic_nyu',
        pipeline=[
            dict(
                keys=[
                    'img',
                    'tsdf',
                    'voxel_to_pixel',
                    'gt_voxels',
                    'label_weight',
                    'eval_masks',
                ],
                optional=[
                    'tsdf_clean',
                ],
                type='LoadPreparedFrame'),
            dict(type='PackSSCInputs'),
        ],
        source='nyu',
        test_mode=True,
        type='NYUDataset'),
    num_workers=1,
    persistent_workers=True,
    sampler=dict(shuffle=False, type='DefaultSampler'))
test_evaluator = dict(
    protocols=(
        'nyu',
        'full',
    ), type='SSCMetric')
test_pipeline = [
    dict(
        keys=[
            'img',
            'tsdf',
            'voxel_to_pixel',
            'gt_voxels',
            'label_weight',
            'eval_masks',
        ],
        optional=[
            'tsdf_clean',
        ],
        type='LoadPreparedFrame'),
    dict(type='PackSSCInputs'),
]
train = dict(
    ann_file='nyu_infos_train.json',
    data_root='data/nyu',
    pipeline=[
        dict(
            keys=[
                'img',
                'tsdf',
                'voxel_to_pixel',
                'gt_voxels',
                'label_weight',
            ],
            optional=[
                'tsdf_clean',
            ],
            type='LoadPreparedFrame'),
        dict(type='PackSSCInputs'),
    ],
    source='nyu',
    type='NYUDataset')
train_cfg = dict(max_epochs=4, type='EpochBasedTrainLoop', val_interval=4)
train_dataloader = dict(
    batch_size=2,
    dataset=dict(
        ann_file='nyu_infos_train.json',
        data_root='data/synthetic_nyu',
        pipeline=[
            dict(
                keys=[
                    'img',
                    'tsdf',
                    'pixel_to_voxel',
                    'gt_voxels',
                    'label_weight',
                ],
                optional=[
                    'tsdf_clean',
                ],
                type='LoadPreparedFrame'),
            dict(prob=0.5, ratio=(
                0.8,
                1.2,
            ), type='ResizeMappedImage'),
            dict(type='CropMappedImage'),
            dict(prob=0.5, type='FlipMappedImage'),
            dict(eight_bits=True, type='DistortColors'),
            dict(type='PadMappedImage'),
            dict(type='PackSSCInputs'),
        ],
        source='nyu',
        type='NYUDataset'),
    drop_last=True,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(shuffle=True, type='DefaultSampler'))
train_pipeline = [
    dict(
        keys=[
            'img',
            'tsdf',
            'pixel_to_voxel',
            'gt_voxels',
            'label_weight',
        ],
        optional=[
            'tsdf_clean',
        ],
        type='LoadPreparedFrame'),
    dict(prob=0.5, ratio=(
        0.8,
        1.2,
    ), type='ResizeMappedImage'),
    dict(type='CropMappedImage'),
    dict(prob=0.5, type='FlipMappedImage'),
    dict(eight_bits=True, type='DistortColors'),
    dict(type='PadMappedImage'),
    dict(type='PackSSCInputs'),
]
val = dict(
    ann_file='nyu_infos_test.json',
    data_root='data/nyu',
    pipeline=[
        dict(
            keys=[
                'img',
                'tsdf',
                'voxel_to_pixel',
                'gt_voxels',
                'label_weight',
                'eval_masks',
            ],
            optional=[
                'tsdf_clean',
            ],
            type='LoadPreparedFrame'),
        dict(type='PackSSCInputs'),
    ],
    source='nyu',
    test_mode=True,
    type='NYUDataset')
val_cfg = dict(type='ValLoop')
val_dataloader = dict(
    batch_size=1,
    dataset=dict(
        ann_file='nyu_infos_test.json',
        data_root='data/synthetic_nyu',
        pipeline=[
            dict(
                keys=[
                    'img',
                    'tsdf',
                    'voxel_to_pixel',
                    'gt_voxels',
                    'label_weight',
                    'eval_masks',
                ],
                optional=[
                    'tsdf_clean',
                ],
                type='LoadPreparedFrame'),
            dict(type='PackSSCInputs'),
        ],
        source='nyu',
        test_mode=True,
        type='NYUDataset'),
    num_workers=1,
    persistent_workers=True,
    sampler=dict(shuffle=False, type='DefaultSampler'))
val_evaluator = dict(
    protocols=(
        'nyu',
        'full',
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
