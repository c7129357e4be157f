"""Completors: the top-level models."""

from .ammnet import AMMNet
from .base_completor import BaseCompletor
from .cleaners import CleanerS
from .lidar import LidarCompletor
from .light import LightCompletor
from .rgbd_completor import RGBDCompletor
from .sgn import SGN
from .sketch import SketchCompletor
from .symphonies import Symphonies
from .voxdet import VoxDet

__all__ = [
    'SGN', 'AMMNet', 'BaseCompletor', 'CleanerS', 'LidarCompletor', 'LightCompletor',
    'RGBDCompletor', 'SketchCompletor', 'Symphonies', 'VoxDet',
]  # fmt: skip
