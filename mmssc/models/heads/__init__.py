"""Heads; each owns its losses."""

from .point_occupancy_head import PointOccupancyHead
from .sgn_head import SGNHead

__all__ = ['PointOccupancyHead', 'SGNHead']
