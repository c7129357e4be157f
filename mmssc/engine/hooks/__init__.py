"""Hooks for the training and testing loops."""

from .checkpoint_match_hook import CheckpointMatchHook
from .epoch_seed_hook import EpochSeedHook, epoch_seed
from .optimizer_state_hook import OptimizerStateHook
from .ssc_visualization_hook import SSCVisualizationHook

__all__ = [
    'CheckpointMatchHook', 'EpochSeedHook', 'OptimizerStateHook', 'SSCVisualizationHook',
    'epoch_seed',
]  # fmt: skip
