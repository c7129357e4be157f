# CarlaSC as downloaded, without preparation. Where the data lies: a link data/carlasc, or
# --cfg-options train_dataloader.dataset.data_root=DIR val_dataloader.dataset.data_root=DIR ...
dataset_type = 'CarlaSCDataset'
data_root = 'data/carlasc'

scan = dict(type='LoadScanOccupancy', source='scan')
train_pipeline = [
    scan,
    dict(type='LoadCarlaSCLabels'),
    dict(type='FlipLidarScene', axes=('x', 'y')),
    dict(type='PackSSCInputs'),
]
test_pipeline = [
    scan,
    dict(type='LoadCarlaSCLabels', optional=True),
    dict(type='PackSSCInputs'),
]

train = dict(type=dataset_type, data_root=data_root, split='Train', pipeline=train_pipeline)
val = dict(train, split='Val', pipeline=test_pipeline, test_mode=True)
workers = dict(num_workers=4, persistent_workers=True)
train_dataloader = dict(
    batch_size=4, sampler=dict(type='DefaultSampler', shuffle=True), dataset=train, **workers
)
val_dataloader = dict(
    batch_size=4, sampler=dict(type='DefaultSampler', shuffle=False), dataset=val, **workers
)
test_dataloader = dict(val_dataloader, dataset=dict(val, split='Test'))

# SSC_mIoU leaves "free" out; the published figure is mIoU_with_free.
val_evaluator = dict(type='SSCMetric', all_classes=True)
test_evaluator = val_evaluator
