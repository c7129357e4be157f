"""Warm-up by iteration, then a cosine from iteration to iteration.

A schedule completes it: ``dict(_base_.warmup_cosine[0], end=...)`` and
``dict(_base_.warmup_cosine[1], T_max=..., eta_min=...)``.
"""

warmup_cosine = [
    dict(type='LinearLR', start_factor=0.03, by_epoch=False, begin=0),
    dict(type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True),
]
