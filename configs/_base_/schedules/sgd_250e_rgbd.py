"""SGD for 250 epochs: polynomial decay per iteration, no warm-up, no clipping (3D-Sketch)."""

max_epochs = 250
lr = 0.1

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=10)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=lr, momentum=0.9, weight_decay=5e-4),
    # No weight decay on 1-D tensors: biases, scales and shifts of normalisation.
    paramwise_cfg=dict(flat_decay_mult=0.0),
)
param_scheduler = [
    # lr (1 - i / (N - 1))^0.9 at iteration i of N.
    dict(
        type='PolyLR',
        power=0.9,
        eta_min=0.0,
        begin=0,
        end=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]

# The learning rate is for 2 processes with 2 samples each; --auto-scale-lr scales it to another
# batch size.
auto_scale_lr = dict(enable=False, base_batch_size=4)
