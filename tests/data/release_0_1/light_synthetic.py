auto_scale_lr = dict(base_batch_size=4, enable=False)
class_weight = (
    0.747,
    2.288,
    1.196,
    1.247,
    2.082,
    1.866,
    1.497,
    1.67,
    1.713,
    2.969,
    1.05,
    1.267,
)
custom_hooks = [
    dict(
        ema_type='ExponentialMovingAverage',
        momentum=0.03,
        type='EMAHook',
        update_buffers=True),
]
data_root = 'data/nyu_cache'
dataset_type = 'NYUDataset'
default_hooks = dict(
    checkpoint=dict(
        interval=1,
        max_keep_ckpts=2,
        rule='greater',
        save_best=None,
        type='CheckpointHook'),
    epoch_seed=dict(type='EpochSeedHook'),
    logger=dict(interval=20, type='LoggerHook'),
    param_scheduler=dict(type='ParamSchedulerHook'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    timer=dict(type='IterTimerHook'),
    visualization=dict(type='SSCVisualizationHook'))
default_scope = 'mmssc'
env_cfg = dict(
    cudnn_benchmark=False,
    dist_cfg=dict(backend='nccl'),
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0))
held_out = dict(
    ann_file='nyu_infos_train.json',
    data_root='data/nyu_cache',
    indices=[
        0,
        8,
        16,
        24,
        32,
        40,
        48,
        56,
        64,
        72,
        80,
        88,
        96,
        104,
        112,
        120,
        128,
        136,
        144,
        152,
        160,
        168,
        176,
        184,
        192,
        200,
        208,
        216,
        224,
        232,
        240,
        248,
        256,
        264,
        272,
        280,
        288,
        296,
        304,
        312,
        320,
        328,
        336,
        344,
        352,
        360,
        368,
        376,
        384,
        392,
        400,
        408,
        416,
        424,
        432,
        440,
        448,
        456,
        464,
        472,
        480,
        488,
        496,
        504,
        512,
        520,
        528,
        536,
        544,
        552,
        560,
        568,
        576,
        584,
        592,
        600,
        608,
        616,
        624,
        632,
        640,
        648,
        656,
        664,
        672,
        680,
        688,
        696,
        704,
        712,
        720,
        728,
        736,
        744,
        752,
        760,
        768,
        776,
        784,
        792,
    ],
    pipeline=[
        dict(
            keys=[
                'tsdf',
                'voxel_to_pixel',
                'gt_voxels',
                'label_weight',
                'eval_masks',
            ],
            type='LoadPreparedFrame'),
        dict(type='AddViewVolumes'),
        dict(type='PackSSCInputs'),
    ])
held_out_frames = [
    0,
    8,
    16,
    24,
    32,
    40,
    48,
    56,
    64,
    72,
    80,
    88,
    96,
    104,
    112,
    120,
    128,
    136,
    144,
    152,
    160,
    168,
    176,
    184,
    192,
    200,
    208,
    216,
    224,
    232,
    240,
    248,
    256,
    264,
    272,
    280,
    288,
    296,
    304,
    312,
    320,
    328,
    336,
    344,
    352,
    360,
    368,
    376,
    384,
    392,
    400,
    408,
    416,
    424,
    432,
    440,
    448,
    456,
    464,
    472,
    480,
    488,
    496,
    504,
    512,
    520,
    528,
    536,
    544,
    552,
    560,
    568,
    576,
    584,
    592,
    600,
    608,
    616,
    624,
    632,
    640,
    648,
    656,
    664,
    672,
    680,
    688,
    696,
    704,
    712,
    720,
    728,
    736,
    744,
    752,
    760,
    768,
    776,
    784,
    792,
]
inputs = [
    'tsdf',
    'voxel_to_pixel',
    'segmentation',
]
keys = [
    'tsdf',
    'voxel_to_pixel',
    'segmentation',
    'gt_voxels',
    'label_weight',
]
load_from = None
loader = dict(dataset=dict(data_root='data/synthetic_nyu'))
log_level = 'INFO'
log_processor = dict(by_epoch=True, type='LogProcessor', window_size=50)
lr = 0.002
max_epochs = 13
model = dict(
    augmentation=dict(
        flip_axes=(0, ), prob=0.5, type='mmssc.VolumeAugmentation'),
    data_preprocessor=dict(type='mmssc.SSCDataPreprocessor'),
    head=dict(
        channels=(
            16,
            48,
            72,
        ),
        expansions=(
            3,
            3,
        ),
        hidden_channels=32,
        num_classes=12,
        type='mmssc.LightUNet'),
    losses=[
        dict(
            class_weight=(
                0.747,
                2.288,
                1.196,
                1.247,
                2.082,
                1.866,
                1.497,
                1.67,
                1.713,
                2.969,
                1.05,
                1.267,
            ),
            reduction='batch',
            type='mmssc.VoxelCrossEntropyLoss'),
        dict(type='mmssc.LovaszSoftmaxLoss'),
    ],
    stem=dict(num_segments=14, out_channels=16, type='mmssc.VoxelStem'),
    type='mmssc.LightCompletor',
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
    clip_grad=dict(max_norm=5, norm_type=2),
    optimizer=dict(lr=0.002, type='AdamW', weight_decay=0.05),
    paramwise_cfg=dict(flat_decay_mult=0.0),
    type='OptimWrapper')
