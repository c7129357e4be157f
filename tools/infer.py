r"""Predict the scene of your own images.

    python tools/infer.py CONFIG CHECKPOINT --image image.png --depth depth.npy \
        --calib calib.txt --out predictions

Depth maps (``--depth``) or points (``--points``) come from any stereo or mono method, or a lidar.
Several images are several scenes of one camera. For temporal models, give the earlier frames of a
scene with ``--earlier-image`` and their poses.

Models for depth cameras (configs/light, RGB-D) need the depth image and its intrinsics. Without
``--cam2world`` or ``--height``, the tool searches the floor in the depth image:

    python tools/infer.py light_depth_nyu --depth depth.png --cam2img FX FY CX CY --out predictions
"""

from __future__ import annotations

from mmssc.command_line import FINDINGS, add_overwrite_option, command, prepare_process

prepare_process()

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config

from mmssc.apis import (
    DEPTH_KINDS,
    PREDICTION_FORMATS,
    RGBDInferencer,
    build_inferencer,
    is_rgbd_config,
    prediction_paths,
    read_config,
    read_depth_image,
    save_prediction,
)
from mmssc.config_file import CONFIG_HELP, add_cfg_options, config_errors
from mmssc.engine.launch import require_checkpoint
from mmssc.errors import DataError
from mmssc.fileio import check_outputs, check_writable, note_outputs
from mmssc.formats.file_warnings import warning_anew
from mmssc.formats.images import read_rgb
from mmssc.formats.kitti import read_calib, read_poses
from mmssc.formats.matrices import read_matrix, to_homogeneous
from mmssc.geometry import check_placement, describe_camera, turn_camera
from mmssc.preparation.command_line import (
    add_cropped_option,
    positive_integer,
    positive_number,
    spaced_number,
)
from mmssc.resources import find_config
from mmssc.structures.camera_checks import as_pose
from mmssc.structures.camera_placement import check_room_camera
from mmssc.visualization.scene import FORMATS

# The maker of the predictions.
MAKER = 'infer.py'
# Options of the other kind of model, which this one would ignore.
DRIVING_OPTIONS = ('points', 'calib', 'lidar2cam', 'earlier_image', 'earlier_depth',
                   'earlier_points', 'poses', 'frames', 'crop')  # fmt: skip
RGBD_OPTIONS = ('cam2world', 'segmentation', 'depth_kind', 'depth_scale', 'height', 'tilt', 'roll',
                'rotate', 'show_all')  # fmt: skip


