"""Stage 2 of CleanerS: the student, on the TSDF of the sensor, taught by the teacher of stage 1."""

_base_ = [
    '../_base_/datasets/nyu_augmented.py',
    '../_base_/models/cleaners.py',
    '../_base_/schedules/adamw_100e_rgbd.py',
    '../_base_/default_runtime.py',
]

model = dict(
    type='mmssc.CleanerS',
    teacher=dict(
        # The best checkpoint of stage 1, or a file of the authors after import_checkpoint.py.
        checkpoint='work_dirs/cleaners-teacher_segformer-b2_nyucad/best_*.pth',
        tsdf_source='tsdf_clean',
    ),
    # The teacher stays out of the student's checkpoints.
    save_teacher=False,
    loss_kd_t=dict(type='mmssc.FeatureDistillationLoss', loss_weight=0.25),
    loss_kd_sc=dict(type='mmssc.ClassCenterDistillationLoss', temperature=1.0, loss_weight=0.25),
    loss_kd_sa=dict(type='mmssc.ClassAffinityDistillationLoss', loss_weight=0.25),
)
# Training reads both TSDF volumes, prediction the sensor's alone.
train_dataloader = dict(batch_size=2, drop_last=True, dataset=dict(clean_source='nyucad'))
default_hooks = dict(checkpoint=dict(save_best='ssc/SSC_mIoU_nyu', rule='greater'))
