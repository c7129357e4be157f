# The grid of NYU, for voxel_grid={{_base_.nyu_grid}}. World axes X, Z (up), Y (forward); every
# frame has an origin of its own.
nyu_grid = dict(
    origin=(0.0, 0.0, 0.0),
    voxel_size=0.08,
    shape=(60, 36, 60),
    axes=('x', 'z', 'y'),
    frame='world',
)
