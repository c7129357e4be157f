"""3D-Sketch on NYUCAD: depth rendered from the CAD annotation, colours of NYU."""

_base_ = './sketch_r50_nyu.py'

train_dataloader = dict(dataset=dict(source='nyucad'))
val_dataloader = dict(dataset=dict(source='nyucad'))
test_dataloader = dict(dataset=dict(source='nyucad'))
