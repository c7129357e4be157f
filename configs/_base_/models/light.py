# LightCompletor on a depth image alone; light_seg_nyu.py adds a segmentation.
num_classes = 12
# Frequency in training (NYUDataset.METAINFO['class_counts']) to the power of -1/4, scaled so that
# the mean weight of a training voxel is 1.
class_weight = (
    0.747, 2.288, 1.196, 1.247, 2.082, 1.866, 1.497, 1.670, 1.713, 2.969, 1.050, 1.267,
)  # fmt: skip

model = dict(
    type='mmssc.LightCompletor',
    data_preprocessor=dict(type='mmssc.SSCDataPreprocessor'),
    # World axes X, Z (up), Y (forward); every frame has an origin of its own.
    voxel_grid=dict(
        origin=(0.0, 0.0, 0.0),
        voxel_size=0.08,
        shape=(60, 36, 60),
        axes=('x', 'z', 'y'),
        frame='world',
    ),
    stem=dict(type='mmssc.VoxelStem', out_channels=32, num_segments=0),
    head=dict(
        type='mmssc.LightUNet',
        channels=(32, 144, 192),
        expansions=(3, 3),
        num_classes=num_classes,
        hidden_channels=64,
    ),
    # Left and right are alike, front and back are not: the camera is always at the front.
    augmentation=dict(type='mmssc.VolumeAugmentation', flip_axes=(0,), prob=0.5),
    losses=[
        dict(type='mmssc.VoxelCrossEntropyLoss', class_weight=class_weight, reduction='batch'),
        dict(type='mmssc.LovaszSoftmaxLoss'),
    ],
)
# The name that configs of release 0.1 use.
nyu_grid = model['voxel_grid']
