"""The small network of cleaners_synthetic.py at NYU's full resolution, to learn a few real frames.

For trying the real data path on a CPU before the whole data set is there: the depth of the sensor,
no teacher. What it shows is that everything fits together; scores on so few frames say nothing
else.
"""

_base_ = [
    '../_base_/datasets/nyu_few_frames.py',
    '../_base_/models/cleaners.py',
    '../_base_/schedules/adamw_150i_few_frames.py',
    '../_base_/few_frames_runtime.py',
]

channels = 16
# Frequency in training (NYUDataset.METAINFO['class_counts']) to the power of -1/2, scaled so that
# the mean weight of a training voxel is 1: without it a small table is not learnt.
class_weight = (
    0.501, 4.696, 1.284, 1.396, 3.889, 3.126, 2.012, 2.503, 2.633, 7.914, 0.989, 1.441,
)  # fmt: skip

model = dict(
    type='mmssc.CleanerS',
    backbone=dict(
        embed_dims=16, num_layers=(1, 1, 1, 1), drop_path_rate=0.0, frozen=False, init_cfg=None
    ),
    # As sharp as a few frames can be learnt.
    augmentation=None,
    image_head=dict(in_channels=(16, 32, 80, 128), channels=channels, dropout=0.0),
    tsdf_encoder=dict(widths=(1, 3, 8, channels), dropout=0.0),
    head=dict(channels=channels, dropout=0.0),
    loss_3d=dict(label_smoothing=0.0, class_weight=class_weight),
    teacher=None,
    save_teacher=False,
    loss_kd_t=None,
    loss_kd_sc=None,
    loss_kd_sa=None,
)
