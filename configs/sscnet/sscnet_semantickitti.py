"""SSCNet on SemanticKITTI: each prediction at a quarter of the resolution is repeated."""

_base_ = './sscnet-full_semantickitti.py'

model = dict(head=dict(up_sampling='nearest'))
