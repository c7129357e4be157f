"""The command line shared by the data set converters."""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmssc.errors import DataError, MMSSCError
from mmssc.preparation.frame_jobs import FrameRunner, StepReport
from mmssc.structures import VoxelGrid

from .layouts import SequenceLayout
from .steps import PreparationOptions, make_depth, make_infos, make_labels, make_pseudo_lidar

__all__ = ['add_work_options', 'build_parser', 'positive_number', 'prepare', 'run_converter']

_STEPS = ('labels', 'depth', 'pseudo_lidar', 'infos')
_MAX_DEFAULT_WORKERS = 8
# Failures listed at the end; each was printed when it happened.
_FAILURES_SHOWN = 20
_INTERRUPTED = 130


def _available_cores() -> int:
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{value} is not positive')
    return value


def positive_number(text: str) -> float:
    """A finite number above 0, for options."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f'{text} is not a positive number')
    return value


def build_parser(layout: type[SequenceLayout], description: str) -> argparse.ArgumentParser:
    """The options of a converter."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add('root', type=Path, help='root folder of the data set; results are written below it')
    add('--steps', nargs='+', choices=_STEPS, default=list(_STEPS), help='what to make')
    text = 'only these in labels, depth and pseudo_lidar (infos cover what is on disk)'
    add('--sequences', nargs='+', metavar='SS', help=text)
    for option in ('--train-sequences', '--val-sequences', '--test-sequences'):
        split = option[2:].partition('-')[0]
        text = f'sequences of the {split} split'
        add(option, nargs='*', metavar='SS', default=list(layout.splits[split]), help=text)
    add_work_options(parser)
    text = 'depth and pseudo-lidar of every image, or only of those with a voxel volume'
    add('--frames', choices=('all', 'samples'), default='all', help=text)
    _add_grid_options(parser, layout.dataset.METAINFO['voxel_grid'])
    _add_depth_options(parser)
    group = parser.add_argument_group('pseudo-lidar')
    add = group.add_argument
    text = 'points at this height or above are left out, metres'
    add('--max-height', type=float, default=80.0, help=text)
    text = 'keep only points that can lie in the grid of a sample that reads the frame'
    add('--crop', action='store_true', help=text)
    text = 'with --crop: the frame offsets of the models you will train'
    add('--crop-offsets', nargs='*', type=int, default=[-12, -9, -6, -3], help=text)
    return parser


def add_work_options(parser: argparse.ArgumentParser) -> None:
    """``--workers`` and ``--overwrite``."""
    add = parser.add_argument
    cores = min(_available_cores(), _MAX_DEFAULT_WORKERS)
    add('--workers', type=_positive, default=cores, help='processes')
    text = 'make again what this command made before (not files of your own)'
    add('--overwrite', action='store_true', help=text)


def _add_grid_options(parser: argparse.ArgumentParser, grid: Mapping[str, Any]) -> None:
    add = parser.add_argument_group('labels').add_argument
    text = 'pooling factors of the label volumes 1_1, 1_2, 1_4, 1_8'
    add('--label-factors', nargs='+', type=int, choices=(1, 2, 4, 8), default=[1, 2], help=text)
    axes = ('X', 'Y', 'Z')
    text = 'voxels of the 1_1 grid'
    add('--grid-shape', nargs=3, type=_positive, metavar=axes, default=grid['shape'], help=text)
    text = 'metres, one number or three'
    add('--voxel-size', nargs='+', type=float, default=grid['voxel_size'], help=text)
    text = 'lower corner of the grid, metres'
    add('--grid-origin', nargs=3, type=float, metavar=axes, default=grid['origin'], help=text)


def _add_depth_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group('depth').add_argument
    text = (
        'stereo matching, or a folder DIR/SS/FFFFFF.npy|png of another estimator; left out: the '
        'depth maps that are there, else stereo'
    )
    add('--depth-from', metavar='stereo|DIR', help=text)
    text = 'what DIR holds: metres or pixels (a .png holds 256 times that)'
    add('--depth-kind', choices=('depth', 'disparity'), default='depth', help=text)
    text = 'float32, or 16 bit in 1/256 m: smaller, up to 255.99 m'
    add('--depth-format', choices=('npy', 'png'), default='npy', help=text)
    text = 'stereo search range in pixels, a multiple of 16'
    add('--max-disparity', type=_positive, default=128, help=text)
    text = 'stereo baseline, in place of the one in the calibration'
    add('--baseline', type=float, metavar='METRES', help=text)


def _read_options(arguments: argparse.Namespace, layout: SequenceLayout) -> PreparationOptions:
    available = layout.sequences()
    sequences = arguments.sequences or available
    unknown = sorted(set(sequences) - set(available))
    if unknown:
        raise DataError(layout.root, '--sequences', ', '.join(available), ', '.join(unknown))
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
    )


def _run_steps(
    layout: SequenceLayout,
    options: PreparationOptions,
    steps: Sequence[str],
    runner: FrameRunner,
) -> list[StepReport]:
    reports: list[StepReport] = []
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
    return reports


def _summarise(reports: Sequence[StepReport]) -> None:
    print(f'\n{"step":<14}{"made":>8}{"kept":>8}{"failed":>8}{"seconds":>10}')
    for report in reports:
        print(
            f'{report.step:<14}{report.made:>8}{report.kept:>8}{len(report.failures):>8}'
            f'{report.seconds:>10.1f}'
        )
    for report in reports:
        for note in report.notes:
            print(f'{report.step}: {note}')
    for report in reports:
        failures = list(report.failures.items())
        for (sequence, frame), message in failures[:_FAILURES_SHOWN]:
            print(f'error: {report.step}: {sequence}/{frame}: {message}', file=sys.stderr)
        if len(failures) > _FAILURES_SHOWN:
            print(f'error: {report.step}: {len(failures) - _FAILURES_SHOWN} more', file=sys.stderr)


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def prepare(
    layout_class: type[SequenceLayout], description: str, arguments: Sequence[str] | None = None
) -> int:
    """Run a converter.

    Args:
        layout_class: The data set.
        description: For ``--help``.
        arguments: Command line, by default that of this process.

    Returns:
        Exit status: 0 done, 1 when any input was at fault, 130 when stopped by the user.
    """
    parsed = build_parser(layout_class, description).parse_args(arguments)

    def work() -> list[StepReport]:
        layout = layout_class(parsed.root)
        options = _read_options(parsed, layout)
        with FrameRunner(parsed.workers) as runner:
            return _run_steps(layout, options, parsed.steps, runner)

    return run_converter(work)


def run_converter(work: Callable[[], list[StepReport]]) -> int:
    """Do the work of a converter: Ctrl-C, SIGTERM and bad input end it with one line, no traceback.

    Args:
        work: Returns what was done; the summary of it is printed.

    Returns:
        Exit status, see :func:`prepare`.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        reports = work()
    except KeyboardInterrupt:
        print('\nStopped. Run the same command again to go on.', file=sys.stderr)
        return _INTERRUPTED
    except (MMSSCError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGTERM, before)
    _summarise(reports)
    return int(any(report.failures for report in reports))
