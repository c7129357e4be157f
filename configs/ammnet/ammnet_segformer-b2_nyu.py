"""AMMNet with the image encoder of SegFormer-B2, on the depth of the sensor."""

_base_ = [
    '../_base_/datasets/nyu_augmented.py',
    '../_base_/models/ammnet.py',
    '../_base_/schedules/adamw_150e_adversarial.py',
    '../_base_/default_runtime.py',
]

train_dataloader = dict(batch_size=2, drop_last=True)
default_hooks = dict(checkpoint=dict(save_best='ssc/SSC_mIoU_nyu', rule='greater'))
