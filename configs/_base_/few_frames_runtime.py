"""Default runtime of a run on a few frames of NYU: 150 iterations, not epochs."""

_base_ = './default_runtime.py'

default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=dict(by_epoch=False, interval=150, save_best='ssc/SSC_mIoU_nyu'),
)
log_processor = dict(by_epoch=False)
