"""AMMNet on a 2D segmentation of DeepLabv3, on depth rendered from the annotation."""

_base_ = './ammnet_deeplabv3_nyu.py'

# A TSDF of NYU's kind, as nyu.py makes it. For the authors' own NYUCAD files (TSDF_lr), and weights
# that were trained on them: nyucad_flipped.
train_dataloader = dict(dataset=dict(source='nyucad'))
val_dataloader = dict(dataset=dict(source='nyucad'))
test_dataloader = dict(dataset=dict(source='nyucad'))
