"""The command line of the driving data set converters."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmssc.command_line import command
from mmssc.errors import DataError
from mmssc.preparation.command_line import (
    add_cropped_option,
    add_work_options,
    positive_integer,
    run_converter,
)
from mmssc.preparation.folder_settings import info_list_to_write
from mmssc.preparation.frame_jobs import FrameRunner, StepReport
from mmssc.structures import VoxelGrid

from .camera_check import check_calibration
from .depth_steps import depth_recipes, make_depth
from .layouts import DrivingLayout
from .options import PreparationOptions
from .steps import make_infos, make_labels, make_pseudo_lidar

__all__ = ['build_parser', 'prepare_driving']

_STEPS = ('labels', 'depth', 'pseudo_lidar', 'infos')


def build_parser(layout: type[DrivingLayout], description: str) -> argparse.ArgumentParser:
    """The options of a converter."""
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
        add(option, nargs='*', metavar='SS', default=list(layout.splits[split]), help=text)
    add_work_options(parser)
    add_cropped_option(parser)
    text = 'make depth and pseudo-lidar of every image, or only of those with a voxel volume'
    add('--frames', choices=('all', 'samples'), default='all', help=text)
    _add_grid_options(parser, layout.dataset.METAINFO['voxel_grid'])
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
    add('--max-disparity', type=positive_integer, default=128, help=text)
    text = 'stereo baseline, instead of that of the calibration'
    add('--baseline', type=float, metavar='METRES', help=text)


def _read_options(arguments: argparse.Namespace, layout: DrivingLayout) -> PreparationOptions:
    available = layout.sequences()
    sequences = arguments.sequences or available
    unknown = sorted(set(sequences) - set(available))
    if unknown:
        raise DataError(layout.root, '--sequences', ', '.join(available), ', '.join(unknown))
    for sequence in sequences:
        layout.check_images(sequence)
    size = arguments.voxel_size
    grid = VoxelGrid(
        arguments.grid_origin, size * 3 if len(size) == 1 else size, arguments.grid_shape
    )
    factors = sorted({1, *arguments.label_factors})
    grid.coarsen(factors[-1])
    return PreparationOptions(
        grid=grid,
        splits={name: getattr(arguments, f'{name}_sequences') for name in ('train', 'val', 'test')},
        sequences=sorted(set(sequences)),
        label_factors=factors,
        samples_only=arguments.frames == 'samples',
        depth_from=arguments.depth_from,
        depth_kind=arguments.depth_kind,
        depth_suffix=f'.{arguments.depth_format}',
        max_disparity=arguments.max_disparity,
        baseline=arguments.baseline,
        max_height=arguments.max_height,
        crop_offsets=arguments.crop_offsets if arguments.crop else None,
        overwrite=arguments.overwrite,
        cropped_images=arguments.cropped_images,
    )


def _run_steps(
    layout: DrivingLayout,
    options: PreparationOptions,
    steps: Sequence[str],
    runner: FrameRunner,
) -> list[StepReport]:
    reports: list[StepReport] = []
    remarks: list[str] = []
    if 'infos' in steps:
        for split in options.splits:
            info_list_to_write(layout.info_file(split))
    if set(steps) != {'labels'}:
        # Before hours of work with a wrong camera.
        for sequence in options.sequences:
            remarks += check_calibration(layout, sequence, options.grid, options.cropped_images)
    if 'depth' in steps:
        depth_recipes(layout, options)
    if 'labels' in steps:
        reports.append(make_labels(layout, options, runner))
    without: set[tuple[str, str]] = set()
    if 'depth' in steps:
        reports.append(make_depth(layout, options, runner))
        without = set(reports[-1].failures)
    if 'pseudo_lidar' in steps:
        reports.append(make_pseudo_lidar(layout, options, runner, without))
    if 'infos' in steps:
        if any(report.failures for report in reports):
            reports.append(StepReport('infos', notes=['not written: see the failures']))
        else:
            reports.append(make_infos(layout, options))
    reports[-1].notes += remarks
    return reports


@command
def prepare_driving(
    layout_class: type[DrivingLayout], description: str, arguments: Sequence[str] | None = None
) -> int:
    """Run a converter.

    Args:
        layout_class: The data set.
        description: For ``--help``.
        arguments: Command line, by default that of this process.

    Returns:
        Exit status: 0 done, 1 when frames failed; others: :func:`mmssc.command_line.command`.
    """
    parsed = build_parser(layout_class, description).parse_args(arguments)

    def work() -> list[StepReport]:
        layout = layout_class(parsed.root)
        options = _read_options(parsed, layout)
        with FrameRunner(parsed.workers) as runner:
            return _run_steps(layout, options, parsed.steps, runner)

    prefix = layout_class.dataset.DATA_PREFIX
    folders = [parsed.root / prefix[step] for step in parsed.steps if step in prefix]
    return run_converter(work, parsed.root, folders=folders)
