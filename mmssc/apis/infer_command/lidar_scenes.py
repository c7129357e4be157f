"""Scenes of models for LiDAR scans: what is read for them, and their predictions."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from mmssc.errors import DataError, counted
from mmssc.formats.kitti import read_calib, read_poses
from mmssc.formats.matrices import to_homogeneous
from mmssc.formats.scans import SCAN_SUFFIXES
from mmssc.geometry import OCCLUDED, UNOBSERVED, VISIBLE
from mmssc.structures.camera_placement import drive_remarks

from ..base_inferencer import warn_about
from .drive_frames import files_of_folder
from .driving_scenes import check_frames
from .results import Results
from .scene_loop import inferencer_of, predict_all

__all__ = ['infer_lidar', 'scans_of']


def infer_lidar(cfg: Config, args: argparse.Namespace) -> int:
    """Predict scenes from scans and write them; return the exit status.

    Raises:
        DataError: An input is missing or wrong.
    """
    scans = _find_scans(args)
    past = _past_scans(args, scans)
    inputs = [*scans, *(path for path, _ in past), *filter(None, (args.calib, args.poses))]
    results = Results(args, scans, inputs)
    inferencer = inferencer_of(cfg, args)
    rotation = None if args.sensor_rotation is None else _rotation(args.sensor_rotation)

    def predict(scenes: list[int]) -> None:
        for number in scenes:
            sample = inferencer(
                scans[number], past, sensor_height=args.sensor_height, rotation=rotation,
                largest_intensity=args.largest_intensity,
            )  # fmt: skip
            results.write(number, sample, inferencer.dataset_meta, None)
            print(f'  {_describe(sample, args.sensor_height is not None)}')

    with results:
        return predict_all(scans, 1, predict)


def scans_of(points: Sequence[str]) -> list[str]:
    """The given files; or those of the one folder, in the order of the numbers in their names.

    Raises:
        DataError: The folder holds no scan.
    """
    if len(points) != 1 or not Path(points[0]).is_dir():
        return list(points)
    return files_of_folder(Path(points[0]), SCAN_SUFFIXES, 'scans')


def _find_scans(args: argparse.Namespace) -> list[str]:
    """The files of --points; those of a folder in the order of the numbers in their names."""
    scans = scans_of(args.points)
    if scans == args.points:
        return scans
    taken = scans[:: args.frame_step][: args.max_frames]
    if len(taken) < len(scans[:: args.frame_step]):
        count = counted(len(taken), 'scan')
        text = f'{args.points[0]}: takes the first {count} only (--max-frames, --frame-step)'
        print(text, file=sys.stderr)
    return taken


def _past_scans(args: argparse.Namespace, scans: list[str]) -> list[tuple[str, np.ndarray]]:
    """Earlier scans of the one scan, each with the pose (4, 4) to its frame."""
    earlier = args.earlier_points or []
    if not (earlier or args.poses or args.frames or args.calib):
        return []
    if not (earlier and args.poses and args.frames):
        expected = '--earlier-points, --poses and --frames together'
        raise DataError('command line', None, expected, 'only some of them')
    if len(scans) != 1:
        raise DataError('--earlier-points', None, 'one scan as --points', f'{len(scans)} scans')
    poses = read_poses(args.poses)
    check_frames(args, len(earlier), len(poses))
    if args.calib:  # Poses of KITTI are those of its camera.
        lidar2cam = to_homogeneous(read_calib(args.calib, ('Tr',))['Tr'])
        poses = np.linalg.inv(lidar2cam) @ poses @ lidar2cam
    warn_about(args.poses, drive_remarks(poses, np.arange(len(poses))))
    current, *others = (poses[number] for number in args.frames)
    return [(path, np.linalg.inv(current) @ pose) for path, pose in zip(earlier, others)]


def _rotation(angles: list[float]) -> np.ndarray:
    """(3, 3) from roll, pitch and yaw in degrees: turns about x, then y, then z."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_euler('xyz', angles, degrees=True).as_matrix()


def _describe(sample: Any, is_given: bool) -> str:
    """Where the sensor is, and what the scan sees of the box."""
    shares = [float((sample.visibility == state).float().mean())
              for state in (VISIBLE, OCCLUDED, UNOBSERVED)]  # fmt: skip
    seen, hidden, out_of_range = (f'{share:.0%}' for share in shares)
    view = f'voxels: {seen} seen, {hidden} hidden, {out_of_range} out of range'
    if sample.sensor_height is None:
        return view
    how = 'as given' if is_given else 'from the ground'
    lift = sample.scan2grid[2, 3]
    moved = f', scan moved by {lift:+.2f} m' if lift else ''
    return f'sensor {sample.sensor_height:.2f} m above the ground ({how}){moved}; {view}'
