# The grid of NYU, as nyu_grid.
# Only for configs of users: no config of this release has it as a base.
_base_ = []  # Without it mmengine would take the import for a config of its new style.
import warnings  # noqa: E402

warnings.warn(
    'configs/_base_/models/nyu_grid.py goes away in the next release: '
    'write the grid in your config as models/cleaners.py does',
    FutureWarning,
    stacklevel=2,
)

nyu_grid = dict(
    origin=(0.0, 0.0, 0.0),
    voxel_size=0.08,
    shape=(60, 36, 60),
    axes=('x', 'z', 'y'),
    frame='world',
)
