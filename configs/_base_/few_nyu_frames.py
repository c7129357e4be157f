# Settings of configs for a few frames of NYU.
# Only for configs of users: no config of this release has it as a base.
_base_ = []  # Without it mmengine would take the import for a config of its new style.
import warnings  # noqa: E402

warnings.warn(
    'configs/_base_/few_nyu_frames.py goes away in the next release: '
    'use datasets/nyu_few_frames.py and few_frames_runtime.py',
    FutureWarning,
    stacklevel=2,
)

few_data_root = 'data/nyu'
# Frequency in training (NYUDataset.METAINFO['class_counts']) to the power of -1/2, scaled so that
# the mean weight of a training voxel is 1: without it a small table is not learnt.
few_class_weight = (
    0.501, 4.696, 1.284, 1.396, 3.889, 3.126, 2.012, 2.503, 2.633, 7.914, 0.989, 1.441,
)  # fmt: skip
few_grid = dict(voxel_size=0.08, shape=(60, 36, 60))
few_pipeline = [
    dict(
        type='LoadRGBDFrame',
        keys=['img', 'tsdf', 'voxel_to_pixel', 'gt_voxels', 'label_weight'],
    ),
    dict(type='PackSSCInputs'),
]
few_workers = dict(num_workers=0, persistent_workers=False)
few_loader = dict(dataset=dict(data_root=few_data_root, require=('img',)), **few_workers)
few_train_loader = dict(
    batch_size=1,
    drop_last=False,
    # Without epochs: mmengine pauses two seconds between them.
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(
        data_root=few_data_root, require=('img',), clean_source=None, pipeline=few_pipeline
    ),
    **few_workers,
)

few_steps = 150
few_lr = 5e-3
few_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', T_max=few_steps, by_epoch=False),
]
few_run = dict(
    train_dataloader=few_train_loader,
    val_dataloader=few_loader,
    test_dataloader=few_loader,
    train_cfg=dict(
        _delete_=True, type='IterBasedTrainLoop', max_iters=few_steps, val_interval=few_steps
    ),
    default_hooks=dict(
        logger=dict(interval=10), checkpoint=dict(by_epoch=False, interval=few_steps)
    ),
    log_processor=dict(by_epoch=False),
)
