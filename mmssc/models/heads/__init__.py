"""Heads and their losses. A folder holds the head of one method and the layers only it uses."""

from .ammnet import ModulatedCompletionHead
from .block_head import BlockHead
from .image_semantic_head import ImageSemanticHead
from .scaled_volume_head import LMSCNetHead, ScaledVolumeHead, SSCNetHead
from .sgn import PointOccupancyHead, SGNHead
from .sketch import SketchHead, SketchSemanticHead
from .symphonies import SymphoniesDecoder, SymphoniesHead
from .volume_completion_head import VolumeCompletionHead, VolumeUNetHead
from .voxdet import VolumeLogitsHead, VoxDetHead

__all__ = [
    'BlockHead', 'ImageSemanticHead', 'LMSCNetHead', 'ModulatedCompletionHead',
    'PointOccupancyHead', 'SGNHead', 'SSCNetHead', 'ScaledVolumeHead', 'SketchHead',
    'SketchSemanticHead', 'SymphoniesDecoder', 'SymphoniesHead', 'VolumeCompletionHead',
    'VolumeUNetHead', 'VolumeLogitsHead', 'VoxDetHead',
]  # fmt: skip
