"""The options of the command, and which of them go together."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmssc.command_line import add_overwrite_option
from mmssc.config_options import CONFIG_HELP, add_cfg_options
from mmssc.errors import DataError
from mmssc.option_choices import DEPTH_KINDS, MAX_DISPARITY, PREDICTION_FORMATS
from mmssc.shared_options import (
    AMP_HELP,
    add_cropped_option,
    add_segmenter_options,
    check_segmenter_options,
    positive_integer,
    positive_number,
    spaced_number,
)

__all__ = ['build_parser', 'check_options']

# Kind of model -> what its models are for, and the options that not all kinds take.
_KINDS = {'driving': 'images', 'rgbd': 'depth cameras', 'lidar': 'scans'}
_OPTIONS = {
    'driving': (
        'image', 'depth', 'cam2img', 'cropped_images', 'points', 'image_right', 'baseline',
        'max_disparity', 'depth_model', 'calib', 'lidar2cam', 'earlier_image', 'earlier_depth',
        'earlier_points', 'earlier_image_right', 'poses', 'frames', 'frame_step', 'max_frames',
        'crop',
    ),
    'rgbd': (
        'image', 'depth', 'cam2img', 'cropped_images', 'cam2world', 'segmentation', 'depth_kind',
        'depth_scale', 'height', 'tilt', 'roll', 'rotate', 'show_all', 'segmenter',
        'segmenter_checkpoint', 'segmenter_table',
    ),
    'lidar': (
        'points', 'sensor_height', 'sensor_rotation', 'largest_intensity', 'earlier_points',
        'calib', 'poses', 'frames', 'frame_step', 'max_frames',
    ),
}  # fmt: skip
#: What videos and animated GIFs can have.
FRAME_RATES = (0.1, 100.0)
#: Largest number of frames of a folder or a video without ``--max-frames``.
MAX_FRAMES = 1000
#: Pictures per second of a video without ``--frame-rate``.
FRAME_RATE = 5.0


def build_parser(description: str) -> argparse.ArgumentParser:
    """The options for all kinds of model."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('config', help=CONFIG_HELP)
    add('checkpoint', nargs='?', help='checkpoint file, name of a model, or "untrained": random '
        'weights (default: the weights of a config given by name)')  # fmt: skip
    add('--image', nargs='+', metavar='FILE', help='images, one per scene; for a drive also a '
        'folder of images, or a video')  # fmt: skip
    add('--depth', nargs='+', metavar='FILE', help='.npy or .png, one per scene; for drives also '
        'a folder')  # fmt: skip
    add('--cam2img', nargs='+', type=spaced_number, metavar='N',
        help='9 numbers, or 12 (P2), row by row; for a depth camera also fx fy cx cy')  # fmt: skip
    add_cropped_option(parser)
    _add_driving_options(parser)
    _add_rgbd_options(parser)
    _add_lidar_options(parser)
    add('--grid-shape', nargs=3, type=int, metavar='N', help='predict another box: voxels per axis')
    add('--grid-origin', nargs=3, type=float, metavar='METRES', help='lower corner of that box')
    add('--voxel-size', type=float, metavar='METRES', help='voxel size of that box')
    add('--out', required=True, type=Path, metavar='DIR', help='folder for the results')
    add('--formats', nargs='+', choices=(*PREDICTION_FORMATS, 'mp4'),
        default=['npy', 'png', 'ply', 'html'],
        help='default: npy png ply html; mp4: one video of all scenes')  # fmt: skip
    add('--one-page', action='store_true',
        help='one HTML page with a slider over all scenes, not one for each')  # fmt: skip
    add('--frame-rate', type=positive_number, metavar='N',
        help=f'pictures per second of the video (default: {FRAME_RATE:g})')  # fmt: skip
    add('--device', help='default: the GPU if there is one')
    add('--amp', action='store_true', help=AMP_HELP)
    add('--batch-size', type=positive_integer, default=1,
        help='scenes at once; depth images and scans are predicted one by one')  # fmt: skip
    add_overwrite_option(parser)
    add_cfg_options(parser)
    return parser


