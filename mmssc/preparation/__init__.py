"""Preparation of raw data for training: labels, depth, pseudo-lidar, TSDF and info files."""

from typing import TYPE_CHECKING

from mmssc.lazy_names import lazy_names

if TYPE_CHECKING:
    from .driving.command import prepare_driving
    from .driving.layouts import SemanticKITTILayout, SSCBenchKITTI360Layout

__all__ = ['SSCBenchKITTI360Layout', 'SemanticKITTILayout', 'prepare_driving']

# The options of the converters are in this package, too: --help needs no torch.
__getattr__ = lazy_names(
    __name__,
    {
        'driving.command': ['prepare_driving'],
        'driving.layouts': ['SSCBenchKITTI360Layout', 'SemanticKITTILayout'],
    },
)
