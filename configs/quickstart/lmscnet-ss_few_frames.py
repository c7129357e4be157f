"""LMSCNet-SS learns a handful of real scans on a CPU."""

_base_ = [
    '../_base_/datasets/semantic_kitti_few_scans.py',
    '../_base_/models/lmscnet.py',
    '../_base_/schedules/adamw_300i_lidar.py',
    '../_base_/short_iteration_runtime.py',
]

model = dict(
    head=dict(
        scales=(1,),
        # In a few hundred steps, cross entropy alone leaves hidden voxels empty.
        losses=dict(
            sem_scal=dict(type='mmssc.SemanticScalLoss'),
            geo_scal=dict(type='mmssc.GeometricScalLoss'),
        ),
    ),
    train_window=(96, 96),
)
