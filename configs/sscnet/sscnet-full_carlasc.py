"""SSCNet-full on CarlaSC. The published weights are from epoch 20."""

_base_ = [
    '../_base_/datasets/carla_sc.py',
    '../_base_/models/sscnet.py',
    '../_base_/schedules/adam_80e.py',
    '../_base_/default_runtime.py',
]

# 1 / ln(count + 0.001) of the voxel counts of the training split.
class_weight = [
    0.04514598, 0.05694590, 0.05772989, 0.06282534, 0.07290531, 0.06692673, 0.05187162,
    0.05467975, 0.05393251, 0.05810378, 0.06081597,
]  # fmt: skip
# CARLA's lidar frame: y to the right.
voxel_grid = dict(
    origin=(-25.6, -25.6, -2.0),
    voxel_size=(0.4, 0.4, 0.375),
    shape=(128, 128, 8),
    frame='carla',
)
# Another loss than on SemanticKITTI.
ce = dict(draw='batch', replacement=False, normalizer='weights', class_weight=class_weight)

model = dict(voxel_grid=voxel_grid, head=dict(num_classes=11, losses=dict(ce=ce)))

train_cfg = dict(max_epochs=20)
param_scheduler = []  # a constant learning rate
randomness = dict(seed=42)
