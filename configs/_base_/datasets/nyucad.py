# NYUCAD: depth rendered from the annotation; images, labels and weights are those of NYU.
_base_ = './nyu.py'

train_dataloader = dict(dataset=dict(source='nyucad'))
val_dataloader = dict(dataset=dict(source='nyucad'))
test_dataloader = dict(dataset=dict(source='nyucad'))
