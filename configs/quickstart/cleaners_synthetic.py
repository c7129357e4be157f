"""A small student of CleanerS that learns synthetic rooms on two CPU cores in a few minutes.

Its teacher is cleaners-teacher_synthetic.py. The data come from
tools/dataset_converters/make_synthetic.py and nyu.py, see docs/en/user_guides/synthetic_rooms.md.
"""

_base_ = ['../cleaners/cleaners_segformer-b2_nyu.py', '../_base_/small_rooms.py']

model = dict(
    _base_.room_rgbd,
    teacher=dict(checkpoint='work_dirs/cleaners-teacher_synthetic/best_*.pth'),
)

train_dataloader = {{_base_.room_loader}}
val_dataloader = {{_base_.room_loader}}
test_dataloader = {{_base_.room_loader}}

optim_wrapper = dict(optimizer=dict(lr=2e-3))
param_scheduler = {{_base_.room_scheduler}}
train_cfg = {{_base_.room_train_cfg}}
