# Warm-up by iteration, then a cosine, as warmup_cosine.
# Only for configs of users: no config of this release has it as a base.
_base_ = []  # Without it mmengine would take the import for a config of its new style.
import warnings  # noqa: E402

warnings.warn(
    'configs/_base_/schedules/warmup_cosine.py goes away in the next release: '
    'write the schedule in your config as schedules/adamw_cpu_light.py does',
    FutureWarning,
    stacklevel=2,
)

warmup_cosine = [
    dict(type='LinearLR', start_factor=0.03, by_epoch=False, begin=0),
    dict(type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True),
]
