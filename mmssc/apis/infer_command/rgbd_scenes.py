"""Scenes of a depth camera: what is read for them, and their predictions."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config

from mmssc.apis import read_depth_image
from mmssc.errors import DataError, counted
from mmssc.formats.images import read_rgb
from mmssc.formats.matrices import read_matrix
from mmssc.geometry import check_placement, describe_camera, turn_camera
from mmssc.segmentation import SegmenterSource
from mmssc.structures.camera_checks import as_pose
from mmssc.structures.camera_placement import check_room_camera

from .results import Results
from .scene_loop import inferencer_of, predict_all

__all__ = ['infer_rgbd']


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
    for path in args.depth:
        if Path(path).is_dir():
            hint = f'Give the images: {Path(path, "*.png")}'
            raise DataError(path, None, 'a depth image', 'a folder', hint)
    pose = _read_pose(args)
    images, segmentations = (_one_per_scene(args, name) for name in ('image', 'segmentation'))
    source = SegmenterSource.of(args)
    inputs = [*args.depth, *filter(None, (*images, *segmentations, args.cam2world))]
    results = Results(args, args.depth, [*inputs, *(source.files if source else ())])
    inferencer = inferencer_of(cfg, args)
    for name in ('segmentation', 'segmenter'):
        if getattr(args, name) and 'segmentation' not in inferencer.inputs:
            expected = 'none: this model reads no segmentation'
            raise DataError(f'--{name}', None, expected, getattr(args, name), 'Leave it out')
    if source is not None:
        inferencer.segmenter = source.load(args.device)
    turns = -(args.rotate or 0) // 90

    def predict(scenes: list[int]) -> None:
        for number in scenes:
            depth, image = args.depth[number], images[number]
            sample = inferencer(
                depth, cam2img, pose, image, segmentations[number],
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
            results.write(number, sample, inferencer.dataset_meta, *turned)
            print(f'  {_describe_pose(sample)}')

    with results:
        return predict_all(args.depth, 1, predict)


def _read_pose(args: argparse.Namespace) -> np.ndarray | None:
    if args.cam2world is None:
        return None
    pose = as_pose(read_matrix(args.cam2world, (4, 4)), args.cam2world, 'pose')
    # The inferencer repeats this check, without the name of the file.
    _, turn = turn_camera(torch.eye(3), (1, 1), args.rotate or 0)
    upright = pose @ turn.numpy().T
    check_room_camera(upright, args.cam2world, 'pose', has_floor=args.grid_origin is None)
    return pose


def _one_per_scene(args: argparse.Namespace, name: str) -> list[str] | list[None]:
    count, files = len(args.depth), getattr(args, name)
    if files is None:
        return [None] * count
    if len(files) != count:
        expected = f'{counted(count, "file")}, one per depth image'
        raise DataError(f'--{name}', None, expected, len(files))
    return files


def _describe_pose(sample: Any) -> str:
    """Height, tilt and roll of the camera, and where they come from."""
    pose = torch.from_numpy(np.linalg.inv(sample.lidar2cam[0]))
    confidence = sample.floor_confidence
    how = 'as given' if confidence is None else f'from the floor, confidence {confidence:.2f}'
    return f'{describe_camera(pose)} ({how})'