param_scheduler = [
    dict(begin=0, by_epoch=False, end=20, start_factor=0.1, type='LinearLR'),
    dict(
        T_max=4,
        by_epoch=True,
        convert_to_iter_based=True,
        type='CosineAnnealingLR'),
]
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
    batch_size=2,
    dataset=dict(
        ann_file='nyu_infos_test.json',
        data_root='data/synthetic_nyu',
        pipeline=[
            dict(
                keys=[
                    'tsdf',
                    'voxel_to_pixel',
                    'segmentation',
                    'gt_voxels',
                    'label_weight',
                    'eval_masks',
                ],
                type='LoadPreparedFrame'),
            dict(type='AddViewVolumes'),
            dict(type='PackSSCInputs'),
        ],
        source='nyu',
        test_mode=True,
        type='NYUDataset'),
    num_workers=0,
    persistent_workers=False,
    sampler=dict(shuffle=False, type='DefaultSampler'))
test_evaluator = dict(
    protocols=(
        'nyu',
        'full',
    ), type='SSCMetric')
test_pipeline = [
    dict(
        keys=[
            'tsdf',
            'voxel_to_pixel',
            'segmentation',
            'gt_voxels',
            'label_weight',
            'eval_masks',
        ],
        type='LoadPreparedFrame'),
    dict(type='AddViewVolumes'),
    dict(type='PackSSCInputs'),
]
tested = dict(
    data_root='data/nyu_cache',
    pipeline=[
        dict(
            keys=[
                'tsdf',
                'voxel_to_pixel',
                'gt_voxels',
                'label_weight',
                'eval_masks',
            ],
            type='LoadPreparedFrame'),
        dict(type='AddViewVolumes'),
        dict(type='PackSSCInputs'),
    ])
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
                    'tsdf',
                    'voxel_to_pixel',
                    'segmentation',
                    'gt_voxels',
                    'label_weight',
                ],
                type='LoadPreparedFrame'),
            dict(type='AddViewVolumes'),
            dict(type='PackSSCInputs'),
        ],
        source='nyu',
        type='NYUDataset'),
    num_workers=0,
    persistent_workers=False,
    sampler=dict(shuffle=True, type='DefaultSampler'))
train_pipeline = [
    dict(
        keys=[
            'tsdf',
            'voxel_to_pixel',
            'segmentation',
            'gt_voxels',
            'label_weight',
        ],
        type='LoadPreparedFrame'),
    dict(type='AddViewVolumes'),
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
    batch_size=2,
    dataset=dict(
        ann_file='nyu_infos_test.json',
        data_root='data/synthetic_nyu',
        indices=None,
        pipeline=[
            dict(
                keys=[
                    'tsdf',
                    'voxel_to_pixel',
                    'segmentation',
                    'gt_voxels',
                    'label_weight',
                    'eval_masks',
                ],
                type='LoadPreparedFrame'),
            dict(type='AddViewVolumes'),
            dict(type='PackSSCInputs'),
        ],
        source='nyu',
        test_mode=True,
        type='NYUDataset'),
    num_workers=0,
    persistent_workers=False,
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
warmup_cosine = [
    dict(begin=0, by_epoch=False, start_factor=0.03, type='LinearLR'),
    dict(by_epoch=True, convert_to_iter_based=True, type='CosineAnnealingLR'),
]
workers = dict(num_workers=0, persistent_workers=False)
