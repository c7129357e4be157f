# LMSCNet-SS for a short training on a CPU.
_base_ = './lmscnet.py'

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
