# One network of CleanerS, teacher and student alike, with MiT-B2 on NYU. Leaves choose
# the TSDF that it reads; cleaners_segformer-b2_nyu.py adds the teacher.
num_classes = 12
channels = 256
# Over the samples of all processes, as the authors' synchronised BN; plain BN in one process.
norm_cfg = dict(type='mmssc.DistributedBN')
# Mean over the selected voxels or pixels of the whole batch of a process.
cross_entropy = dict(type='mmssc.VoxelCrossEntropyLoss', label_smoothing=0.2, reduction='batch')

model = dict(
    type='mmssc.RGBDCompletor',
    data_preprocessor=dict(
        type='mmssc.SSCDataPreprocessor', mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    ),
    # World axes X, Z (up), Y (forward); every frame has an origin of its own.
    voxel_grid=dict(
        origin=(0.0, 0.0, 0.0),
        voxel_size=0.08,
        shape=(60, 36, 60),
        axes=('x', 'z', 'y'),
        frame='world',
    ),
    backbone=dict(
        type='mmssc.MiT',
        embed_dims=64,
        num_layers=(3, 4, 6, 3),
        num_heads=(1, 2, 5, 8),
        frozen=True,
        # True switches the stochastic depth of the frozen encoder off, which the authors leave on.
        frozen_eval=False,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/segformer/'
            'mit_b2_20220624-66e8bf70.pth',
        ),
    ),
    image_head=dict(
        type='mmssc.ImageSemanticHead',
        in_channels=(64, 128, 320, 512),
        channels=channels,
        num_classes=num_classes,
        dropout=0.5,
        norm_cfg=norm_cfg,
    ),
    lifter=dict(type='mmssc.DepthMappedLifter', align_corners=False, fill=True),
    tsdf_encoder=dict(
        type='mmssc.TSDFEncoder', widths=(1, 3, 64, channels), dropout=0.3, norm_cfg=norm_cfg
    ),
    head=dict(
        type='mmssc.VolumeCompletionHead',
        channels=channels,
        num_classes=num_classes,
        dropout=0.1,
        norm_cfg=norm_cfg,
    ),
    # One set of coins for the batch of a process: the left-right and the depth axis.
    augmentation=dict(type='mmssc.VolumeAugmentation', flip_axes=(0, 2), prob=0.5),
    loss_2d=dict(cross_entropy, loss_weight=0.25),
    loss_3d=cross_entropy,
)
# The name that configs of release 0.1 use.
nyu_grid = model['voxel_grid']
