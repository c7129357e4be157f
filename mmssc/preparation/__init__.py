"""From raw drives to what training reads: labels, depth, pseudo-lidar and info files."""

from .driving.command import prepare
from .driving.layouts import SemanticKITTILayout, SSCBenchKITTI360Layout

__all__ = ['SSCBenchKITTI360Layout', 'SemanticKITTILayout', 'prepare']
