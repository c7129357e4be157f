"""2D segmentation of colour images into the 13 classes that models with a segmentation read."""

from .class_table import CLASS_TABLE, read_class_table, segment_ids
from .segmenter import Segmenter, SegmenterSource, load_segmenter

__all__ = [
    'CLASS_TABLE', 'Segmenter', 'SegmenterSource', 'load_segmenter', 'read_class_table',
    'segment_ids',
]  # fmt: skip
