# SemanticKITTI, prepared by tools/dataset_converters/semantic_kitti.py. Where the data lies: a link
# data/semantickitti, or --cfg-options train_dataloader.dataset.data_root=DIR
# val_dataloader.dataset.data_root=DIR ...
dataset_type = 'SemanticKITTIDataset'
data_root = 'data/semantickitti'
image_size = (370, 1220)  # top left part that every sequence has (height, width)

inputs = [
    dict(type='LoadDrivingImages'),
    dict(type='CropDrivingImages', size=image_size),
    # source='depth' computes the same points from the depth maps.
    dict(type='LoadDrivingPoints', crop_to_grid=True),
]
train_pipeline = [
    *inputs,
    dict(type='LoadDrivingLabels', scales=('1_1', '1_2')),
    dict(type='PackSSCInputs'),
]
test_pipeline = [
    *inputs,
    # The test sequences have no labels.
    dict(type='LoadDrivingLabels', scales=('1_1',), optional=True),
    dict(type='PackSSCInputs'),
]

train = dict(
    type=dataset_type,
    data_root=data_root,
    ann_file='semantickitti_infos_train.json',
    pipeline=train_pipeline,
)
val = dict(train, ann_file='semantickitti_infos_val.json', pipeline=test_pipeline, test_mode=True)
workers = dict(num_workers=4, persistent_workers=True)
train_dataloader = dict(
    batch_size=1, sampler=dict(type='DefaultSampler', shuffle=True), dataset=train, **workers
)
val_dataloader = dict(
    batch_size=1, sampler=dict(type='DefaultSampler', shuffle=False), dataset=val, **workers
)
# The test sequences have no public labels: tools/test.py scores the validation sequence, and
# exports the test sequences with --format-only and their info file.
test_dataloader = val_dataloader

val_evaluator = dict(type='SSCMetric', ranges=(12.8, 25.6, 51.2))
test_evaluator = val_evaluator