def _add_driving_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add('--points', nargs='+', metavar='FILE', help='scans: .bin, .npy, .pcd, .ply, .las or '
        '.laz, or a folder of them; for models of images one per image')  # fmt: skip
    text = 'right images of rectified stereo pairs, one per image, instead of --depth; or a folder'
    add('--image-right', nargs='+', metavar='FILE', help=text)
    text = 'distance of the two cameras (default: that of P2 and P3 in --calib)'
    add('--baseline', type=positive_number, metavar='METRES', help=text)
    text = f'search range of stereo matching in pixels, a multiple of 16 (default: {MAX_DISPARITY})'
    add('--max-disparity', type=positive_integer, default=MAX_DISPARITY, metavar='N', help=text)
    add('--depth-model', metavar='MODULE:FUNCTION', help='depth from a function of your own, '
        'instead of --depth; runs the code of that module')  # fmt: skip
    add('--calib', help='calib.txt of KITTI: P2 and Tr')
    add('--lidar2cam', nargs=12, type=float, metavar='N', help='voxel frame to camera, 3x4')
    add('--earlier-image', nargs='+', default=[], metavar='FILE', help='earlier frames of a scene')
    add('--earlier-depth', nargs='+', metavar='FILE', help='one per earlier image')
    text = 'one per earlier image; for a model of scans: past scans, with --poses and --frames'
    add('--earlier-points', nargs='+', metavar='FILE', help=text)
    add('--earlier-image-right', nargs='+', metavar='FILE', help='one per earlier image')
    text = 'poses.txt of KITTI: camera poses, a line for each frame of a drive; for a model of '
    add('--poses', help=text + 'scans: poses of the LiDAR, or camera poses with --calib')
    add('--frames', nargs='+', type=int, metavar='N', help='with --earlier-image or scans: lines '
        'of --poses (from 0): the image or scan, then the earlier ones')  # fmt: skip
    text = 'take every N-th frame of a folder or a video (default: 1); models count these frames'
    add('--frame-step', type=positive_integer, default=1, metavar='N', help=text)
    text = f'take at most so many frames of a folder or a video (default: {MAX_FRAMES})'
    add('--max-frames', type=positive_integer, default=MAX_FRAMES, metavar='N', help=text)
    add('--crop', action='store_true', help="crop images to the size of the config's data set")


def _add_rgbd_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    text = 'depth camera: text file with the 4x4 pose in a world with z up and the floor at 0'
    add('--cam2world', type=Path, metavar='FILE', help=f'{text} (default: search the floor)')
    text = 'depth camera: 16-bit PNG in millimetres (default), or as SSCNet distributes NYU'
    add('--depth-kind', choices=DEPTH_KINDS, default='mm', help=text)
    text = 'depth camera: values of the depth images per metre (5000 for TUM RGB-D)'
    add('--depth-scale', type=positive_number, metavar='N', help=text)
    text = 'depth camera: height above the floor, metres, instead of searching the floor'
    add('--height', type=float, metavar='METRES', help=text)
    add('--tilt', type=float, default=0.0, metavar='DEGREES', help='with --height: angle below the '
        'horizon')  # fmt: skip
    text = 'with --height: clockwise turn of the camera'
    add('--roll', type=float, default=0.0, metavar='DEGREES', help=text)
    text = (
        'depth camera: turn the images clockwise by so many degrees, so that they are upright '
        '(default: 0, but refuse images that look turned)'
    )
    add('--rotate', type=int, choices=(0, 90, 180, 270), help=text)
    add('--segmentation', nargs='+', metavar='FILE', help='depth camera: 8-bit id images')
    add_segmenter_options(parser, 'depth camera: ')
    add('--show-all', action='store_true',
        help='depth camera: also draw voxels behind the farthest measured surface')  # fmt: skip


def _add_lidar_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    text = 'scans: height of the sensor above the ground (default: search the ground in the scan)'
    add('--sensor-height', type=positive_number, metavar='METRES', help=text)
    text = 'scans: turn of a sensor that is not level or does not look ahead: about x (forward), y '
    text += '(left; positive looks down) and z (up), in degrees'
    add('--sensor-rotation', nargs=3, type=float, metavar=('ROLL', 'PITCH', 'YAW'), help=text)
    text = 'scans: largest intensity that the sensor gives (default: 1, 255 or 65535)'
    add('--largest-intensity', type=positive_number, metavar='N', help=text)


def check_options(parser: argparse.ArgumentParser, args: argparse.Namespace, kind: str) -> None:
    """Refuse options that the model does not take, and ask for those that it needs.

    Args:
        parser: The parser.
        args: The command line.
        kind: ``'driving'``, ``'rgbd'`` or ``'lidar'``.

    Raises:
        DataError: An option is missing or does not fit the model.
    """
    for name in dict.fromkeys(name for names in _OPTIONS.values() for name in names):
        if name not in _OPTIONS[kind] and getattr(args, name) != parser.get_default(name):
            other = ' or '.join(_KINDS[one] for one in _KINDS if name in _OPTIONS[one])
            hint = f'Leave it out, or give the config of a model for {other}'
            option, expected = _option(name), f'an option of models for {_KINDS[kind]}'
            raise DataError(option, None, expected, f'one of models for {other}', hint)
    low, high = FRAME_RATES
    if args.frame_rate is not None and not low <= args.frame_rate <= high:
        expected = f'{low:g} to {high:g} pictures per second'
        raise DataError('--frame-rate', None, expected, args.frame_rate)
    if args.one_page and 'html' not in args.formats:
        hint = 'Add html to --formats'
        raise DataError('--one-page', None, 'html among the formats', args.formats, hint)
    if args.frame_rate is not None and 'mp4' not in args.formats:
        hint = 'Add mp4 to --formats'
        raise DataError('--frame-rate', None, 'mp4 among the formats', args.formats, hint)
    {
        'driving': _check_driving_options, 'rgbd': _check_rgbd_options,
        'lidar': _check_lidar_options,
    }[kind](args)  # fmt: skip


