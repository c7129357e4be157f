"""The steps of a preparation: labels, depth, pseudo-lidar, info files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmssc.datasets.driving_list import FORMAT_VERSION, write_driving_list
from mmssc.errors import DataError, counted
from mmssc.formats.ground_checks import DepthView
from mmssc.formats.numpy_arrays import read_npy_shape
from mmssc.preparation.folder_settings import (
    claim_folder,
    find_results,
    read_recipe,
    replace_if_changed,
)
from mmssc.preparation.frame_jobs import FrameRunner, FrameTask, StepReport
from mmssc.structures import VoxelGrid

from .camera_check import check_baseline, pose_remarks, samples_without_pose
from .layouts import DrivingLayout, StereoCalibration
from .tasks import FolderDepthTask, LabelTask, PseudoLidarTask, StereoDepthTask

__all__ = [
    'PreparationOptions', 'depth_recipes', 'make_depth', 'make_infos', 'make_labels',
    'make_pseudo_lidar',
]  # fmt: skip

_DEPTH_SUFFIXES = ('.npy', '.png')


@dataclass(frozen=True)
class PreparationOptions:
    """Options of a preparation.

    Args:
        grid: Voxel grid of the ``1_1`` labels.
        splits: Split name -> sequences.
        sequences: Sequences to work on; info files list every sequence of the split on disk.
        label_factors: Pooling factors, including ``1``.
        samples_only: Depth and pseudo-lidar only of frames with a voxel volume.
        depth_from: ``None`` or ``'stereo'`` for stereo matching, or a folder ``SS/FFFFFF.npy|png``.
        depth_kind: Content of that folder, ``'depth'`` (m) or ``'disparity'`` (pixels).
        depth_suffix: ``'.npy'`` or ``'.png'``, format of the files to write.
        max_disparity: Search range of the stereo matching, pixels.
        baseline: Stereo baseline in metres instead of the calibration's.
        max_height: Pseudo-lidar points at this height or above are left out, metres.
        crop_offsets: None, or the frame offsets of a model: keep only points that can be in the
            grid of a sample.
        overwrite: Make results of an earlier run again.
        cropped_images: The images are cut out of larger ones: the principal point can be anywhere.
    """

    grid: VoxelGrid
    splits: dict[str, Sequence[str]]
    sequences: Sequence[str]
    label_factors: Sequence[int] = (1, 2)
    samples_only: bool = False
    depth_from: str | None = None
    depth_kind: str = 'depth'
    depth_suffix: str = '.npy'
    max_disparity: int = 128
    baseline: float | None = None
    max_height: float = 80.0
    crop_offsets: Sequence[int] | None = None
    overwrite: bool = False
    cropped_images: bool = False


def make_labels(
    layout: DrivingLayout, options: PreparationOptions, runner: FrameRunner
) -> StepReport:
    """Make the labels of every sample; note sequences without labels."""
    tasks: list[FrameTask] = []
    notes = []
    for sequence in options.sequences:
        samples = _sample_ids(layout, sequence)
        sources = [
            frame
            for frame in samples
            if layout.voxel_file(sequence, frame, '.label').is_file()
            or layout.label_file(sequence, frame, 1).is_file()
        ]
        if not sources:
            kind = 'is a test sequence' if sequence in options.splits['test'] else 'CHECK'
            found = counted(len(samples), 'sample')
            notes.append(f'{sequence}: {found}, no voxels/*.label ({kind})')
            continue
        folder = layout.label_file(sequence, '*', 1).parent
        ours = claim_folder(folder, {'step': 'labels'}, ('.npy',))
        if options.overwrite and not ours:
            notes.append(f'{sequence}: {folder} has your own labels: kept')
        for frame in samples:
            outputs = {n: layout.label_file(sequence, frame, n) for n in options.label_factors}
            raw = layout.voxel_file(sequence, frame, '.label')
            if options.overwrite and ours and raw.is_file():
                for path in outputs.values():
                    path.unlink(missing_ok=True)
            invalid = layout.voxel_file(sequence, frame, '.invalid')
            task = LabelTask(
                sequence, frame, raw, invalid, outputs, options.grid.shape, layout.dataset
            )
            tasks.append(task)
    report = runner.run('labels', tasks)
    report.notes += notes
    return report


def _sample_ids(layout: DrivingLayout, sequence: str) -> list[str]:
    folder = layout.voxel_file(sequence, '*', '').parent
    return _check_numbers(layout.sample_ids(sequence), folder, '.bin')


def _image_ids(layout: DrivingLayout, sequence: str) -> list[str]:
    folder = layout.left_image(sequence, '*').parent
    return _check_numbers(layout.frame_ids(sequence), folder, '.png')


def _check_numbers(names: list[str], folder: Path, suffix: str) -> list[str]:
    odd = [name for name in names if not (name.isascii() and name.isdigit())]
    if odd:
        expected = f'frame numbers, as in 000000{suffix}'
        raise DataError(folder, 'file names', expected, odd[0], 'Move other files away')
    return names


def _frames(layout: DrivingLayout, options: PreparationOptions, sequence: str) -> list[str]:
    return (_sample_ids if options.samples_only else _image_ids)(layout, sequence)


def _baseline_focal(
    layout: DrivingLayout, options: PreparationOptions, sequence: str
) -> float | None:
    calibration = layout.calibration(sequence)
    if options.depth_from not in (None, 'stereo') and options.depth_kind == 'depth':
        return None
    focal = float(calibration.projection[0, 0])
    if options.baseline is not None:
        check_baseline(options.baseline, 'command line', '--baseline')
        return options.baseline * focal
    if calibration.baseline_focal is None:
        raise DataError(
            layout.root, f'calibration of {sequence}', 'a right camera (P3)', 'none',
            'Give the baseline with --baseline METRES',
        )  # fmt: skip
    file = layout.calibration_file(sequence)
    check_baseline(calibration.baseline_focal / focal, file, 'P2 and P3')
    return calibration.baseline_focal


def _depth_task(
    layout: DrivingLayout,
    options: PreparationOptions,
    sequence: str,
    frame: str,
    baseline_focal: float | None,
    view: DepthView,
) -> FrameTask:
    image = layout.left_image(sequence, frame)
    output = layout.depth_folder(sequence) / (frame + options.depth_suffix)
    if options.depth_from in (None, 'stereo'):
        right = layout.right_image(sequence, frame)
        assert baseline_focal is not None
        return StereoDepthTask(
            sequence, frame, image, right, output, baseline_focal, options.max_disparity, view
        )
    source = Path(options.depth_from) / sequence
    return FolderDepthTask(sequence, frame, image, source, output, baseline_focal, view)


def _depth_recipe(options: PreparationOptions, baseline_focal: float | None) -> dict[str, Any]:
    recipe: dict[str, Any] = {
        'step': 'depth', 'baseline_focal': baseline_focal, 'format': options.depth_suffix,
    }  # fmt: skip
    if options.depth_from in (None, 'stereo'):
        return {**recipe, 'source': 'stereo', 'max_disparity': options.max_disparity}
    source = os.path.basename(os.path.realpath(options.depth_from))
    return {**recipe, 'source': source, 'kind': options.depth_kind}


def _has_given_depth(folder: Path, options: PreparationOptions) -> bool:
    """Whether the folder has depth maps that stereo matching must not replace."""
    if options.depth_from is not None:
        return False
    before = read_recipe(folder)
    if before is None:
        return bool(find_results(folder, _DEPTH_SUFFIXES))
    return before.get('source') != 'stereo'


def _claim_depth_folder(folder: Path, recipe: dict[str, Any], options: PreparationOptions) -> None:
    if not claim_folder(folder, recipe, _DEPTH_SUFFIXES, options.overwrite):
        raise DataError(
            folder, 'depth maps', 'no files, or files of this command', 'your own files',
            'Move them away, or leave out --depth-from to use them unchanged',
        )  # fmt: skip


def _check_depth_source(
    layout: DrivingLayout, options: PreparationOptions, sequence: str, frames: Sequence[str]
) -> None:
    """Raise one error for a folder that is missing or has none of the frames, not one per frame."""
    if is_stereo := options.depth_from in (None, 'stereo'):
        folder, wanted = layout.right_image(sequence, '*').parent, 'right images'
        hint = 'Stereo needs the right images; otherwise give --depth-from DIR'
    else:
        folder, wanted = Path(options.depth_from) / sequence, 'FFFFFF.npy or FFFFFF.png'
        hint = 'DIR of --depth-from needs a folder for each sequence'
    if not folder.is_dir():
        raise DataError(folder, 'folder', wanted, 'none', hint)
    names = {path.name for path in folder.iterdir()}
    suffixes = (layout.right_image(sequence, '*').suffix,) if is_stereo else _DEPTH_SUFFIXES
    if not any(f'{frame}{suffix}' in names for frame in frames for suffix in suffixes):
        raise DataError(folder, 'folder', wanted, f'none of {counted(len(frames), "frame")}', hint)


def depth_recipes(
    layout: DrivingLayout, options: PreparationOptions
) -> tuple[dict[str, tuple[float | None, dict[str, Any]]], list[str]]:
    """The depth that is to be made, checked before the work.

    Returns:
        Sequence -> baseline times focal length (pixels times metres) and settings; and notes.

    Raises:
        DataError: The source of the depth of a sequence or its stereo baseline is missing or wrong.
    """
    notes = []
    recipes: dict[str, tuple[float | None, dict[str, Any]]] = {}
    for sequence in options.sequences:
        folder = layout.depth_folder(sequence)
        if _has_given_depth(folder, options):
            notes.append(f'{sequence}: depth maps found in {folder}, used unchanged')
            continue
        baseline_focal = _baseline_focal(layout, options, sequence)
        if frames := _frames(layout, options, sequence):
            _check_depth_source(layout, options, sequence, frames)
        recipes[sequence] = baseline_focal, _depth_recipe(options, baseline_focal)
    return recipes, notes


def make_depth(
    layout: DrivingLayout, options: PreparationOptions, runner: FrameRunner
) -> StepReport:
    """Make depth maps by stereo matching or from a folder; keep existing depth maps."""
    # Check all sources before --overwrite removes any file.
    recipes, notes = depth_recipes(layout, options)
    tasks: list[FrameTask] = []
    for sequence, (baseline_focal, recipe) in recipes.items():
        _claim_depth_folder(layout.depth_folder(sequence), recipe, options)
        view = layout.depth_view(sequence, options.grid)
        tasks += [
            _depth_task(layout, options, sequence, frame, baseline_focal, view)
            for frame in _frames(layout, options, sequence)
        ]
    report = runner.run('depth', tasks)
    report.notes += notes
    return report


def _motions_to_samples(
    layout: DrivingLayout, sequence: str, frames: Sequence[str], offsets: Sequence[int]
) -> dict[str, np.ndarray]:
    """Per frame: (N, 4, 4) from its lidar to the lidar of every sample that may read it."""
    poses = layout.lidar_poses(sequence)
    motions = {}
    for frame in frames:
        own = [np.eye(4)]
        # A sample s reads frame s + offset, so the samples t - offset read frame t.
        users = [int(frame) - offset for offset in offsets]
        if int(frame) in poses:
            moving = poses[int(frame)]
            own += [np.linalg.inv(poses[user]) @ moving for user in users if user in poses]
        motions[frame] = np.stack(own)
    return motions


def _pseudo_lidar_tasks(
    layout: DrivingLayout, options: PreparationOptions, sequence: str, frames: Sequence[str]
) -> Iterable[PseudoLidarTask]:
    calibration: StereoCalibration = layout.calibration(sequence)
    motions: dict[str, np.ndarray] = {}
    if options.crop_offsets is not None:
        motions = _motions_to_samples(layout, sequence, frames, options.crop_offsets)
    for frame in frames:
        yield PseudoLidarTask(
            sequence,
            frame,
            layout.left_image(sequence, frame),
            layout.depth_folder(sequence),
            layout.pseudo_lidar_folder(sequence) / f'{frame}.bin',
            calibration.projection,
            calibration.lidar2cam,
            options.max_height,
            options.grid,
            motions.get(frame),
        )


def make_pseudo_lidar(
    layout: DrivingLayout,
    options: PreparationOptions,
    runner: FrameRunner,
    without: Iterable[tuple[str, str]] = (),
) -> StepReport:
    """Make point clouds from the depth maps.

    Args:
        layout: The data set.
        options: What to make.
        runner: Does the work.
        without: (sequence, frame) whose depth failed in this run; the depth step reported them.
    """
    without = set(without)
    tasks: list[PseudoLidarTask] = []
    provided: list[PseudoLidarTask] = []
    notes = []
    for sequence in options.sequences:
        recipe: dict[str, Any] = {
            'step': 'pseudo_lidar',
            'max_height': options.max_height,
            'depth': read_recipe(layout.depth_folder(sequence)),
            'crop': None,
        }
        if options.crop_offsets is not None:
            grid, offsets = options.grid.to_dict(), sorted(options.crop_offsets)
            recipe['crop'] = {'voxel_grid': grid, 'frame_offsets': offsets}
        frames = _frames(layout, options, sequence)
        frames = [frame for frame in frames if (sequence, frame) not in without]
        folder = layout.pseudo_lidar_folder(sequence)
        ours = claim_folder(folder, recipe, ('.bin',), options.overwrite)
        if not ours:
            notes.append(f'{sequence}: {folder} has your own point clouds: used unchanged')
        made_here = tasks if ours else provided
        made_here += _pseudo_lidar_tasks(layout, options, sequence, frames)
    report = runner.run('pseudo_lidar', tasks)
    for task in provided:
        if not task.is_finished():
            error = DataError(task.output, 'file', 'a complete point file', 'none')
            report.add_failure(task, error)
    if without:
        notes.append(f'{counted(len(without), "frame")} left out: their depth failed')
    report.notes += notes
    return report


def _check_label_grid(path: Path, grid: VoxelGrid) -> None:
    """Raise an error if labels have another grid (checks the first label of a sequence)."""
    if path.is_file() and (shape := read_npy_shape(path)) != grid.shape:
        hint = 'Give --grid-shape, --voxel-size and --grid-origin of the labels'
        raise DataError(path, 'shape', grid.shape, shape, hint)


def _info(layout: DrivingLayout, options: PreparationOptions, split: str) -> dict[str, Any]:
    entries, data_list = {}, []
    for sequence in sorted(set(options.splits[split]) & set(layout.sequences())):
        entries[sequence] = layout.info_entry(sequence)
        images = set(_image_ids(layout, sequence))
        for number, frame in enumerate(_sample_ids(layout, sequence)):
            if frame not in images:
                layout.check_images(sequence)
                image = layout.left_image(sequence, frame)
                raise DataError(image, 'file', 'the image of a voxel file', 'none')
            paths = (
                layout.voxel_file(sequence, frame, '.label'),
                layout.label_file(sequence, frame, 1),
            )
            labelled = any(path.is_file() for path in paths)
            if number == 0:
                _check_label_grid(paths[1], options.grid)
            data_list.append({'sequence': sequence, 'frame_id': frame, 'labelled': labelled})
    return {
        'metainfo': {
            'dataset': layout.dataset.METAINFO['dataset'],
            'split': split,
            'format_version': FORMAT_VERSION,
            'voxel_grid': options.grid,
            **({'cropped_images': True} if options.cropped_images else {}),
        },
        'sequences': entries,
        'data_list': data_list,
    }


def make_infos(layout: DrivingLayout, options: PreparationOptions) -> StepReport:
    """Write info files of every split with a sequence on disk; keep unchanged files."""
    report = StepReport('infos')
    for split, sequences in options.splits.items():
        path = layout.info_file(split)
        missing = sorted(set(sequences) - set(layout.sequences()))
        if len(missing) == len(set(sequences)):
            report.notes.append(f'{split}: no sequence on disk, no info file')
            continue
        if missing:
            report.notes.append(f'{split}: without {", ".join(missing)} (not on disk)')
        info = _info(layout, options, split)
        changed = replace_if_changed(path, partial(write_driving_list, info=info))
        report.made += changed
        report.kept += not changed
        labelled = sum(sample['labelled'] for sample in info['data_list'])
        listed = counted(len(info['data_list']), 'sample')
        report.notes.append(f'{split}: {listed}, {labelled} labelled')
        for sequence in info['sequences']:
            without = samples_without_pose(layout, sequence)
            report.notes += [without] if without else []
            report.notes += pose_remarks(layout, sequence)
    return report
