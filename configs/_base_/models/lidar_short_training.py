# For trainings of a few hundred steps on a CPU. Cross entropy alone leaves hidden voxels empty
# then, and a window of the scan makes a step seven times as cheap.
affinity_losses = dict(
    sem_scal=dict(type='mmssc.SemanticScalLoss'), geo_scal=dict(type='mmssc.GeometricScalLoss')
)
train_window = (96, 96)
