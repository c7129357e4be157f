# LMSCNet-SS for a short training on a CPU.
_base_ = ['./lmscnet.py', './lidar_short_training.py']

model = dict(
    head=dict(scales=(1,), losses=_base_.affinity_losses), train_window=_base_.train_window
)
