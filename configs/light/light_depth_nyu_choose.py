"""For choosing settings: trains without four blocks of training frames and validates on them."""

_base_ = './light_depth_nyu.py'

# Not the published weights: they were trained on the held-out frames, too.
load_from = 'work_dirs/light_seg_nyu_choose/epoch_13.pth'
train_cfg = dict(val_interval=1)
train_dataloader = dict(dataset=dict(indices={{_base_.kept_frames}}))
