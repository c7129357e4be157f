# NYU with the augmentation of the image that CleanerS and AMMNet train with: the map from pixels to
# voxels goes along with the image, the volumes stay. Images keep their size.
_base_ = './nyu.py'

train_pipeline = [
    dict(
        type='LoadRGBDFrame',
        keys=['img', 'tsdf', 'pixel_to_voxel', 'gt_voxels', 'label_weight'],
        optional=['tsdf_clean'],
    ),
    dict(type='ResizeRGBDImage', prob=0.5, ratio=(0.8, 1.2)),
    dict(type='CropRGBDImage'),
    dict(type='FlipRGBDImage', prob=0.5),
    # eight_bits=False turns 28 % of the images grey or recolours them, as the authors' code does.
    dict(type='DistortRGBDColors', eight_bits=True),
    dict(type='PadRGBDImage'),
    dict(type='PackSSCInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
