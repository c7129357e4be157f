"""A small student of CleanerS that learns synthetic rooms on two CPU cores in a few minutes.

Its teacher is cleaners-teacher_synthetic.py. The data come from
tools/dataset_converters/make_synthetic.py and nyu.py, see docs/en/user_guides/synthetic_rooms.md.
"""

_base_ = [
    '../_base_/datasets/nyu_augmented.py',
    '../_base_/models/cleaners.py',
    '../_base_/schedules/adamw_4e_rooms.py',
    '../_base_/default_runtime.py',
]

channels = 16

model = dict(
    type='mmssc.CleanerS',
    voxel_grid=dict(voxel_size=0.12, shape=(40, 24, 40)),
    # Nothing is downloaded: the image encoder starts from random numbers, so all of it learns.
    backbone=dict(
        embed_dims=16, num_layers=(1, 1, 1, 1), drop_path_rate=0.0, frozen=False, init_cfg=None
    ),
    image_head=dict(in_channels=(16, 32, 80, 128), channels=channels, dropout=0.1),
    tsdf_encoder=dict(widths=(1, 3, 8, channels), dropout=0.1),
    head=dict(channels=channels),
    teacher=dict(
        checkpoint='work_dirs/cleaners-teacher_synthetic/best_*.pth', tsdf_source='tsdf_clean'
    ),
    save_teacher=False,
    loss_kd_t=dict(type='mmssc.FeatureDistillationLoss', loss_weight=0.25),
    loss_kd_sc=dict(type='mmssc.ClassCenterDistillationLoss', temperature=1.0, loss_weight=0.25),
    loss_kd_sa=dict(type='mmssc.ClassAffinityDistillationLoss', loss_weight=0.25),
)

loader = dict(num_workers=1, dataset=dict(data_root='data/synthetic_nyu'))
train_dataloader = dict(
    num_workers=1,
    batch_size=2,
    drop_last=True,
    dataset=dict(data_root='data/synthetic_nyu', clean_source='nyucad'),
)
val_dataloader = loader
test_dataloader = loader
default_hooks = dict(checkpoint=dict(save_best='ssc/SSC_mIoU_nyu', rule='greater'))
