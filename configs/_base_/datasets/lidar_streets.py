# Synthetic streets with a rendered lidar, at SemanticKITTI's grid; configs/light_lidar/README.md
# says how they are made. Real streets are not flat, and real sensors lose points: training imitates
# both.
_base_ = './semantic_kitti.py'

data_root = 'data/lidar_streets'

train_pipeline = [
    dict(type='LoadDrivingPoints', source='velodyne'),
    dict(type='ThinLidarBeams', keep=(32, 64)),
    dict(type='DropLidarPoints', share=(0.0, 0.3)),
    dict(type='JitterLidarPoints', std=0.02),
    dict(type='LoadDrivingLabels', scales=('1_1',)),
    dict(type='RaiseLidarColumns'),
    dict(type='FlipLidarScene', axes=('y',)),
    dict(type='PackSSCInputs'),
]
test_pipeline = [
    dict(type='LoadScanOccupancy', source='scan'),
    dict(type='LoadDrivingLabels', scales=('1_1',), optional=True),
    dict(type='PackSSCInputs'),
]

loader = dict(num_workers=1)
train_dataloader = dict(
    **loader,
    batch_size=1,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(data_root=data_root, pipeline=train_pipeline),
)
val_dataloader = dict(**loader, dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
