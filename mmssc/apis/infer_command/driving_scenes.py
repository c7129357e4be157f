"""Scenes of models for drives: what is read for them, and their predictions."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from mmssc.apis import Drive, load_depth_model
from mmssc.errors import DataError, counted
from mmssc.formats.images import read_rgb
from mmssc.formats.kitti import baseline_focal_of, read_calib, read_poses
from mmssc.formats.matrices import to_homogeneous
from mmssc.formats.video import is_video
from mmssc.preparation.driving.camera_check import check_baseline
from mmssc.progress import Progress

from ..model_loading import dataset_config_of
from .drive_frames import check_image_sizes, files_of_scenes, find_drive, is_drive, read_drive_poses
from .results import Results
from .scene_loop import inferencer_of, predict_all

__all__ = ['check_frames', 'infer_driving']

# Key of a frame -> option.
_EARLIER = {
    'depth': 'earlier_depth',
    'points': 'earlier_points',
    'img_right': 'earlier_image_right',
}


def infer_driving(cfg: Config, args: argparse.Namespace) -> int:
    """Predict scenes from images and write them; return the exit status.

    Raises:
        DataError: An input is missing or wrong.
    """
    return (_infer_drive if is_drive(args) else _infer_scenes)(cfg, args)


def _infer_scenes(cfg: Config, args: argparse.Namespace) -> int:
    """Predict single scenes, perhaps one with its earlier frames."""
    depth, points, right = (
        files_of_scenes(args, name, args.image) for name in ('depth', 'points', 'image_right')
    )
    camera, baseline = _read_camera(args)
    earlier = _earlier_frames(args, camera[1])
    inputs = [*args.image, *depth, *points, *right, args.calib, args.poses]
    inputs += [frame[key] for frame in earlier for key in ('img', *_EARLIER)]
    results = Results(args, args.image, filter(None, inputs))
    inferencer = _build(cfg, args)
    missing = inferencer.num_frames - 1 - len(earlier)
    if missing > 0:
        _say_missing(missing)

    def predict(scenes: list[int]) -> None:
        images, *columns = (
            [files[number] for number in scenes] for files in (args.image, depth, points, right)
        )
        samples = inferencer(
            images, *camera, **dict(zip(('depth', 'points', 'img_right'), columns)),
            earlier_frames=[earlier] if earlier else (), batch_size=args.batch_size,
            cropped_images=args.cropped_images, baseline=baseline,
            max_disparity=args.max_disparity,
        )  # fmt: skip
        for number, sample in zip(scenes, samples):
            image = read_rgb(args.image[number])
            results.write(number, sample, inferencer.dataset_meta, image)

    with results:
        return predict_all(args.image, args.batch_size, predict)


def _say_missing(count: int) -> None:
    """Say that a model gets the image itself in place of earlier frames."""
    text = f'the model reads {counted(count, "earlier frame")} more than given'
    text += ': the image itself takes their place'
    print(f'{text} (--earlier-image, or a drive as --image, with --poses)', file=sys.stderr)


def _infer_drive(cfg: Config, args: argparse.Namespace) -> int:
    """Predict every frame of a drive, with the earlier frames that the model reads."""
    is_temporal = bool(dataset_config_of(cfg).get('frame_offsets'))
    _check_poses_fit(args, is_temporal)
    source = find_drive(args)
    camera, baseline = _read_camera(args)
    poses = read_drive_poses(args, source)
    inputs = [*source.inputs, *filter(None, (args.calib, args.poses))]
    results = Results(args, source.names, inputs, source.stems)
    inferencer = _build(cfg, args)
    drive = Drive(
        inferencer, source.frames, *camera, poses, baseline=baseline,
        max_disparity=args.max_disparity, batch_size=args.batch_size,
        cropped_images=args.cropped_images,
    )  # fmt: skip
    if not is_video(args.image[0]):  # All pictures of a video have one size.
        reads_camera = {'img', 'depth'} & inferencer.inputs and not args.cropped_images
        check_image_sizes(source.names, drive.camera[0] if reads_camera else None, is_temporal)

    def predict(scenes: list[int]) -> None:
        for number, sample in zip(scenes, drive.predict(scenes)):
            results.write(number, sample, inferencer.dataset_meta, drive.image(number))

    with results, Progress(len(source.names), 'predict') as progress:
        return predict_all(source.names, args.batch_size, predict, progress.update)


def _check_poses_fit(args: argparse.Namespace, is_temporal: bool) -> None:
    if args.poses and not is_temporal:
        expected = 'none: this model reads no earlier frames'
        raise DataError('--poses', None, expected, args.poses, 'Leave out --poses')
    if is_temporal and not args.poses:
        hint = 'Give --poses FILE with a line for each frame'
        if Path(args.image[0]).is_dir():
            hint += f'; or give the images themselves ({Path(args.image[0], "*")}): each is then '
            hint += 'completed alone'
        expected = 'a pose for each frame: this model reads earlier frames'
        raise DataError('--poses', None, expected, 'none', hint)


def _build(cfg: Config, args: argparse.Namespace) -> Any:
    model = None if args.depth_model is None else load_depth_model(args.depth_model)
    return inferencer_of(cfg, args, crop=args.crop, depth_model=model)


def _read_camera(
    args: argparse.Namespace,
) -> tuple[tuple[np.ndarray, np.ndarray], float | None]:
    """Projection (3, 3 or 4) and ``lidar2cam`` (4, 4); the stereo baseline in metres, if needed."""
    calib = None
    if args.calib:
        calib = read_calib(args.calib)
        camera = calib['P2'], to_homogeneous(calib['Tr'])
    elif len(args.cam2img) not in (9, 12):
        raise DataError('--cam2img', None, '9 or 12 numbers', len(args.cam2img))
    else:
        lidar2cam = to_homogeneous(np.reshape(args.lidar2cam, (3, 4)))
        camera = np.reshape(args.cam2img, (3, -1)), lidar2cam
    if not (args.image_right or args.earlier_image_right):
        return camera, None
    if args.baseline is not None:
        check_baseline(args.baseline, 'command line', '--baseline')
        return camera, args.baseline
    baseline_focal = None if calib is None else baseline_focal_of(calib, args.calib)
    if baseline_focal is None:
        found = 'no --baseline' + (f' and no P3 in {args.calib}' if args.calib else '')
        raise DataError('command line', None, 'the baseline of the stereo pair', found,
                        'Give --baseline METRES')  # fmt: skip
    baseline = baseline_focal / float(camera[0][0, 0])
    check_baseline(baseline, args.calib, 'P2 and P3')
    return camera, baseline


def _earlier_frames(args: argparse.Namespace, lidar2cam: np.ndarray) -> list[dict[str, Any]]:
    """Earlier frames for :class:`~mmssc.apis.DrivingInferencer`, from camera poses."""
    if not args.earlier_image:
        return []
    count = len(args.earlier_image)
    columns: dict[str, Sequence[Any]] = {'img': args.earlier_image}
    for key, name in _EARLIER.items():
        given = getattr(args, name)
        if given is not None and len(given) != count:
            option, expected = f'--{name.replace("_", "-")}', counted(count, 'file')
            raise DataError(option, None, expected, len(given))
        columns[key] = given or [None] * count
    poses = read_poses(args.poses)
    check_frames(args, count, len(poses))
    lidar = [np.linalg.inv(lidar2cam) @ poses[n] @ lidar2cam for n in args.frames]
    columns['frame2ref'] = [np.linalg.inv(lidar[0]) @ pose for pose in lidar[1:]]
    return [dict(zip(columns, row)) for row in zip(*columns.values())]


def check_frames(args: argparse.Namespace, earlier: int, poses: int) -> None:
    """Refuse --frames that do not name a pose for the scene and for each earlier one.

    Args:
        args: The command line.
        earlier: Number of earlier images or scans.
        poses: Number of poses in --poses.

    Raises:
        DataError: Another number of frames is given, or one has no pose.
    """
    if len(args.frames) != earlier + 1 or not all(0 <= n < poses for n in args.frames):
        hint = f'{args.poses} has {counted(poses, "pose")}'
        raise DataError('--frames', None, f'{earlier + 1} of 0..{poses - 1}', args.frames, hint)
