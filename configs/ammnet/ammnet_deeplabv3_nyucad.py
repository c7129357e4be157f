"""AMMNet on a 2D segmentation of DeepLabv3, on depth rendered from the annotation."""

_base_ = './ammnet_deeplabv3_nyu.py'

train_dataloader = dict(dataset=dict(source='nyucad'))
val_dataloader = dict(dataset=dict(source='nyucad'))
test_dataloader = dict(dataset=dict(source='nyucad'))
