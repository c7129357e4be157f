"""Data sets: paths and metadata only; all reading happens in the transforms."""

from . import transforms
from .driving_dataset import SSCDataset
from .nyu import NYUDataset
from .semantic_kitti import SemanticKITTIDataset
from .sscbench_kitti360 import SSCBenchKITTI360Dataset

__all__ = [
    'NYUDataset',
    'SSCBenchKITTI360Dataset',
    'SSCDataset',
    'SemanticKITTIDataset',
    'transforms',
]
