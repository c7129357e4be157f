"""Trains a tiny AMMNet (on a segmentation, which builds fastest) for two epochs of two steps."""

_base_ = [
    '../../configs/_base_/default_runtime.py',
    '../../configs/_base_/schedules/adamw_150e_adversarial.py',
]

custom_imports = dict(imports=['random_rooms', 'kill_hook'])
norm_cfg = dict(type='mmssc.DistributedBN')
channels, num_classes = 8, 5
cross_entropy = dict(type='mmssc.VoxelCrossEntropyLoss', label_smoothing=0.2, reduction='batch')
model = dict(
    type='mmssc.AMMNet',
    data_preprocessor=dict(type='mmssc.SSCDataPreprocessor'),
    voxel_grid=dict(
        origin=(0, 0, 0), voxel_size=0.3, shape=(16, 12, 16), axes=('x', 'z', 'y'), frame='world'
    ),
    segmentation_encoder=dict(
        type='mmssc.SegmentationEncoder', num_segments=14, widths=(3, channels), norm_cfg=norm_cfg
    ),
    tsdf_encoder=dict(type='mmssc.TSDFEncoder', widths=(1, 3, channels), norm_cfg=norm_cfg),
    head=dict(
        type='mmssc.ModulatedCompletionHead',
        channels=channels,
        num_classes=num_classes,
        norm_cfg=norm_cfg,
    ),
    augmentation=dict(type='mmssc.VolumeAugmentation', flip_axes=(0, 2), swap_axes=(0, 2)),
    discriminator=dict(type='mmssc.VolumeDiscriminator', channels=8, hidden=8, norm_cfg=norm_cfg),
    loss_3d=cross_entropy,
    loss_adv=dict(type='mmssc.AdversarialLoss', loss_weight=0.005),
    loss_disc=dict(type='mmssc.AdversarialLoss'),
)
keys = ('segmentation', 'tsdf', 'voxel_to_pixel')
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='RandomRooms', length=4, keys=keys),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='RandomRooms', length=3, keys=keys, test_mode=True),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='SSCMetric', protocols=('nyu', 'full'))
test_evaluator = val_evaluator
train_cfg = dict(max_epochs=2)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(save_best='ssc/SSC_mIoU_nyu'))
