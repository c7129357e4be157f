"""room_config.py such that two processes and one with the doubled batch differ by rounding alone.

In double precision: in this deep network of ReLUs some of the 600 000 gates of a step lie within
single precision of their threshold, and one that flips at a quarter of the resolution changes the
gradient by a percent (seen: float32 against float64).
"""

_base_ = ['./room_config.py']

custom_imports = dict(imports=['double_precision'])
# Nothing is random in a step, and the losses are means of samples.
model = dict(
    data_preprocessor=dict(type='DoublePrecisionPreprocessor'),
    image_head=dict(dropout=0.0),
    tsdf_encoder=dict(dropout=0.0),
    head=dict(dropout=0.0),
    augmentation=None,
    loss_2d=dict(reduction='sample'),
    loss_3d=dict(reduction='sample'),
)
train_pipeline = [
    dict(
        type='LoadRGBDFrame',
        keys=['img', 'tsdf', 'pixel_to_voxel', 'gt_voxels', 'label_weight'],
        optional=['tsdf_clean'],
    ),
    dict(type='PackSSCInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
# Not Adam, see street_config.py.
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='SGD', lr=0.01, momentum=0.9, weight_decay=1e-4)
)
