"""Logging, checkpoints, randomness and processes, the same for every method."""

default_scope = 'mmssc'

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='CheckpointHook',
        interval=1,
        max_keep_ckpts=3,
        save_best='ssc/SSC_mIoU',
        rule='greater',
    ),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    # A resumed run equals one that was never stopped.
    epoch_seed=dict(type='EpochSeedHook'),
    # Pictures of predictions; tools/test.py --show-dir DIR turns it on.
    visualization=dict(type='SSCVisualizationHook'),
)
# Exponential moving average of the weights, used for validation and saved with them (on the
# command line: --cfg-options default_hooks.ema.type=EMAHook):
# default_hooks = dict(ema=dict(type='EMAHook', momentum=0.0002))

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
randomness = dict(seed=0, deterministic=False)

vis_backends = [dict(type='LocalVisBackend')]
# TensorBoard (pip install tensorboard) and Weights & Biases (pip install wandb):
# vis_backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
# vis_backends = [
#     dict(type='LocalVisBackend'),
#     dict(type='WandbVisBackend', init_kwargs=dict(project='mmssc')),
# ]
visualizer = dict(type='SSCVisualizer', vis_backends=vis_backends, name='visualizer')

log_processor = dict(type='LogProcessor', window_size=50, by_epoch=True)
log_level = 'INFO'
# False: a training goes on when a loss or a weight is NaN or infinite.
stop_at_nan = True
load_from = None
resume = False
