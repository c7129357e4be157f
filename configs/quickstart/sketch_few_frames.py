"""The small network of sketch_synthetic.py at NYU's full resolution, to learn a few real frames.

See cleaners_few_frames.py for what it is good for.
"""

_base_ = ['./sketch_synthetic.py', '../_base_/few_nyu_frames.py']
# Data loaders, training loop and hooks.
globals().update(_base_.few_run)

model = dict(
    voxel_grid={{_base_.few_grid}},
    tsdf_encoder=dict(dropout=0.0),
    head=dict(dropout=0.0),
    loss_3d=dict(class_weight={{_base_.few_class_weight}}),
)

optim_wrapper = dict(optimizer=dict(lr={{_base_.few_lr}}))
param_scheduler = {{_base_.few_scheduler}}
