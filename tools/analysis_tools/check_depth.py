"""Compare a depth map of SemanticKITTI with the lidar scan of the same frame."""

from __future__ import annotations

from mmssc.command_line import add_overwrite_option, command, parse_early, prepare_process

prepare_process()

import argparse
import sys
from pathlib import Path

from mmssc.errors import DataError
from mmssc.fileio import atomic_write, check_outputs, note_outputs


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('root', type=Path, help='root folder of SemanticKITTI')
    parser.add_argument('--sequence', required=True, metavar='SS')
    parser.add_argument('--frame', required=True, metavar='FFFFFF')
    text = 'match the stereo images now instead of reading the prepared depth map'
    parser.add_argument('--stereo', action='store_true', help=text)
    text = 'leave out lidar points beyond this distance, metres'
    parser.add_argument('--max-depth', type=float, default=51.2, help=text)
    parser.add_argument('--out', type=Path, help='PNG to write: lidar overlay and depth map')
    add_overwrite_option(parser)
    return parser.parse_args()


if __name__ == '__main__':
    parse_early(parse_args)

import numpy as np
from PIL import Image

from mmssc.formats.depth_units import check_road_depth
from mmssc.formats.images import read_rgb
from mmssc.formats.kitti import read_depth, read_velodyne
from mmssc.geometry.stereo import stereo_disparity
from mmssc.preparation import SemanticKITTILayout
from mmssc.preparation.driving.depth_check import compare_depth, draw_depth_check, project_lidar
from mmssc.preparation.driving.layouts import StereoCalibration
from mmssc.preparation.driving.tasks import find_depth
from mmssc.structures import VoxelGrid

MAKER = 'check_depth.py'


def _read_or_match(
    layout: SemanticKITTILayout, calibration: StereoCalibration, arguments: argparse.Namespace
) -> np.ndarray:
    sequence, frame = arguments.sequence, arguments.frame
    if not arguments.stereo:
        folder = layout.depth_folder(sequence)
        path = find_depth(folder, frame)
        if path is None:
            hint = 'Run tools/dataset_converters/semantic_kitti.py, or give --stereo'
            raise DataError(folder / f'{frame}.npy', 'file', 'a depth map', 'none', hint)
        depth = read_depth(path)
        check_road_depth(path, depth, layout.depth_view(sequence, _grid(layout)))
        return depth
    if calibration.baseline_focal is None:
        raise DataError(layout.root, f'calibration of {sequence}', 'P3', 'none')
    left = read_rgb(layout.left_image(sequence, frame))
    disparity = stereo_disparity(left, read_rgb(layout.right_image(sequence, frame)))
    return np.where(disparity > 0, calibration.baseline_focal / np.maximum(disparity, 1e-3), 0)


def _grid(layout: SemanticKITTILayout) -> VoxelGrid:
    return VoxelGrid.build(layout.dataset.METAINFO['voxel_grid'])


def check_depth(arguments: argparse.Namespace) -> None:
    """Print the figures and write the picture.

    Raises:
        DataError: A file is missing or wrong, or the depth map and the image differ in size.
    """
    layout = SemanticKITTILayout(arguments.root)
    sequence, frame = arguments.sequence, arguments.frame
    check_outputs(filter(None, [arguments.out]), [arguments.root], arguments.overwrite, MAKER)
    calibration = layout.calibration(sequence)
    image = read_rgb(layout.left_image(sequence, frame))
    depth = _read_or_match(layout, calibration, arguments)
    size = (image.shape[0], image.shape[1])
    if depth.shape != size:
        raise DataError('depth map', 'shape', size, depth.shape)
    scan = layout.left_image(sequence, frame).parents[1] / 'velodyne' / f'{frame}.bin'
    pixels, lidar_depth = project_lidar(
        read_velodyne(scan), calibration.lidar2cam, calibration.projection, size,
        arguments.max_depth,
    )  # fmt: skip
    errors = compare_depth(depth, pixels, lidar_depth)
    print(f'{sequence}/{frame}: {errors.num_points} lidar points under {arguments.max_depth} m')
    print(f'depth there             {errors.valid:8.1%}')
    print(f'median relative error   {errors.median_relative:8.1%}')
    print(f'median signed error     {errors.median_signed:+8.1%}   (0 for a right baseline)')
    print(f'within 10 %             {errors.within_10_percent:8.1%}')
    if arguments.out:
        picture = draw_depth_check(image, depth, pixels, lidar_depth, arguments.max_depth)
        note_outputs([arguments.out], MAKER)
        with atomic_write(arguments.out) as file:
            Image.fromarray(picture).save(file, format='PNG')
        print(f'picture: {arguments.out}')


@command
def main() -> None:
    """Compare as the command line says."""
    check_depth(parse_args())


if __name__ == '__main__':
    sys.exit(main())
