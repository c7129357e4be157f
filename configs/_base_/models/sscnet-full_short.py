# SSCNet-full for a short training on a CPU.
_base_ = './sscnet.py'

model = dict(
    head=dict(
        # As in lmscnet-ss_short.py.
        losses=dict(
            sem_scal=dict(type='mmssc.SemanticScalLoss'),
            geo_scal=dict(type='mmssc.GeometricScalLoss'),
        ),
    ),
    train_window=(96, 96),
)
