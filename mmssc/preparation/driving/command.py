"""The command line of the driving data set converters."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mmssc.command_line import command
from mmssc.errors import DataError
from mmssc.preparation.command_line import LISTS_LATER, check_shard, run_converter
from mmssc.preparation.folder_settings import info_list_to_write
from mmssc.preparation.frame_jobs import FrameRunner, StepReport
from mmssc.structures import VoxelGrid

from .camera_check import check_calibration
from .depth_steps import depth_recipes, make_depth
from .layouts import DrivingLayout
from .options import PreparationOptions
from .parser import build_parser
from .steps import make_infos, make_labels, make_pseudo_lidar

__all__ = ['prepare_driving']


def _read_options(arguments: argparse.Namespace, layout: DrivingLayout) -> PreparationOptions:
    available = layout.sequences()
    sequences = arguments.sequences or available
    unknown = sorted(set(sequences) - set(available))
    if unknown:
        raise DataError(layout.root, '--sequences', ', '.join(available), ', '.join(unknown))
    for sequence in sequences:
        layout.check_images(sequence)
        if {'depth', 'pseudo_lidar'} & {*arguments.steps} and not layout.has_images(sequence):
            folder = layout.left_image(sequence, '*').parent
            hint = 'Methods that take the scans of the lidar need no images: --steps labels infos'
            raise DataError(folder, 'folder', 'images', 'no such folder', hint)
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
        shared=arguments.shard is not None,
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
        if options.shared:
            reports.append(StepReport('infos', notes=[LISTS_LATER]))
        elif any(report.failures for report in reports):
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
    grid = layout_class.dataset.METAINFO['voxel_grid']
    parsed = build_parser(layout_class.splits, grid, description).parse_args(arguments)
    check_shard(parsed, has_work=set(parsed.steps) != {'infos'})

    def work() -> list[StepReport]:
        layout = layout_class(parsed.root)
        options = _read_options(parsed, layout)
        with FrameRunner(parsed.workers, parsed.shard) as runner:
            return _run_steps(layout, options, parsed.steps, runner)

    prefix = layout_class.dataset.DATA_PREFIX
    folders = [parsed.root / prefix[step] for step in parsed.steps if step in prefix]
    return run_converter(work, parsed.root, folders=folders, shard=parsed.shard)
