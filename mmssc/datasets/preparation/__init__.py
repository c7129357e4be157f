"""From raw drives to what training reads: labels, depth, pseudo-lidar and info files."""

from .command import prepare
from .layouts import SemanticKITTILayout, SSCBenchKITTI360Layout

__all__ = ['SSCBenchKITTI360Layout', 'SemanticKITTILayout', 'prepare']
