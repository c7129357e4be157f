"""The teacher of cleaners_synthetic.py: the same network on the clean TSDF, without a teacher."""

_base_ = [
    '../_base_/datasets/nyu_augmented.py',
    '../_base_/models/cleaners.py',
    '../_base_/schedules/adamw_4e_rooms.py',
    '../_base_/default_runtime.py',
]

channels = 16

model = dict(
    type='mmssc.CleanerS',
    tsdf_source='tsdf_clean',
    voxel_grid=dict(voxel_size=0.12, shape=(40, 24, 40)),
    # Nothing is downloaded: the image encoder starts from random numbers, so all of it learns.
    backbone=dict(
        embed_dims=16, num_layers=(1, 1, 1, 1), drop_path_rate=0.0, frozen=False, init_cfg=None
    ),
    image_head=dict(in_channels=(16, 32, 80, 128), channels=channels, dropout=0.1),
    tsdf_encoder=dict(widths=(1, 3, 8, channels), dropout=0.1),
    head=dict(channels=channels),
    teacher=None,
    save_teacher=False,
    loss_kd_t=None,
    loss_kd_sc=None,
    loss_kd_sa=None,
)

loader = dict(num_workers=1, dataset=dict(data_root='data/synthetic_nyu', clean_source='nyucad'))
train_dataloader = dict(**loader, batch_size=2, drop_last=True)
val_dataloader = loader
test_dataloader = loader
default_hooks = dict(checkpoint=dict(save_best='ssc/SSC_mIoU_nyu', rule='greater'))
