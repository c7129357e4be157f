"""``toy_config.py`` on a machine with a small ``/dev/shm``."""

_base_ = './toy_config.py'
custom_imports = dict(imports=['toy', 'small_shared_memory'])
train_dataloader = dict(dataset=dict(type='GrowingDataset'))
val_dataloader = dict(dataset=dict(type='GrowingDataset'))
test_dataloader = val_dataloader
