"""Stage 1 of CleanerS: the teacher, on the TSDF of the noise-free (CAD) depth."""

_base_ = [
    '../_base_/datasets/nyu_augmented.py',
    '../_base_/models/cleaners.py',
    '../_base_/schedules/adamw_100e_rgbd.py',
    '../_base_/default_runtime.py',
]

# Image, mapping, labels and weights are those of the sensor's depth; the TSDF alone is clean.
model = dict(tsdf_source='tsdf_clean')
train_dataloader = dict(batch_size=2, drop_last=True, dataset=dict(clean_source='nyucad'))
val_dataloader = dict(dataset=dict(clean_source='nyucad'))
test_dataloader = dict(dataset=dict(clean_source='nyucad'))
default_hooks = dict(checkpoint=dict(save_best='ssc/SSC_mIoU_nyu', rule='greater'))
