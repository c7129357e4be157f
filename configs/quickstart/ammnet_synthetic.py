"""A small AMMNet that learns synthetic rooms on two CPU cores in a few minutes.

See docs/en/user_guides/synthetic_rooms.md for the data.
"""

_base_ = ['../ammnet/ammnet_segformer-b2_nyu.py', '../_base_/small_rooms.py']

model = dict(_base_.room_rgbd, discriminator=dict(channels=16, hidden=16))

train_dataloader = {{_base_.room_loader}}
val_dataloader = {{_base_.room_loader}}
test_dataloader = {{_base_.room_loader}}

optim_wrapper = dict(generator=dict(optimizer=dict(lr=2e-3)))
param_scheduler = dict(generator={{_base_.room_scheduler}})
train_cfg = {{_base_.room_train_cfg}}
