"""Head of VoxDet."""

from .directional_refinement import DirectionalRefinement, sampling_grids
from .volume_logits_head import VolumeLogitsHead
from .voxdet_head import VoxDetHead, VoxDetTargets

__all__ = [
    'DirectionalRefinement', 'VolumeLogitsHead', 'VoxDetHead', 'VoxDetTargets', 'sampling_grids',
]  # fmt: skip
