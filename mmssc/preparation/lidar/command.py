"""The command ``lidar_targets.py``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmssc.command_line import command
from mmssc.datasets.frame_ranges import describe_frames
from mmssc.datasets.semantic_kitti import SemanticKITTIDataset
from mmssc.errors import DataError, counted
from mmssc.formats.kitti import read_calib, read_poses
from mmssc.formats.matrices import to_homogeneous
from mmssc.formats.scans import SCAN_SUFFIXES
from mmssc.preparation.command_line import check_shard, run_converter
from mmssc.preparation.folder_settings import claim_folder
from mmssc.preparation.frame_jobs import FrameRunner, StepReport
from mmssc.structures import VoxelGrid
from mmssc.structures.camera_placement import drive_remarks

from .parser import build_parser
from .targets import SUFFIXES, LabelledScan, TargetRule, TargetTask

__all__ = ['prepare_lidar_targets']

_ELSEWHERE = ', or give another folder with --out'


def _sequences_folder(root: Path) -> Path:
    return root / SemanticKITTIDataset.DATA_PREFIX['sequences']


def _sequences(arguments: argparse.Namespace) -> list[str]:
    """Names of the drives to work on."""
    folder = _sequences_folder(arguments.root)
    paths = folder.iterdir() if folder.is_dir() else ()
    available = sorted(path.name for path in paths if (path / 'velodyne').is_dir())
    if not available:
        wanted = f'scans in {folder / "*" / "velodyne"}'
        raise DataError(arguments.root, 'sequences', wanted, 'none', 'Give the folder of the data')
    unknown = sorted(set(arguments.sequences or ()) - set(available))
    if unknown:
        expected, found = ', '.join(available), ', '.join(unknown)
        raise DataError(arguments.root, '--sequences', expected, found)
    return sorted(set(arguments.sequences or available))


def _frames(folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    """Number of each frame -> its file, for files of a folder with these endings.

    Raises:
        DataError: A file has another name, or a frame has two files.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix.lower() not in suffixes or path.name[0] == '.':
            continue
        if not (path.stem.isascii() and path.stem.isdigit()):
            expected = f'frame numbers, as in 000000{path.suffix}'
            raise DataError(folder, 'file names', expected, path.stem, 'Move other files away')
        if path.stem in found:
            both = f'{found[path.stem].name} and {path.name}'
            raise DataError(folder, 'file names', 'one file for a frame', both, 'Move one away')
        found[path.stem] = path
    return found


def _lidar_poses(folder: Path, kind: str) -> np.ndarray:
    """(N, 4, 4) float64, the lidar of frame n to the world."""
    poses = read_poses(folder / 'poses.txt')
    if kind == 'lidar':
        return poses
    lidar2cam = to_homogeneous(read_calib(folder / 'calib.txt', ('Tr',))['Tr'])
    return SemanticKITTIDataset.lidar_poses(poses, lidar2cam)


def _motion(poses: np.ndarray, frame: int, target: int) -> np.ndarray:
    """(4, 4), lidar of a frame to that of the target: exactly no motion for the target itself."""
    if frame == target:
        return np.eye(4)
    return np.linalg.inv(poses[target]) @ poses[frame]


def _tasks_of(
    folder: Path, output: Path, rule: TargetRule, arguments: argparse.Namespace
) -> tuple[list[TargetTask], list[str]]:
    """The tasks of a drive, and notes about odd poses and scans that cannot be used."""
    sequence = folder.name
    poses = _lidar_poses(folder, arguments.poses)
    notes = [f'{sequence}: {remark}' for remark in drive_remarks(poses, np.arange(len(poses)))]
    scans = _frames(folder / 'velodyne', SCAN_SUFFIXES)
    labels = _frames(folder / 'labels', ('.label',))
    posed = {name for name in scans if int(name) < len(poses)}
    for partners, reason in ((labels.keys(), 'label file'), (posed, 'pose')):
        left_out = scans.keys() - partners
        if left_out:
            which = describe_frames(sorted(left_out))
            text = f'{sequence}: {counted(len(left_out), "scan")} without a {reason} left out'
            notes.append(f'{text}: {which}')
    usable = {int(name): name for name in sorted(scans.keys() & labels & posed)}
    tasks = []
    for target, name in usable.items():
        if target % arguments.every:
            continue
        others = [*range(target - 1, target - rule.past - 1, -1)]
        others += range(target + 1, target + rule.future + 1)
        chosen = [
            LabelledScan(scans[usable[frame]], labels[usable[frame]], _motion(poses, frame, target))
            for frame in (target, *others)
            if frame in usable
        ]
        empty = arguments.empty_from
        empty = empty and _sequences_folder(empty) / sequence / 'voxels' / name
        tasks.append(TargetTask(sequence, name, chosen, output / name, rule, empty))
    return tasks, notes


def _make_targets(arguments: argparse.Namespace, rule: TargetRule) -> list[StepReport]:
    empty_from = arguments.empty_from and str(arguments.empty_from.absolute())
    recipe = {
        'step': 'lidar_targets', **rule.recipe(), 'poses': arguments.poses,
        'empty_from': empty_from,
    }  # fmt: skip
    tasks: list[TargetTask] = []
    notes: list[str] = []
    for sequence in _sequences(arguments):
        folder = _sequences_folder(arguments.root) / sequence
        output = _sequences_folder(arguments.out or arguments.root) / sequence / 'voxels'
        new_tasks, new_notes = _tasks_of(folder, output, rule, arguments)
        shared = arguments.shard is not None
        if not claim_folder(output, recipe, SUFFIXES, arguments.overwrite, _ELSEWHERE, shared):
            found = 'voxel files that this command did not make'
            hint = 'Give another folder with --out'
            raise DataError(output, None, 'a folder without voxel files', found, hint)
        tasks += new_tasks
        notes += new_notes
    with FrameRunner(arguments.workers, arguments.shard) as runner:
        report = runner.run('targets', tasks)
    report.notes += notes
    if not tasks:
        expected = f'a scan with labels and a pose, of a number that --every {arguments.every} fits'
        raise DataError(arguments.root, 'frames', expected, 'none', 'Give --every 1')
    return [report]


@command
def prepare_lidar_targets(description: str, arguments: Sequence[str] | None = None) -> int:
    """Make ``voxels/*.bin``, ``.label``, ``.invalid`` and ``.occluded`` from labelled scans.

    Args:
        description: For ``--help``.
        arguments: Command line, by default that of this process.

    Returns:
        Exit status: 0 done, 1 when frames failed; others: :func:`mmssc.command_line.command`.
    """
    parsed = build_parser(description).parse_args(arguments)
    check_shard(parsed)
    size = parsed.voxel_size
    rule = TargetRule(
        VoxelGrid(parsed.grid_origin, size * 3 if len(size) == 1 else size, parsed.grid_shape),
        parsed.past, parsed.future, parsed.moving, sorted(set(parsed.moving_ids)),
        sorted(set(parsed.drop_ids)), parsed.view_step, sorted(set(parsed.coarse_labels)),
    )  # fmt: skip
    coarsest = max(rule.coarse_labels, default=1)
    if any(side % coarsest for side in rule.grid.shape):
        expected = f'sides that are multiples of {coarsest}, for --coarse-labels'
        raise DataError('--grid-shape', None, expected, rule.grid.shape)
    return run_converter(
        lambda: _make_targets(parsed, rule),
        parsed.root,
        parsed.out,
        hint='Give another folder with --out',
        shard=parsed.shard,
    )
