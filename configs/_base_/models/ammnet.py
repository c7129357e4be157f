# AMMNet with MiT-B2: CleanerS' network with a modulating head, all eight flips and swaps of the
# features, and a discriminator.
_base_ = './cleaners.py'

model = dict(
    type='mmssc.AMMNet',
    head=dict(type='mmssc.ModulatedCompletionHead'),
    augmentation=dict(swap_axes=(0, 2)),
    discriminator=dict(
        type='mmssc.VolumeDiscriminator',
        channels=64,
        hidden=128,
        norm_cfg=dict(type='mmssc.DistributedBN'),
    ),
    loss_adv=dict(type='mmssc.AdversarialLoss', loss_weight=0.005),
    # Of each of the four volumes that the discriminator judges.
    loss_disc=dict(type='mmssc.AdversarialLoss', loss_weight=1.0),
    # False: the discriminator sees flipped and swapped logits under a mask that is neither.
    undo_for_discriminator=True,
)
