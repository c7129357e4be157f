# Steps of methods on one image and its depth map (Symphonies), before and after the crop to the
# size of the data set.
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
