"""The options of the driving data set converters."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmssc.option_choices import MAX_DISPARITY
from mmssc.shared_options import add_cropped_option, add_work_options, positive_integer

__all__ = ['build_parser']

_STEPS = ('labels', 'depth', 'pseudo_lidar', 'infos')


def build_parser(
    splits: Mapping[str, Sequence[str]], grid: Mapping[str, Any], description: str
) -> argparse.ArgumentParser:
    """The options of a converter.

    Args:
        splits: Official sequences of ``train``, ``val`` and ``test``.
        grid: Official voxel grid: ``origin``, ``voxel_size`` (metres) and ``shape``.
        description: For ``--help``.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add('root', type=Path, help='root folder of the data set; results are written below it')
    add('--steps', nargs='+', choices=_STEPS, default=list(_STEPS), help='what to make')
    text = 'only these in labels, depth and pseudo_lidar (infos list all on disk)'
    add('--sequences', nargs='+', metavar='SS', help=text)
    for option in ('--train-sequences', '--val-sequences', '--test-sequences'):
        split = option[2:].partition('-')[0]
        text = f'sequences of the {split} split'
        add(option, nargs='*', metavar='SS', default=list(splits[split]), help=text)
    add_work_options(parser)
    add_cropped_option(parser)
    text = 'make depth and pseudo-lidar of every image, or only of those with a voxel volume'
    add('--frames', choices=('all', 'samples'), default='all', help=text)
    _add_grid_options(parser, grid)
    _add_depth_options(parser)
    group = parser.add_argument_group('pseudo-lidar')
    add = group.add_argument
    text = 'leave out points at this height or above, metres'
    add('--max-height', type=float, default=80.0, help=text)
    text = 'keep only points that can be in the grid of a sample that reads the frame'
    add('--crop', action='store_true', help=text)
    text = 'with --crop: frame offsets of the models that you will train'
    add('--crop-offsets', nargs='*', type=int, default=[-12, -9, -6, -3], help=text)
    return parser


def _add_grid_options(parser: argparse.ArgumentParser, grid: Mapping[str, Any]) -> None:
    add = parser.add_argument_group('labels').add_argument
    text = 'pooling factors of the label volumes 1_1, 1_2, 1_4, 1_8'
    add('--label-factors', nargs='+', type=int, choices=(1, 2, 4, 8), default=[1, 2], help=text)
    axes = ('X', 'Y', 'Z')
    text = 'voxels of the 1_1 grid'
    add(
        '--grid-shape',
        nargs=3,
        type=positive_integer,
        metavar=axes,
        default=grid['shape'],
        help=text,
    )
    text = 'metres, one number or three'
    add('--voxel-size', nargs='+', type=float, default=grid['voxel_size'], help=text)
    text = 'lower corner of the grid, metres'
    add('--grid-origin', nargs=3, type=float, metavar=axes, default=grid['origin'], help=text)


def _add_depth_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group('depth').add_argument
    text = (
        'stereo matching, or a folder DIR/SS/FFFFFF.npy|png of another estimator; by default, '
        'existing depth maps, or stereo if there are none'
    )
    add('--depth-from', metavar='stereo|DIR', help=text)
    text = 'content of DIR: metres or pixels (in a .png, times 256)'
    add('--depth-kind', choices=('depth', 'disparity'), default='depth', help=text)
    text = 'float32, or 16 bit in 1/256 m: smaller, up to 255.99 m'
    add('--depth-format', choices=('npy', 'png'), default='npy', help=text)
    text = 'stereo search range in pixels, a multiple of 16'
    add('--max-disparity', type=positive_integer, default=MAX_DISPARITY, help=text)
    text = 'stereo baseline, instead of that of the calibration'
    add('--baseline', type=float, metavar='METRES', help=text)
