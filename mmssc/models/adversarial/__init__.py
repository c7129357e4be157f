"""Adversarial training: discriminator, fake labels, alternating steps, distributed wrapper."""

from .discriminator import VolumeDiscriminator
from .distributed import AdversarialDistributedDataParallel
from .fake_labels import erase_voxels, one_hot_volume, shuffle_classes
from .step_modules import StepModel, StepModules, frozen

__all__ = [
    'AdversarialDistributedDataParallel', 'StepModel', 'StepModules', 'VolumeDiscriminator',
    'erase_voxels', 'frozen', 'one_hot_volume', 'shuffle_classes',
]  # fmt: skip
