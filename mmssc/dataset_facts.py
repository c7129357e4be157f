"""What the data sets fix: grids, splits, and the cameras of NYU.

Only the standard library is imported here: the converters show these values in ``--help``, which
takes no time.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    'CARLASC_GRID', 'DRIVING_GRID', 'KITTI_360_SPLITS', 'NYU_CAMERAS', 'NYU_GRID', 'NYU_IMAGE_SIZE',
    'SEGMENT_NAMES', 'SEMANTIC_KITTI_SPLITS', 'Splits',
]  # fmt: skip

#: Split -> sequences.
Splits = dict[str, tuple[str, ...]]

#: Height and width of the images of NYU, pixels.
NYU_IMAGE_SIZE = (480, 640)
#: fx, fy, cx, cy in pixels. The Kinect of NYU, as in the files of 3D-Sketch, CleanerS and AMMNet,
#: and the camera that rendered NYUCAD; SSCNet and DDRNet use the latter for both.
NYU_CAMERAS = dict(nyu=(518.8579, 519.4696, 325.58, 253.74), nyucad=(518.8579, 518.8579, 320, 240))

#: The 13 classes of NYU's labelled images and 0 = none: the ids of the seg13 files of the papers.
SEGMENT_NAMES = (
    'none', 'bed', 'books', 'ceiling', 'chair', 'floor', 'furniture', 'objects', 'picture', 'sofa',
    'table', 'tv', 'wall', 'window',
)  # fmt: skip

#: Voxel grid of SemanticKITTI and SSCBench-KITTI-360, in the lidar frame, metres.
DRIVING_GRID: dict[str, Any] = dict(
    origin=[0.0, -25.6, -2.0], voxel_size=[0.2] * 3, shape=[256, 256, 32]
)
#: Voxel grid of CarlaSC, in CARLA's left-handed lidar frame (x forward, y right, z up), metres.
CARLASC_GRID: dict[str, Any] = dict(
    origin=[-25.6, -25.6, -2.0], voxel_size=[0.4, 0.4, 0.375], shape=[128, 128, 8], frame='carla'
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