def _check_batch_size(args: argparse.Namespace, scenes: str) -> None:
    if args.batch_size != 1:
        expected = f'1: {scenes} are predicted one by one'
        raise DataError('--batch-size', None, expected, args.batch_size, 'Leave it out')


def _check_lidar_options(args: argparse.Namespace) -> None:
    _check_batch_size(args, 'scans')
    if not args.points:
        raise DataError('command line', None, '--points, which this model needs', 'none')
    if not Path(args.points[0]).is_dir() and (
        args.frame_step != 1 or args.max_frames != MAX_FRAMES
    ):
        expected = 'a folder of scans as --points'
        raise DataError('--frame-step, --max-frames', None, expected, 'single scans')


def _check_rgbd_options(args: argparse.Namespace) -> None:
    _check_batch_size(args, 'scenes of a depth camera')
    if not (args.depth and args.cam2img):
        expected = '--depth and --cam2img, which this model needs'
        missing = [name for name in ('depth', 'cam2img') if not getattr(args, name)]
        found = f'no {" and no ".join(f"--{name}" for name in missing)}'
        raise DataError('command line', None, expected, found)
    check_segmenter_options(args, '--image')


def _check_driving_options(args: argparse.Namespace) -> None:
    if not args.image:
        raise DataError('command line', None, '--image, which this model needs', 'none')
    numbers = [name for name in ('cam2img', 'lidar2cam') if getattr(args, name)]
    if len(numbers) != (0 if args.calib else 2):
        expected = 'either --calib, or --cam2img and --lidar2cam'
        given = ' and '.join(map(_option, ['calib'] * bool(args.calib) + numbers))
        found = f'only {given}' if len(numbers) == 1 and not args.calib else given or 'neither'
        raise DataError('command line', None, expected, found)
    sources = [
        name for name in ('depth', 'points', 'image_right', 'depth_model') if getattr(args, name)
    ]
    if len(sources) > 1:
        found = ' and '.join(map(_option, sources))
        raise DataError('command line', None, 'one source of depth', found)
    has_pairs = args.image_right or args.earlier_image_right
    for name in ('baseline', 'max_disparity'):
        if not has_pairs and getattr(args, name) not in (None, MAX_DISPARITY):
            raise DataError(_option(name), None, 'with --image-right', 'without it')
    if args.max_disparity % 16:
        raise DataError('--max-disparity', None, 'a multiple of 16', args.max_disparity)
    for name in ('earlier_depth', 'earlier_points', 'earlier_image_right'):
        if getattr(args, name) and not args.earlier_image:
            raise DataError(_option(name), None, 'with --earlier-image', 'without it')
    # They import OpenCV: not for --help.
    from mmssc.formats.video import is_video

    from .drive_frames import is_drive

    if len(args.image) > 1 and (videos := [*filter(is_video, args.image)]):
        expected, hint = 'images, or one video', 'Run the command once for each video'
        raise DataError('--image', None, expected, f'{videos[0]} and other files', hint)
    if is_drive(args):
        if args.earlier_image or args.frames:
            option = '--earlier-image' if args.earlier_image else '--frames'
            expected = 'a single image as --image'
            raise DataError(option, None, expected, 'a drive', 'Give --poses only')
        return
    _check_scene_options(args)


def _check_scene_options(args: argparse.Namespace) -> None:
    is_like_drive = args.poses and not (args.earlier_image or args.frames)
    if is_like_drive and len(args.image) == 1 and not Path(args.image[0]).exists():
        expected = 'a folder of images or a video'
        raise DataError(args.image[0], None, expected, 'no such file or folder')
    if args.frame_step != 1 or args.max_frames != MAX_FRAMES:
        expected = 'a folder of images or a video as --image'
        raise DataError('--frame-step, --max-frames', None, expected, 'single images')
    if args.earlier_image and len(args.image) != 1:
        raise DataError('--earlier-image', None, 'one --image', f'{len(args.image)} images')
    if len({bool(args.earlier_image), bool(args.poses), bool(args.frames)}) > 1:
        expected = '--earlier-image, --poses and --frames together'
        hint = 'A drive is a folder of images or a video as --image, with --poses'
        raise DataError('command line', None, expected, 'only some of them', hint)


def _option(name: str) -> str:
    return f'--{name.replace("_", "-")}'
