"""AMMNet with the image encoder of SegFormer-B2, on depth rendered from the annotation."""

_base_ = './ammnet_segformer-b2_nyu.py'

train_dataloader = dict(dataset=dict(source='nyucad'))
val_dataloader = dict(dataset=dict(source='nyucad'))
test_dataloader = dict(dataset=dict(source='nyucad'))
