"""AMMNet on segmentations, from the compact cache of NYU, in a few epochs on one large GPU.

The authors train for 150 epochs; this schedule is for a short time: the cosine ends after
``max_epochs``, per iteration, after a warm-up; bfloat16; no test frame is looked at before the end.
"""

_base_ = './ammnet_deeplabv3_nyu.py'

data_root = 'data/nyu_cache'
max_epochs = 8
lr = 1e-3

dataset = dict(dataset=dict(data_root=data_root))
train_dataloader = dict(batch_size=8, num_workers=6, **dataset)
val_dataloader = dict(batch_size=8, **dataset)
test_dataloader = val_dataloader

# fused: one kernel per parameter in place of a dozen.
fused_adamw = dict(type='AutocastOptimWrapper', dtype='bfloat16', optimizer=dict(fused=True))
optim_wrapper = dict(generator=fused_adamw, discriminator=fused_adamw)
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
param_scheduler = dict(
    generator=[
        dict(type='LinearLR', start_factor=0.03, by_epoch=False, begin=0, end=100),
        dict(
            type='CosineAnnealingLR',
            T_max=max_epochs,
            eta_min=1e-2 * lr,
            by_epoch=True,
            convert_to_iter_based=True,
        ),
    ]
)
default_hooks = dict(checkpoint=dict(max_keep_ckpts=1, save_best=None))
