"""The options of ``lidar_targets.py``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmssc.dataset_facts import DRIVING_GRID
from mmssc.shared_options import add_work_options, positive_integer

__all__ = ['MOVING_RULES', 'POSE_KINDS', 'build_parser']

#: Which scans give points of moving objects.
MOVING_RULES = ('own', 'all', 'none')
POSE_KINDS = ('camera', 'lidar')


def _number(text: str) -> int:
    """A whole number of 0..65535, for ``type=`` of :mod:`argparse`."""
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) < 1 << 16):
        raise argparse.ArgumentTypeError(f'{text} is not a whole number of 0..65535')
    return int(text)


def build_parser(description: str) -> argparse.ArgumentParser:
    """The options of the command.

    Args:
        description: For ``--help``.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add('root', type=Path, help='folder with dataset/sequences/SS/{velodyne,labels,poses.txt}')
    text = 'write dataset/sequences/SS/voxels below this folder, instead of ROOT'
    add('--out', type=Path, metavar='DIR', help=text)
    add('--sequences', nargs='+', metavar='SS', help='only these')
    text = 'make the frames whose number is a multiple of this'
    add('--every', type=positive_integer, default=5, metavar='N', help=text)
    text = 'camera: as in KITTI, with Tr of calib.txt; lidar: poses of the lidar itself'
    add('--poses', choices=POSE_KINDS, default='camera', help=text)
    add_work_options(parser)
    _add_scan_options(parser)
    add = parser.add_argument_group('grid').add_argument
    axes = ('X', 'Y', 'Z')
    add('--grid-shape', nargs=3, type=positive_integer, metavar=axes,
        default=DRIVING_GRID['shape'], help='voxels')  # fmt: skip
    text = 'metres, one number or three'
    add('--voxel-size', nargs='+', type=float, default=DRIVING_GRID['voxel_size'], help=text)
    text = 'lower corner in the frame of the lidar, metres'
    add('--grid-origin', nargs=3, type=float, metavar=axes, default=DRIVING_GRID['origin'],
        help=text)  # fmt: skip
    return parser


def _add_scan_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group('scans').add_argument
    add('--past', type=_number, default=0, metavar='N', help='earlier scans of each target')
    add('--future', type=_number, default=70, metavar='N', help='later scans of each target')
    text = 'raw ids whose points are left out: they are neither in .label nor in .bin'
    add('--drop-ids', type=_number, nargs='*', default=[0, 1], metavar='ID', help=text)
    text = 'raw ids of moving objects'
    add('--moving-ids', type=_number, nargs='*', default=list(range(252, 260)), metavar='ID',
        help=text)  # fmt: skip
    text = "points of moving objects: of the target's own scan, of all scans, or none"
    add('--moving', choices=MOVING_RULES, default='own', help=text)
    text = 'look for empty space from every N-th of the scans'
    add('--view-step', type=positive_integer, default=5, metavar='N', help=text)
    text = 'also write .label_1_K and .invalid_1_K as the official code of LMSCNet reads them; the '
    text += 'labels must be raw ids of SemanticKITTI'
    add('--coarse-labels', type=int, nargs='+', choices=(2, 4, 8), default=[], metavar='K',
        help=text)  # fmt: skip
    text = 'take empty space from dataset/sequences/SS/voxels/*.invalid and .occluded of this '
    text += 'folder, instead of rays'
    add('--empty-from', type=Path, metavar='DIR', help=text)
