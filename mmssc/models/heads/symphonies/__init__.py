"""Head of Symphonies and the layers that only it uses."""

from .deform_transformer import (
    DeformableTransformerLayer,
    SqueezedDeformableLayer,
    TransformerLayer,
)
from .scene_classifier import SceneClassifier, TransposedConvBlock3D
from .scene_position import ScenePosition
from .symphonies_decoder import SymphoniesDecoder
from .symphonies_head import SymphoniesHead

__all__ = [
    'DeformableTransformerLayer', 'SceneClassifier', 'ScenePosition', 'SqueezedDeformableLayer',
    'SymphoniesDecoder', 'SymphoniesHead', 'TransformerLayer', 'TransposedConvBlock3D',
]  # fmt: skip
