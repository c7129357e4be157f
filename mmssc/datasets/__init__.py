"""Data sets: paths and metadata only; the transforms read the files."""

from typing import Any

from mmssc.renamed import renamed_attribute

from . import transforms
from .carla_sc import CarlaSCDataset
from .driving_dataset import DrivingDataset
from .nyu import NYUDataset
from .rgbd_dataset import RGBDDataset
from .semantic_kitti import SemanticKITTIDataset
from .sscbench_kitti360 import SSCBenchKITTI360Dataset

__all__ = [
    'CarlaSCDataset',
    'NYUDataset',
    'RGBDDataset',
    'SSCBenchKITTI360Dataset',
    'DrivingDataset',
    'SemanticKITTIDataset',
    'transforms',
]


def __getattr__(name: str) -> Any:
    return renamed_attribute(__name__, globals(), name)
