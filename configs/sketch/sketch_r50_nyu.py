"""3D-Sketch on NYU."""

_base_ = [
    '../_base_/datasets/nyu.py',
    '../_base_/models/sketch.py',
    '../_base_/schedules/sgd_250e_rgbd.py',
    '../_base_/default_runtime.py',
]

train_dataloader = dict(batch_size=2, drop_last=True)
# The best checkpoint is kept beside the last ones: the authors report it, on the test split.
default_hooks = dict(checkpoint=dict(save_best='ssc/SSC_mIoU_nyu', rule='greater'))
