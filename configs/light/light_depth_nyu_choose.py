"""For choosing settings: trains without four blocks of training frames and validates on them."""

_base_ = './light_depth_nyu.py'

train_cfg = dict(val_interval=1)
train_dataloader = dict(dataset=dict(indices={{_base_.kept_frames}}))
