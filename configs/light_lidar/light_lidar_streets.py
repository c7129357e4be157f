"""Light LiDAR completor, trained on synthetic streets; its weights are in checkpoints/."""

_base_ = [
    '../_base_/datasets/lidar_streets.py',
    '../_base_/models/light_lidar.py',
    '../_base_/schedules/adamw_300i_lidar.py',
    '../_base_/short_iteration_runtime.py',
]

# The CPU time of 500 iterations of LMSCNet-SS.
max_iters = 1500

# Without joined scenes, classes get better and the shape worse with each iteration: the network
# learns the 100 frames by heart.
loading = _base_.train_pipeline[:5]
join = dict(type='JoinLidarScenes', loading=loading, prob=0.7)
train_dataloader = dict(dataset=dict(pipeline=[*loading, join, *_base_.train_pipeline[5:]]))

model = dict(
    head=dict(
        losses=dict(
            # Less weight of "empty": as many voxels too much as too few.
            ce=dict(class_weight=(0.5, *_base_.class_weight[1:])),
            geo_scal=dict(loss_weight=2.5),  # 1: better classes, a worse shape
        )
    ),
    train_window=(96, 96),
)
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=4e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', T_max=max_iters, by_epoch=False),
]
