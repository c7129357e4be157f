"""SGN-S on SSCBench-KITTI-360: ResNet-50, one frame."""

_base_ = './sgn-T_kitti360.py'

frame_offsets = ()
train_dataloader = dict(dataset=dict(frame_offsets=frame_offsets))
val_dataloader = dict(dataset=dict(frame_offsets=frame_offsets))
test_dataloader = dict(dataset=dict(frame_offsets=frame_offsets))
