"""SSCNet-full on CarlaSC, three iterations of one epoch."""

_base_ = ['../../configs/sscnet/sscnet-full_carlasc.py']

loader = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(**loader, batch_size=2)
val_dataloader = dict(**loader, batch_size=2)
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=1)
default_hooks = dict(logger=dict(interval=1))
log_processor = dict(window_size=1)
