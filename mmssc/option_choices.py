"""Values that options of commands name: parsers need them, but not the code behind them.

Only the standard library is imported here, so that ``--help`` takes no time.
"""

from __future__ import annotations

__all__ = [
    'CHART_SUFFIXES', 'CHECKPOINT_METHODS', 'DEPTH_KINDS', 'EXPORT_FORMATS', 'LABEL_DATASETS',
    'LIST_KINDS', 'MAX_DISPARITY', 'PARITY_METHODS', 'PICTURE_FORMATS', 'PREDICTION_FORMATS',
    'RGBD_SOURCES', 'RUNS',
]  # fmt: skip

#: Formats of the pictures of a scene.
PICTURE_FORMATS = ('png', 'bev', 'ply', 'glb', 'html')
#: Formats of a prediction.
PREDICTION_FORMATS = ('npy', 'label', *PICTURE_FORMATS)
#: Data sets whose labels can be drawn.
LABEL_DATASETS = ('semantickitti', 'sscbench-kitti360', 'nyu')
#: Endings of charts.
CHART_SUFFIXES = ('.png', '.pdf', '.svg')
#: Format of an exported network -> suffix of its files.
EXPORT_FORMATS = {'onnx': '.onnx', 'torch-export': '.pt2'}
#: Methods whose checkpoints can be imported.
CHECKPOINT_METHODS = (
    'sgn', 'cleaners', 'cleaners-teacher', 'ammnet', 'sketch', 'sketch-backbone', 'symphonies',
    'lmscnet', 'sscnet-full', 'sscnet', 'voxdet-lidar',
)  # fmt: skip
#: Methods and variants with a parity check.
PARITY_METHODS = (
    'sgn-T', 'sgn-S', 'sgn-L', 'sgn-tiny', 'cleaners', 'sketch', 'symphonies', 'symphonies-small',
    'symphonies-decoder', 'ammnet', 'lmscnet', 'lmscnet-ss', 'sscnet-full', 'sscnet',
    'carla-lmscnet-ss', 'carla-sscnet-full', 'voxdet-lidar',
)  # fmt: skip
#: What is measured of a model.
RUNS = ('inference', 'training')
#: Kinds of data lists whose growth is measured.
LIST_KINDS = ('driving', 'rgbd')

#: Search range of stereo matching, pixels.
MAX_DISPARITY = 128
#: How depth images store millimetres: as they are, or as SSCNet distributes NYU.
DEPTH_KINDS = ('mm', 'nyu')
#: Kinds of raw depth of NYU.
RGBD_SOURCES = ('nyu', 'nyucad')
