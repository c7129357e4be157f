"""The steps of a preparation: labels, pseudo-lidar, info files; depth: ``depth_steps.py``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmssc.datasets.driving_list import FORMAT_VERSION, write_driving_list
from mmssc.errors import DataError, counted
from mmssc.formats.numpy_arrays import read_npy_shape
from mmssc.preparation.folder_settings import (
    claim_folder,
    read_recipe,
    replace_if_changed,
)
from mmssc.preparation.frame_jobs import FrameRunner, FrameTask, StepReport
from mmssc.structures import VoxelGrid

from .camera_check import pose_remarks, samples_without_pose
from .layouts import DrivingLayout, StereoCalibration
from .options import PreparationOptions, frames_of, image_ids, sample_ids
from .tasks import LabelTask, PseudoLidarTask

__all__ = ['make_infos', 'make_labels', 'make_pseudo_lidar']


def make_labels(
    layout: DrivingLayout, options: PreparationOptions, runner: FrameRunner
) -> StepReport:
    """Make the labels of every sample; note sequences without labels."""
    tasks: list[FrameTask] = []
    notes = []
    for sequence in options.sequences:
        samples = sample_ids(layout, sequence)
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
        ours = claim_folder(folder, {'step': 'labels'}, ('.npy',), shared=options.shared)
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
        frames = frames_of(layout, options, sequence)
        frames = [frame for frame in frames if (sequence, frame) not in without]
        folder = layout.pseudo_lidar_folder(sequence)
        ours = claim_folder(folder, recipe, ('.bin',), options.overwrite, shared=options.shared)
        if not ours:
            notes.append(f'{sequence}: {folder} has your own point clouds: used unchanged')
        made_here = tasks if ours else provided
        made_here += _pseudo_lidar_tasks(layout, options, sequence, frames)
    report = runner.run('pseudo_lidar', tasks)
    for task in runner.part(provided):
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
        images = set(image_ids(layout, sequence))
        for number, frame in enumerate(sample_ids(layout, sequence)):
            if frame not in images and layout.has_images(sequence):
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


def _left_out(layout: DrivingLayout, split: str, sequences: Sequence[str]) -> list[str]:
    """Remarks about sequences of a split that its info file does not list."""
    missing = sorted(set(sequences) - set(layout.sequences()))
    no_images = [name for name in missing if layout.has_scans(name)]
    absent = sorted(set(missing) - set(no_images))
    if len(absent) == len(set(sequences)):
        return [f'{split}: no sequence on disk']
    reasons = {
        'no images, but other drives have some. Methods that take scans need a tree without any '
        'images: link the other files into one': no_images,
        'not on disk': absent,
    }
    return [
        f'{split}: without {", ".join(names)} ({reason})'
        for reason, names in reasons.items()
        if names
    ]


def make_infos(layout: DrivingLayout, options: PreparationOptions) -> StepReport:
    """Write info files of every split with a sequence on disk; keep unchanged files."""
    report = StepReport('infos')
    for split, sequences in options.splits.items():
        path = layout.info_file(split)
        left_out = _left_out(layout, split, sequences)
        if not set(sequences) & set(layout.sequences()):
            report.notes += [f'{remark}, no info file' for remark in left_out]
            continue
        report.notes += left_out
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
