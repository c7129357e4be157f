# Steps of methods on one image and its depth map.
# Only for configs of users: no config of this release has it as a base.
_base_ = []  # Without it mmengine would take the import for a config of its new style.
import warnings  # noqa: E402

warnings.warn(
    'configs/_base_/datasets/depth_map_steps.py goes away in the next release: '
    'take them from datasets/semantic_kitti_depth.py',
    FutureWarning,
    stacklevel=2,
)

load_steps = [dict(type='LoadDrivingImages'), dict(type='LoadDrivingDepth')]
train_steps = [
    dict(type='LoadDrivingLabels', scales=('1_1',)),
    dict(type='FlipDrivingScene', prob=0.5),
    dict(type='FrustumTargets', cells=8),
    dict(type='PackSSCInputs'),
]
test_steps = [
    # The test sequences of SemanticKITTI have no labels.
    dict(type='LoadDrivingLabels', scales=('1_1',), optional=True),
    dict(type='PackSSCInputs'),
]
