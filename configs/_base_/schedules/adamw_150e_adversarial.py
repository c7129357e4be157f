"""Generator and discriminator, AdamW each, 150 epochs: cosine for the generator (AMMNet)."""

_base_ = './adamw_100e_rgbd.py'

max_epochs = 150
train_cfg = dict(max_epochs=max_epochs)

adamw = _base_.optim_wrapper
player = adamw  # The name that configs of release 0.1 use.
optim_wrapper = dict(
    _delete_=True,
    constructor='mmssc.AdversarialOptimWrapperConstructor',
    generator=adamw,
    discriminator=adamw,
    # True: each optimiser also decays the weights of the other one, as the authors' runs did.
    decay_all_weights=False,
)
param_scheduler = dict(
    _delete_=True,
    # Constant inside an epoch: 1e-7 + 0.5 (lr - 1e-7) (1 + cos(pi e / max_epochs)), e from 0.
    generator=[dict(type='CosineAnnealingLR', T_max=max_epochs, eta_min=1e-7, by_epoch=True)],
    # The authors' schedule of the discriminator never takes effect: its learning rate stays.
    discriminator=[],
)
# One gradient reducer each for the generator and the discriminator.
model_wrapper_cfg = dict(type='mmssc.AdversarialDistributedDataParallel')
