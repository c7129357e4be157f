"""Default runtime of a run of a few hundred iterations."""

_base_ = './iteration_runtime.py'

default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=100))
