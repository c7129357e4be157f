# SSCNet-full for a short training on a CPU.
_base_ = ['./sscnet.py', './lidar_short_training.py']

model = dict(head=dict(losses=_base_.affinity_losses), train_window=_base_.train_window)
