# Settings of quick starts on synthetic rooms.
# Only for configs of users: no config of this release has it as a base.
_base_ = []  # Without it mmengine would take the import for a config of its new style.
import warnings  # noqa: E402

warnings.warn(
    'configs/_base_/small_rooms.py goes away in the next release: '
    'write the settings in your config as quickstart/cleaners_synthetic.py does',
    FutureWarning,
    stacklevel=2,
)

room_grid = dict(voxel_size=0.12, shape=(40, 24, 40))
room_loader = dict(num_workers=1, dataset=dict(data_root='data/synthetic_nyu'))

# Nothing is downloaded: the image encoder starts from random numbers, so all of it learns.
room_mit = dict(
    embed_dims=16, num_layers=(1, 1, 1, 1), drop_path_rate=0.0, frozen=False, init_cfg=None
)
room_channels = 16
# The network that CleanerS and AMMNet share.
room_rgbd = dict(
    voxel_grid=room_grid,
    backbone=room_mit,
    image_head=dict(in_channels=(16, 32, 80, 128), channels=room_channels, dropout=0.1),
    tsdf_encoder=dict(widths=(1, 3, 8, room_channels), dropout=0.1),
    head=dict(channels=room_channels),
)

room_epochs = 4
room_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', T_max=room_epochs, by_epoch=True, convert_to_iter_based=True),
]
room_train_cfg = dict(max_epochs=room_epochs, val_interval=room_epochs)
