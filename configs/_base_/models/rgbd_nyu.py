# What the networks on RGB-D frames of NYU have in common.
_base_ = './nyu_grid.py'

model = dict(
    data_preprocessor=dict(
        type='mmssc.SSCDataPreprocessor', mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    ),
    voxel_grid={{_base_.nyu_grid}},
)
