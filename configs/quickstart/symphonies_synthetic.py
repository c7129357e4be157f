"""A small Symphonies that learns synthetic streets on two CPU cores in some minutes.

The data are those of sgn_synthetic.py; docs/en/methods/symphonies.md has the commands and figures.
"""

_base_ = './symphonies-light_synthetic.py'

embed_dims = 32

model = dict(
    neck=dict(embed_dims=64, num_layers=2, feedforward_channels=256),
    head=dict(
        in_channels=(64, 64, 64),
        embed_dims=embed_dims,
        num_queries=50,
        decoder=dict(num_heads=4, dropout=0.0),
    ),
)

train_pipeline = [step for step in _base_.train_pipeline if step.type != 'FlipDrivingScene']
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

optim_wrapper = dict(optimizer=dict(lr=2e-3))
