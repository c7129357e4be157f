# SSCBench-KITTI-360, prepared by tools/dataset_converters/sscbench_kitti360.py; loaders and
# evaluators as on SemanticKITTI. Where the data lies: a link data/sscbench_kitti360, or
# --cfg-options train_dataloader.dataset.data_root=DIR val_dataloader.dataset.data_root=DIR ...
_base_ = './semantic_kitti.py'

dataset_type = 'SSCBenchKITTI360Dataset'
data_root = 'data/sscbench_kitti360'
image_size = (376, 1408)  # whole images (height, width)

inputs = [
    dict(type='LoadDrivingImages'),
    dict(type='CropDrivingImages', size=image_size),
    # source='depth' computes the same points from the depth maps.
    dict(type='LoadDrivingPoints', crop_to_grid=True),
]
train_pipeline = [
    *inputs,
    # SSCBench distributes 1_1 and 1_8: a scale without files is pooled from 1_1.
    dict(type='LoadDrivingLabels', scales=('1_1', '1_2'), pool_missing=True),
    dict(type='PackSSCInputs'),
]
test_pipeline = [
    *inputs,
    dict(type='LoadDrivingLabels', scales=('1_1',), optional=True),
    dict(type='PackSSCInputs'),
]

train = dict(
    type=dataset_type,
    data_root=data_root,
    ann_file='sscbench_kitti360_infos_train.json',
    pipeline=train_pipeline,
)
val = dict(train, ann_file='sscbench_kitti360_infos_val.json', pipeline=test_pipeline)
train_dataloader = dict(dataset=train)
val_dataloader = dict(dataset=val)
test_dataloader = dict(dataset=dict(val, ann_file='sscbench_kitti360_infos_test.json'))
