# SemanticKITTI for methods that take one lidar scan. No image is read: of the prepared files, only
# the labels and the info files are needed.
_base_ = './semantic_kitti.py'

# source='scan' reads velodyne/FFFFFF.bin instead of voxels/FFFFFF.bin.
scan = dict(type='LoadScanOccupancy', source='voxels')
train_pipeline = [
    scan,
    dict(type='LoadDrivingLabels', scales=('1_1',)),
    # As published; axes=('y',) does not reverse front and back.
    dict(type='FlipLidarScene', axes=('x', 'y')),
    dict(type='PackSSCInputs'),
]
test_pipeline = [
    scan,
    # The test sequences have no labels.
    dict(type='LoadDrivingLabels', scales=('1_1',), optional=True),
    dict(type='PackSSCInputs'),
]

train_dataloader = dict(batch_size=4, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(batch_size=8, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
