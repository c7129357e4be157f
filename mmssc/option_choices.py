"""Values that options of commands name: parsers need them, but not the code behind them.

Only the standard library is imported here, so that ``--help`` takes no time.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    'CHART_SUFFIXES', 'CHECKPOINT_METHODS', 'DEPTH_KINDS', 'DRIVING_GRID', 'EXPORT_FORMATS',
    'KITTI_360_SPLITS', 'LABEL_DATASETS', 'MAX_DISPARITY', 'NYU_CAMERAS', 'NYU_GRID',
    'NYU_IMAGE_SIZE', 'PARITY_METHODS', 'PICTURE_FORMATS', 'PREDICTION_FORMATS', 'RGBD_SOURCES',
    'RUNS', 'SEMANTIC_KITTI_SPLITS', 'Splits',
]  # fmt: skip

#: Split -> sequences.
Splits = dict[str, tuple[str, ...]]

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
)  # fmt: skip
#: Methods and variants with a parity check.
PARITY_METHODS = (
    'sgn-T', 'sgn-S', 'sgn-L', 'sgn-tiny', 'cleaners', 'sketch', 'symphonies', 'symphonies-small',
    'symphonies-decoder', 'ammnet',
)  # fmt: skip
#: What a comparison of two versions runs.
RUNS = ('inference', 'training')

#: Search range of stereo matching, pixels.
MAX_DISPARITY = 128
#: How depth images store millimetres: as they are, or as SSCNet distributes NYU.
DEPTH_KINDS = ('mm', 'nyu')
#: Kinds of raw depth of NYU.
RGBD_SOURCES = ('nyu', 'nyucad')
#: Height and width of the images of NYU, pixels.
NYU_IMAGE_SIZE = (480, 640)
#: fx, fy, cx, cy in pixels. The Kinect of NYU, as in the files of 3D-Sketch, CleanerS and AMMNet,
#: and the camera that rendered NYUCAD; SSCNet and DDRNet use the latter for both.
NYU_CAMERAS = dict(nyu=(518.8579, 519.4696, 325.58, 253.74), nyucad=(518.8579, 518.8579, 320, 240))

#: Voxel grid of SemanticKITTI and SSCBench-KITTI-360, in the lidar frame, metres.
DRIVING_GRID: dict[str, Any] = dict(
    origin=[0.0, -25.6, -2.0], voxel_size=[0.2] * 3, shape=[256, 256, 32]
)
#: Voxel grid of NYU and NYUCAD, metres.
NYU_GRID: dict[str, Any] = dict(
    origin=[0.0, 0.0, 0.0], voxel_size=[0.08] * 3, shape=[60, 36, 60], axes=['x', 'z', 'y'],
    frame='world',
)  # fmt: skip
#: Official splits.
SEMANTIC_KITTI_SPLITS: Splits = {
    'train': ('00', '01', '02', '03', '04', '05', '06', '07', '09', '10'),
    'val': ('08',),
    'test': tuple(str(number) for number in range(11, 22)),
}
KITTI_360_SPLITS: Splits = {
    split: tuple(f'2013_05_28_drive_{number:04d}_sync' for number in numbers)
    for split, numbers in (('train', (0, 2, 3, 4, 5, 7, 10)), ('val', (6,)), ('test', (9,)))
}