def build_parser() -> argparse.ArgumentParser:
    """The options for both kinds of model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('config', help=CONFIG_HELP)
    text = 'checkpoint file, or name of a model (default: the weights of a config given by name)'
    add('checkpoint', nargs='?', help=text)
    add('--image', nargs='+', metavar='FILE', help='images, one per scene')
    add('--depth', nargs='+', metavar='FILE', help='.npy or .png, one per scene')
    add('--points', nargs='+', metavar='FILE', help='.bin (float32 x y z w), one per image')
    add('--calib', help='calib.txt of KITTI: P2 and Tr')
    add('--cam2img', nargs='+', type=spaced_number, metavar='N',
        help='9 numbers, or 12 (P2), row by row; for a depth camera also fx fy cx cy')  # fmt: skip
    add_cropped_option(parser)
    add('--lidar2cam', nargs=12, type=float, metavar='N', help='voxel frame to camera, 3x4')
    add('--earlier-image', nargs='+', default=[], metavar='FILE', help='earlier frames of a scene')
    add('--earlier-depth', nargs='+', metavar='FILE', help='one per earlier image')
    add('--earlier-points', nargs='+', metavar='FILE', help='one per earlier image')
    add('--poses', help='poses.txt of KITTI: camera poses')
    add('--frames', nargs='+', type=int, metavar='N', help='lines of --poses (from 0): the image, '
        'then the earlier ones')  # fmt: skip
    text = 'depth camera: text file with the 4x4 pose in a world with z up and the floor at 0'
    add('--cam2world', type=Path, metavar='FILE', help=f'{text} (default: search the floor)')
    text = 'depth camera: 16-bit PNG in millimetres (default), or as SSCNet distributes NYU'
    add('--depth-kind', choices=tuple(DEPTH_KINDS), default='mm', help=text)
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
    add('--show-all', action='store_true',
        help='depth camera: also draw voxels behind the farthest measured surface')  # fmt: skip
    add('--grid-shape', nargs=3, type=int, metavar='N', help='predict another box: voxels per axis')
    add('--grid-origin', nargs=3, type=float, metavar='METRES', help='lower corner of that box')
    add('--voxel-size', type=float, metavar='METRES', help='voxel size of that box')
    add('--crop', action='store_true', help="crop images to the size of the config's data set")
    add('--out', required=True, type=Path, metavar='DIR', help='folder for the results')
    add('--formats', nargs='+', choices=PREDICTION_FORMATS, default=['npy', 'png', 'ply', 'html'],
        help='default: npy png ply html')  # fmt: skip
    add('--device', help='default: the GPU if there is one')
    add('--batch-size', type=positive_integer, default=1, help='scenes at once')
    add_overwrite_option(parser)
    add_cfg_options(parser)
    return parser


def check_options(parser: argparse.ArgumentParser, args: argparse.Namespace, is_rgbd: bool) -> None:
    """Refuse options that the model does not take, and ask for those that it needs.

    Raises:
        DataError: An option is missing or does not fit the model.
    """
    for name in DRIVING_OPTIONS if is_rgbd else RGBD_OPTIONS:
        if getattr(args, name) != parser.get_default(name):
            own, other = ('depth cameras', 'images') if is_rgbd else ('images', 'depth cameras')
            hint = f'Leave it out, or give the config of a model for {other}'
            option, expected = f'--{name.replace("_", "-")}', f'an option of models for {own}'
            raise DataError(option, None, expected, f'one of models for {other}', hint)
    if is_rgbd:
        if not (args.depth and args.cam2img):
            expected = '--depth and --cam2img, which this model needs'
            missing = [name for name in ('depth', 'cam2img') if not getattr(args, name)]
            found = f'no {" and no ".join(f"--{name}" for name in missing)}'
            raise DataError('command line', None, expected, found)
        return
    if not args.image:
        raise DataError('command line', None, '--image, which this model needs', 'none')
    if bool(args.calib) == bool(args.cam2img and args.lidar2cam):
        expected = 'either --calib, or --cam2img and --lidar2cam'
        raise DataError('command line', None, expected, 'both' if args.calib else 'neither')
    if args.earlier_image and len(args.image) != 1:
        raise DataError('--earlier-image', None, 'one --image', f'{len(args.image)} images')
    if bool(args.earlier_image) != bool(args.poses and args.frames):
        expected = '--earlier-image, --poses and --frames together'
        raise DataError('command line', None, expected, 'only some of them')


def read_camera(args: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """Projection (3, 3 or 4) and ``lidar2cam`` (4, 4)."""
    if args.calib:
        calib = read_calib(args.calib)
        for name in ('P2', 'Tr'):
            if name not in calib:
                raise DataError(args.calib, name, 'a 3x4 matrix', 'none')
        return calib['P2'], to_homogeneous(calib['Tr'])
    if len(args.cam2img) not in (9, 12):
        raise DataError('--cam2img', None, '9 or 12 numbers', len(args.cam2img))
    lidar2cam = np.reshape(args.lidar2cam, (3, 4))
    return np.reshape(args.cam2img, (3, -1)), to_homogeneous(lidar2cam)


def earlier_frames(args: argparse.Namespace, lidar2cam: np.ndarray) -> list[dict[str, Any]]:
    """Earlier frames for :class:`~mmssc.apis.DrivingInferencer`, from camera poses."""
    if not args.earlier_image:
        return []
    count = len(args.earlier_image)
    for name in ('earlier_depth', 'earlier_points'):
        given = getattr(args, name)
        if given is not None and len(given) != count:
            raise DataError(f'--{name.replace("_", "-")}', None, f'{count} files', len(given))
    poses = read_poses(args.poses)
    if len(args.frames) != count + 1 or not all(0 <= n < len(poses) for n in args.frames):
        hint = f'{args.poses} has {len(poses)} poses'
        raise DataError('--frames', None, f'{count + 1} of 0..{len(poses) - 1}', args.frames, hint)
    lidar = [np.linalg.inv(lidar2cam) @ poses[n] @ lidar2cam for n in args.frames]
    columns = (args.earlier_depth or [None] * count, args.earlier_points or [None] * count)
    return [
        dict(img=image, depth=depth, points=points, frame2ref=np.linalg.inv(lidar[0]) @ pose)
        for image, depth, points, pose in zip(args.earlier_image, *columns, lidar[1:])
    ]


def inferencer_of(cfg: Config, args: argparse.Namespace, **options: Any) -> Any:
    """The inferencer, for the box that the command line describes."""
    changes = dict(shape=args.grid_shape, origin=args.grid_origin, voxel_size=args.voxel_size)
    changes = {name: value for name, value in changes.items() if value is not None}
    grid = {**cfg.model.voxel_grid.to_dict(), **changes} if changes else None
    inferencer = build_inferencer(
        cfg, args.checkpoint, device=args.device, voxel_grid=grid, **options
    )
    if isinstance(inferencer, RGBDInferencer):
        inferencer.words = str  # Remedies name the options of this command.
    return inferencer


def infer_rgbd(cfg: Config, args: argparse.Namespace) -> int:
    """Predict scenes from depth images and write them; return the exit status.

    Raises:
        DataError: An input is missing or wrong.
    """
    if len(args.cam2img) not in (4, 9):
        raise DataError('--cam2img', None, '4 or 9 numbers', len(args.cam2img))
    cam2img = args.cam2img if len(args.cam2img) == 4 else np.reshape(args.cam2img, (3, 3))
    if args.height is not None:
        angles = math.radians(args.tilt), math.radians(args.roll)
        check_placement(args.height, *angles, in_command=True)
    pose = None
    if args.cam2world is not None:
        pose = as_pose(read_matrix(args.cam2world, (4, 4)), args.cam2world, 'pose')
        # The inferencer repeats this check, without the name of the file.
        _, turn = turn_camera(torch.eye(3), (1, 1), args.rotate or 0)
        upright = pose @ turn.numpy().T
        check_room_camera(upright, args.cam2world, 'pose', has_floor=args.grid_origin is None)
    count = len(args.depth)
    columns = []
    for name in ('image', 'segmentation'):
        files = getattr(args, name) or [None] * count
        if len(files) != count:
            raise DataError(f'--{name}', None, f'{count} files, one per depth image', len(files))
        columns.append(files)
    stems = output_stems(args, args.depth)
    inferencer = inferencer_of(cfg, args)

    turns = -(args.rotate or 0) // 90

    def predict(scenes: list[int]) -> None:
        for number in scenes:
            depth, image, segmentation = (files[number] for files in (args.depth, *columns))
            sample = inferencer(
                depth, cam2img, pose, image, segmentation,
                depth_kind=args.depth_kind, origin=args.grid_origin, height=args.height,
                tilt=math.radians(args.tilt), roll=math.radians(args.roll),
                depth_scale=args.depth_scale, rotate=args.rotate,
                cropped_images=args.cropped_images,
            )  # fmt: skip
            measured = read_depth_image(depth, args.depth_kind, args.depth_scale)
            pictures = [None if image is None else read_rgb(image), measured]
            turned = [
                None if one is None else np.ascontiguousarray(np.rot90(one, turns))
                for one in pictures
            ]
            write(args, depth, stems[number], sample, inferencer.dataset_meta, *turned)
            print(f'  {describe_pose(sample)}')

    return predict_all(args.depth, 1, predict)


def predict_all(names: list[str], size: int, predict: Callable[[list[int]], None]) -> int:
    """Predict all scenes, ``size`` at once; a scene with wrong input does not stop the others.

    Returns:
        0, or :data:`FINDINGS` if some scenes could not be predicted.

    Raises:
        DataError: No scene could be predicted: the error of the first one.
    """
    failures: dict[str, DataError] = {}
    for start in range(0, len(names), size):
        scenes = list(range(start, min(start + size, len(names))))
        try:
            predict(scenes)
        except DataError as error:
            if len(scenes) == 1:
                failures[names[start]] = error
                continue
            # One by one, to find the wrong scene of several.
            for number in scenes:
                try:
                    predict([number])
                except DataError as fault:
                    failures[names[number]] = fault
    if len(failures) == len(set(names)):
        raise next(iter(failures.values()))
    for name, failure in failures.items():
        print(f'error: {name}: not predicted: {failure}', file=sys.stderr)
    if failures:
        print(f'{len(failures)} of {len(names)} scenes not predicted', file=sys.stderr)
    return FINDINGS if failures else 0


def describe_pose(sample: Any) -> str:
    """Height, tilt and roll of the camera, and where they come from."""
    pose = torch.from_numpy(np.linalg.inv(sample.lidar2cam[0]))
    confidence = sample.floor_confidence
    how = 'as given' if confidence is None else f'from the floor, confidence {confidence:.2f}'
    return f'{describe_camera(pose)} ({how})'


def unique_stems(names: list[str]) -> list[str]:
    """File names without folder and suffix, numbered if two scenes would write the same file."""
    stems = [Path(name).stem for name in names]
    written = [
        path for stem in stems for path in prediction_paths(stem, PREDICTION_FORMATS).values()
    ]
    if len(set(written)) != len(written):
        stems = [f'{number:03d}_{stem}' for number, stem in enumerate(stems)]
    return stems


def output_stems(args: argparse.Namespace, names: list[str]) -> list[str]:
    """Stems of the files to write.

    Raises:
        DataError: A file to write is an input, or exists and --overwrite is not given.
    """
    stems = unique_stems(names)
    options = ('image', 'depth', 'points', 'segmentation', 'earlier_image', 'earlier_depth',
               'earlier_points')  # fmt: skip
    inputs = [name for option in options for name in getattr(args, option) or ()]
    inputs += [find_config(args.config), args.checkpoint]
    inputs += filter(None, (args.calib, args.poses, args.cam2world))
    outputs = [
        path for stem in stems for path in prediction_paths(args.out / stem, args.formats).values()
    ]
    check_outputs(outputs, inputs, args.overwrite, MAKER)
    return stems


def write(
    args: argparse.Namespace,
    name: str,
    stem: str,
    sample: Any,
    meta: Any,
    image: np.ndarray | None,
    depth: np.ndarray | None = None,
) -> None:
    """Write a prediction and print its path."""
    occupied = float((sample.pred_voxels > 0).float().mean())
    print(f'{name}: {occupied:.1%} of {tuple(sample.pred_voxels.shape)} voxels occupied')
    reach = sample.get('within_reach')
    if reach is not None and not args.show_all and set(args.formats) & set(FORMATS):
        hidden = int(((sample.pred_voxels > 0) & ~reach).sum())
        print(f'  {hidden} voxels behind the farthest measured surface are not drawn (--show-all)')
    note_outputs(prediction_paths(args.out / stem, args.formats).values(), MAKER)
    paths = save_prediction(
        sample, meta, args.out / stem, args.formats, image, args.show_all, depth
    )
    for path in paths:
        print(f'  {path}')


def infer_driving(cfg: Config, args: argparse.Namespace) -> int:
    """Predict scenes from images and write them; return the exit status.

    Raises:
        DataError: An input is missing or wrong.
    """
    for name in ('depth', 'points'):
        files = getattr(args, name)
        if files is not None and len(files) != len(args.image):
            found = f'{len(files)} for {len(args.image)} images'
            raise DataError(f'--{name}', None, 'one file per image', found)
    cam2img, lidar2cam = read_camera(args)
    earlier = earlier_frames(args, lidar2cam)
    stems = output_stems(args, args.image)
    inferencer = inferencer_of(cfg, args, crop=args.crop)

    def predict(scenes: list[int]) -> None:
        images, depth, points = (
            None if files is None else [files[number] for number in scenes]
            for files in (args.image, args.depth, args.points)
        )
        results = inferencer(
            images, cam2img, lidar2cam, depth=depth, points=points,
            earlier_frames=[earlier] if earlier else (), batch_size=args.batch_size,
            cropped_images=args.cropped_images,
        )  # fmt: skip
        for number, sample in zip(scenes, results):
            name = args.image[number]
            write(args, name, stems[number], sample, inferencer.dataset_meta, read_rgb(name))

    return predict_all(args.image, args.batch_size, predict)


@command
@warning_anew()  # Once per folder for all scenes, not per call of the inferencer.
def main() -> int:
    """Predict as the command line says."""
    parser = build_parser()
    args = parser.parse_intermixed_args()  # CONFIG --out DIR CHECKPOINT works, too.
    with config_errors(args.config):
        cfg = read_config(args.config, args.cfg_options)
        is_rgbd = is_rgbd_config(cfg)
        check_options(parser, args, is_rgbd)
        args.checkpoint = require_checkpoint(args.checkpoint, args.config)
        check_writable(args.out, 'Give another folder for --out')
        return (infer_rgbd if is_rgbd else infer_driving)(cfg, args)


if __name__ == '__main__':
    sys.exit(main())
