"""The small network of cleaners_synthetic.py at NYU's full resolution, to learn a few real frames.

For trying the real data path on a CPU before the whole data set is there: the depth of the sensor,
no teacher. What it shows is that everything fits together; scores on so few frames say nothing
else.
"""

_base_ = ['./cleaners_synthetic.py', '../_base_/few_nyu_frames.py']
# Data loaders, training loop and hooks.
globals().update(_base_.few_run)

model = dict(
    voxel_grid={{_base_.few_grid}},
    teacher=None,
    loss_kd_t=None,
    loss_kd_sc=None,
    loss_kd_sa=None,
    # As sharp as a few frames can be learnt.
    augmentation=None,
    image_head=dict(dropout=0.0),
    tsdf_encoder=dict(dropout=0.0),
    head=dict(dropout=0.0),
    loss_3d=dict(label_smoothing=0.0, class_weight={{_base_.few_class_weight}}),
)

optim_wrapper = dict(optimizer=dict(lr={{_base_.few_lr}}))
param_scheduler = {{_base_.few_scheduler}}
