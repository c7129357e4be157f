"""Default runtime of a run that counts iterations, not epochs: a checkpoint per validation."""

_base_ = './default_runtime.py'

default_hooks = dict(checkpoint=dict(by_epoch=False, interval=959))
log_processor = dict(by_epoch=False)
