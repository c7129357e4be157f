"""The small MonoScene on smaller images: two epochs, one sample a batch."""

_base_ = '../configs/monoscene-small_synthetic.py'

image_size = (48, 160)
channels = 8
max_epochs = 2

model = dict(
    image_unet=dict(out_channels=channels, decoder_channels=64),
    volume_unet=dict(channels=channels),
)
load, crop = dict(type='LoadDrivingImages'), dict(type='CropDrivingImages', size=image_size)
train_pipeline = [load, dict(type='JitterDrivingColors'), crop, *_base_.train_pipeline[2:]]
test_pipeline = [load, crop, *_base_.test_pipeline[2:]]
loader = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(**loader, batch_size=1, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(**loader, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=max_epochs))
log_processor = dict(window_size=1)
