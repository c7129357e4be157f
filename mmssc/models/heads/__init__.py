"""Heads; each owns its losses."""

from .image_semantic_head import ImageSemanticHead
from .modulated_completion_head import ModulatedCompletionHead
from .point_occupancy_head import PointOccupancyHead
from .sgn_head import SGNHead
from .sketch_head import SketchHead, SketchSemanticHead
from .symphonies_decoder import SymphoniesDecoder
from .symphonies_head import SymphoniesHead
from .volume_completion_head import VolumeCompletionHead

__all__ = [
    'ImageSemanticHead', 'ModulatedCompletionHead', 'PointOccupancyHead', 'SGNHead',
    'SketchHead', 'SketchSemanticHead', 'SymphoniesDecoder', 'SymphoniesHead',
    'VolumeCompletionHead',
]  # fmt: skip
