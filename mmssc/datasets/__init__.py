"""Data sets: paths and metadata only; all reading happens in the transforms."""

from . import transforms
from .semantic_kitti import SemanticKITTIDataset
from .ssc_dataset import SSCDataset
from .sscbench_kitti360 import SSCBenchKITTI360Dataset

__all__ = ['SSCBenchKITTI360Dataset', 'SSCDataset', 'SemanticKITTIDataset', 'transforms']
