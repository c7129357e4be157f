# Preprocessor and grid of networks on RGB-D frames of NYU.
# Only for configs of users: no config of this release has it as a base.
_base_ = []  # Without it mmengine would take the import for a config of its new style.
import warnings  # noqa: E402

warnings.warn(
    'configs/_base_/models/rgbd_nyu.py goes away in the next release: '
    'write both in your config as models/cleaners.py does',
    FutureWarning,
    stacklevel=2,
)

model = dict(
    data_preprocessor=dict(
        type='mmssc.SSCDataPreprocessor', mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    ),
    voxel_grid=dict(
        origin=(0.0, 0.0, 0.0),
        voxel_size=0.08,
        shape=(60, 36, 60),
        axes=('x', 'z', 'y'),
        frame='world',
    ),
)
