"""Default runtime of a run that counts iterations, not epochs: a checkpoint per validation."""

_base_ = './default_runtime.py'

default_hooks = dict(
    # Validations at their iteration, not at epoch 0.
    logger=dict(log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=959),
)
log_processor = dict(by_epoch=False)
