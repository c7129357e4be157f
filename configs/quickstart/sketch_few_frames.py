"""The small network of sketch_synthetic.py at NYU's full resolution, to learn a few real frames.

See cleaners_few_frames.py for what it is good for.
"""

_base_ = [
    '../_base_/datasets/nyu_few_frames.py',
    '../_base_/models/sketch.py',
    '../_base_/schedules/adamw_150i_few_frames.py',
    '../_base_/few_frames_runtime.py',
]

channels = 16
# As in cleaners_few_frames.py, which says how they are made.
class_weight = (
    0.501, 4.696, 1.284, 1.396, 3.889, 3.126, 2.012, 2.503, 2.633, 7.914, 0.989, 1.441,
)  # fmt: skip

model = dict(
    backbone=dict(depth=18, base_channels=16, stem_channels=16, init_cfg=None),
    freeze_backbone=False,
    neck=dict(in_channels=128, channels=channels),
    sketch_head=dict(widths=(1, 3, 8, channels), dropout=0.0, cvae=dict(latent_channels=4)),
    head=dict(channels=channels, sketch_widths=(3, 8), dropout=0.0),
    loss_3d=dict(class_weight=class_weight),
)

optim_wrapper = dict(optimizer=dict(_delete_=True, type='AdamW', lr=5e-3, weight_decay=0.05))
