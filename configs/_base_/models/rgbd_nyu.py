# What the networks on RGB-D frames of NYU have in common.
model = dict(
    data_preprocessor=dict(
        type='mmssc.SSCDataPreprocessor', mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    ),
    # World axes X, Z (up), Y (forward); every frame has an origin of its own.
    voxel_grid=dict(
        origin=(0.0, 0.0, 0.0),
        voxel_size=0.08,
        shape=(60, 36, 60),
        axes=('x', 'z', 'y'),
        frame='world',
    ),
)
