"""Preparation of raw data for training: labels, depth, pseudo-lidar, TSDF and info files."""

from .driving.command import prepare_driving
from .driving.layouts import SemanticKITTILayout, SSCBenchKITTI360Layout

__all__ = ['SSCBenchKITTI360Layout', 'SemanticKITTILayout', 'prepare_driving']
