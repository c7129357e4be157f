"""Two players, AdamW each, for 150 epochs: cosine per epoch for the generator (AMMNet)."""

max_epochs = 150
lr = 1e-3

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

player = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.05),
    # No weight decay on 1-D tensors: biases, scales and shifts of normalisation.
    paramwise_cfg=dict(flat_decay_mult=0.0),
    clip_grad=dict(max_norm=10, norm_type=2),
)
optim_wrapper = dict(
    constructor='mmssc.AdversarialOptimWrapperConstructor',
    generator=player,
    discriminator=player,
    # True: each optimiser also decays the other player's weights, as the authors' runs did.
    decay_opponent=False,
)
param_scheduler = dict(
    # Constant inside an epoch: 1e-7 + 0.5 (lr - 1e-7) (1 + cos(pi e / max_epochs)), e from 0.
    generator=[dict(type='CosineAnnealingLR', T_max=max_epochs, eta_min=1e-7, by_epoch=True)],
    # The authors' schedule of the discriminator never takes effect: its learning rate stays.
    discriminator=[],
)
# One gradient reducer per player.
model_wrapper_cfg = dict(type='mmssc.PlayersDistributedDataParallel')

# The learning rate is for 2 processes with 2 samples each; --auto-scale-lr scales it to another
# batch size.
auto_scale_lr = dict(enable=False, base_batch_size=4)
