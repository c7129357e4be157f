"""The options of the RGB-D converters."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmssc.dataset_facts import NYU_CAMERAS, NYU_GRID, NYU_IMAGE_SIZE
from mmssc.errors import DataError
from mmssc.option_choices import DEPTH_KINDS, RGBD_SOURCES
from mmssc.shared_options import (
    add_cropped_option,
    add_segmenter_options,
    add_work_options,
    positive_number,
)

__all__ = ['Camera', 'nyu_parser', 'own_parser']

Camera = tuple[float, float, float, float]


def nyu_parser(description: str) -> argparse.ArgumentParser:
    """The options of ``nyu.py``."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add('root', type=Path, help='folder of the raw or distributed files')
    add('--out', type=Path, help='folder for the results (the data root), if not ROOT')
    text = 'convert nothing: only write info lists of existing files, in any layout'
    add('--list-only', action='store_true', help=text)
    text = 'depth to convert (default: all that exist)'
    add('--sources', nargs='+', choices=RGBD_SOURCES, help=text)
    text = 'our files, one per frame, or the folders that 3D-Sketch, CleanerS and AMMNet read'
    add('--layout', choices=('prepared', 'torchssc'), default='prepared', help=text)
    text = 'a file of figures to compare every frame with, such as nyu_frames.csv'
    add('--verify', type=Path, metavar='CSV', help=text)
    add('--verify-source', default='nyu', help='what --verify checks')
    add_work_options(parser)
    add = parser.add_argument_group('files').add_argument
    names = '|'.join(NYU_CAMERAS)
    for option, name in (('--camera', 'nyu'), ('--cad-camera', 'nyucad')):
        text = f'camera of the depth of {name}: pixels of this image size, or a name (scaled to it)'
        metavar = f'{names}|FX,FY,CX,CY'
        add(option, type=_nyu_camera, default=name, metavar=metavar, help=text)
    text = 'bits rotated by 3 as SSCNet stores them, or plain millimetres'
    add('--depth-kind', choices=DEPTH_KINDS, default='nyu', help=text)
    text = 'a block of voxels half empty and half unknown is: empty (3D-Sketch) or ignore (DDRNet)'
    add('--tie', choices=('empty', 'ignore'), default='empty', help=text)
    _add_volume_options(parser)
    return parser


def _own_camera(text: str) -> Camera:
    """``fx,fy,cx,cy``, or a file with the 3 x 3 matrix."""
    try:
        fx, fy, cx, cy = (float(part) for part in text.split(','))
    except ValueError:
        if not Path(text).exists() and (',' in text or _is_number(text)):
            expected = 'four numbers with commas and without spaces, such as 585,585,320,240, '
            expected += 'or a file with the 3 x 3 matrix'
            raise argparse.ArgumentTypeError(f'{text}: expected {expected}') from None
        # They import torch: not for --help.
        from mmssc.formats.matrices import read_matrix
        from mmssc.structures.camera_checks import as_intrinsics

        try:
            matrix = as_intrinsics(read_matrix(Path(text), (3, 3)), text, 'matrix')
        except DataError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        (fx, _, cx), (_, fy, cy), _ = matrix.tolist()
    return fx, fy, cx, cy


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def own_parser(description: str) -> argparse.ArgumentParser:
    """The options of ``own_rgbd.py``."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add('root', type=Path, help='folder of the frames; results are written below it')
    text = 'intrinsics of the depth image in pixels, or a text file with the 3 x 3 matrix'
    add('--camera', type=_own_camera, required=True, metavar='FX,FY,CX,CY|FILE', help=text)
    add_cropped_option(parser)
    text = 'depth images below ROOT, with one * for the name of the frame'
    add('--depth', default='depth/*.png', metavar='PATTERN', help=text)
    text = 'colour images, registered with the depth and of its size'
    add('--color', metavar='PATTERN', help=text)
    add('--segmentation', metavar='PATTERN', help='8-bit images of class ids, of the same size')
    add_segmenter_options(parser)
    text = 'values of the depth image per metre'
    add('--depth-scale', type=positive_number, default=1000.0, help=text)
    add('--out', type=Path, help='folder for the results (the data root), if not ROOT')
    add_work_options(parser)
    add = parser.add_argument_group(
        'pose', 'Without options, the floor is searched in each depth image.'
    ).add_argument
    text = 'text files below ROOT: 4 x 4, camera to a world with z up and the floor at 0'
    add('--poses', metavar='PATTERN', help=text)
    add('--height', type=float, help='height of the camera above the floor, metres')
    add('--tilt', type=float, default=0.0, help='angle below the horizon, degrees; with --height')
    text = 'clockwise turn of the camera, degrees; with --height'
    add('--roll', type=float, default=0.0, help=text)
    text = (
        'degrees by which the depth images must be turned clockwise to be upright; without it, '
        'images that look turned are refused'
    )
    add('--rotate', type=int, choices=(0, 90, 180, 270), help=text)
    text = 'lower corner of the grid of every frame in the world; default: in front of the camera'
    add('--origin', nargs=3, type=float, metavar=('X', 'Y', 'Z'), help=text)
    _add_volume_options(parser, image_size=None)
    return parser


def _nyu_camera(text: str) -> str | Camera:
    """``nyu``, ``nyucad``, or ``fx,fy,cx,cy`` in pixels."""
    if text in NYU_CAMERAS:
        return text
    try:
        fx, fy, cx, cy = (float(part) for part in text.split(','))
    except ValueError:
        names = ', '.join(NYU_CAMERAS)
        raise argparse.ArgumentTypeError(f'{text!r} is not {names} or fx,fy,cx,cy') from None
    return fx, fy, cx, cy


def _add_volume_options(
    parser: argparse.ArgumentParser, image_size: tuple[int, int] | None = NYU_IMAGE_SIZE
) -> None:
    """Add the options of the grid, the image and the TSDF."""
    add = parser.add_argument_group('volumes').add_argument
    text = 'pixels, height and width'
    add('--image-size', nargs=2, type=int, default=image_size, metavar=('H', 'W'), help=text)
    text = 'voxels of the network along world x, z (up), y'
    add(
        '--grid-shape',
        nargs=3,
        type=int,
        default=NYU_GRID['shape'],
        metavar=('X', 'Z', 'Y'),
        help=text,
    )
    text = 'voxel size, metres'
    add('--voxel-size', type=float, default=NYU_GRID['voxel_size'][0], help=text)
    text = 'voxels of the fine grid (TSDF and labels) along an edge of a voxel of the network'
    add('--fine-factor', type=int, default=4, help=text)
    add('--truncation', type=float, default=0.24, help='truncation of the TSDF, metres')
    text = 'smallest and largest depth that the TSDF uses, metres'
    add(
        '--depth-limits',
        nargs=2,
        type=float,
        default=(0.5, 8.0),
        metavar=('LOW', 'HIGH'),
        help=text,
    )
    text = 'also write the TSDF of the fine grid (240 x 144 x 240; 1 to 2 MB per frame)'
    add('--fine', action='store_true', help=text)
