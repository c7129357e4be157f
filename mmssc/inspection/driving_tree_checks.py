"""Check a whole data tree, raw and prepared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmssc.datasets.driving_list import read_driving_list
from mmssc.datasets.frame_ranges import describe_frames
from mmssc.errors import DataError, counted
from mmssc.formats.depth_units import check_road_depth
from mmssc.formats.kitti import read_depth
from mmssc.formats.numpy_arrays import read_npy_shape
from mmssc.preparation import SemanticKITTILayout, SSCBenchKITTI360Layout
from mmssc.preparation.driving.camera_check import (
    FARTHEST_OFFSET,
    check_calibration,
    pose_remarks,
    samples_without_pose,
)
from mmssc.preparation.driving.layouts import DrivingLayout
from mmssc.preparation.folder_settings import RECIPE_NAME
from mmssc.shards import Shard
from mmssc.structures import VoxelGrid

from .file_checks import Problem
from .label_checks import LABEL_SAMPLES, check_raw_label_file, check_train_label_file
from .report import TreeReport
from .voxel_release import is_shifted, shifted_agreement

__all__ = ['check_driving_tree', 'find_driving_layout']

# Scans per sequence to compare with their volume: a few, because one frame can be unusual.
_RELEASE_SAMPLES = 3
# Other numbers are no names of frames: one of many digits would ask for billions of frames.
_FRAME_NAME = re.compile('[0-9]{6}')
_VOXEL_KINDS = {'.bin': 'bits', '.invalid': 'bits', '.occluded': 'bits', '.label': 'raw_labels'}


def find_driving_layout(root: str | Path) -> DrivingLayout:
    """Find the layout of the data set in a folder.

    Raises:
        DataError: The folder has no known data set.
    """
    for layout in (SemanticKITTILayout, SSCBenchKITTI360Layout):
        if (Path(root) / layout.dataset.DATA_PREFIX['sequences']).is_dir():
            return layout(root)
    expected = 'dataset/sequences (SemanticKITTI) or data_2d_raw (SSCBench-KITTI-360)'
    hint = 'NYU: prepare it with nyu.py first. Other data sets are checked by their config: give it'
    raise DataError(root, 'data set', expected, 'neither folder', hint)


def check_driving_tree(
    root: str | Path, thorough: bool = False, shard: Shard | None = None
) -> TreeReport:
    """Check every file of a SemanticKITTI or SSCBench-KITTI-360 tree.

    Raw files: calibration, poses, one image per pose without gaps, voxel files of one size, labels
    with their masks, release of the voxels. Prepared files, if there are any: labels, points and
    depth of every frame, info files that list every sample. Frames that no sample can read (a
    sample reads up to 12 frames back) may be missing; a note says so.

    Args:
        root: The tree.
        thorough: Read and decode every file, not only its size, header and end. Otherwise the
            first depth maps of a folder are read, because only their values show a wrong unit.
        shard: Check only the files of this share.

    Raises:
        DataError: ``root`` has no known data set.
    """
    layout = find_driving_layout(root)
    report = TreeReport(shard=shard)
    metainfo = _find_metainfo(layout, report)
    grid = metainfo['voxel_grid']
    for sequence in layout.sequences():
        counts = report.counts[sequence] = {}
        frames = _check_raw_frames(layout, sequence, metainfo, report, counts, thorough)
        labelled = _check_voxels(layout, sequence, frames, grid, report, counts, thorough)
        _check_release(layout, sequence, grid, report)
        _check_labels(layout, sequence, labelled, grid, report, counts, thorough)
        _check_per_frame(layout, sequence, frames, grid, report, counts, thorough)
    _note_unprepared(layout, report)
    _check_infos(layout, report)
    return report.finish()


def _find_metainfo(layout: DrivingLayout, report: TreeReport) -> dict[str, Any]:
    """``metainfo`` of the info files, or else the grid of the labels or of the data set."""
    for split in layout.splits:
        path = layout.info_file(split)
        if path.is_file():
            try:
                return read_driving_list(path)['metainfo']
            except DataError:
                # Reported with the other info files.
                continue
    official = VoxelGrid.build(layout.dataset.METAINFO['voxel_grid'])
    grid = _grid_of_labels(layout, official)
    if grid == official:
        report.notes.append('no info file yet: using the official voxel grid')
    else:
        size = ' x '.join(map(str, grid.shape))
        text = f'no info file yet: using the {size} voxels of the labels, in the official box'
        report.notes.append(text)
    return {'voxel_grid': grid}


def _grid_of_labels(layout: DrivingLayout, official: VoxelGrid) -> VoxelGrid:
    """The official box in voxels of the first labels; the official grid without labels."""
    labels = (
        layout.label_file(sequence, sample, 1)
        for sequence in layout.sequences()
        for sample in layout.sample_ids(sequence)
    )
    path = next((path for path in labels if path.is_file()), None)
    try:
        shape = official.shape if path is None else read_npy_shape(path)
    except DataError:  # reported with the labels
        shape = official.shape
    if shape == official.shape or len(shape) != 3 or 0 in shape:
        return official
    extent = np.subtract(official.upper, official.origin)
    return VoxelGrid(official.origin, (extent / shape).tolist(), shape)


def _check_raw_frames(
    layout: DrivingLayout,
    sequence: str,
    metainfo: Mapping[str, Any],
    report: TreeReport,
    counts: dict,
    thorough: bool,
) -> list[str]:
    """Check calibration, poses and images; return the frames that (should) have an image."""
    try:
        layout.check_images(sequence)
    except DataError as error:
        report.add_error(error)
    try:
        cropped = metainfo.get('cropped_images', False)
        report.notes += check_calibration(
            layout, sequence, metainfo['voxel_grid'], cropped, 'give the converter --cropped-images'
        )
    except DataError as error:
        report.add_error(error)
    present = layout.frame_ids(sequence)
    last = max((int(name) for name in present if _FRAME_NAME.fullmatch(name)), default=-1)
    counts['images'] = len(present)
    try:
        index, poses = layout.poses(sequence)
        counts['poses'] = len(poses)
        if len(poses) and int(index[-1]) == len(poses) - 1:
            # There is one pose per frame, so the poses give the expected number of images.
            last = max(last, len(poses) - 1)
        report.notes += pose_remarks(layout, sequence)
        without = samples_without_pose(layout, sequence)
        if without:
            problem = Problem('missing', str(layout.poses_file(sequence)), without)
            report.problems.append(problem)
    except DataError as error:
        report.add_error(error)
    expected = [f'{frame:06d}' for frame in range(last + 1)]
    needed = _needed_frames(layout, sequence, expected)
    if not layout.has_images(sequence):
        report.notes.append(f'{sequence}: scans without images, for methods that take scans')
        return expected
    for frame_id in expected:
        if frame_id in needed or frame_id in present:
            report.check('image', layout.left_image(sequence, frame_id), thorough=thorough)
    _note_unneeded(report, f'images of {sequence}', set(expected) - needed - set(present))
    _add_extra(
        report, (layout.left_image(sequence, frame_id) for frame_id in set(present) - set(expected))
    )
    return expected


def _needed_frames(layout: DrivingLayout, sequence: str, frames: Sequence[str]) -> set[str]:
    """Frames that a sample can read; all frames if there is no sample yet."""
    samples = {int(name) for name in layout.sample_ids(sequence) if _FRAME_NAME.fullmatch(name)}
    reach = {sample - back for sample in samples for back in range(FARTHEST_OFFSET + 1)}
    return {frame_id for frame_id in frames if not samples or int(frame_id) in reach}


def _note_unneeded(report: TreeReport, what: str, frames: set[str]) -> None:
    if frames:
        text = f'frames {describe_frames(frames)} are missing, but no sample reads them'
        report.notes.append(f'{what}: {text}')


def _add_extra(report: TreeReport, paths: Iterable[Path]) -> None:
    report.problems += [Problem('extra', str(path), 'belongs to no frame') for path in paths]


def _files(folder: Path) -> Iterator[Path]:
    paths = folder.iterdir() if folder.is_dir() else ()
    yield from sorted(path for path in paths if path.name != RECIPE_NAME)


def _check_voxels(
    layout: DrivingLayout,
    sequence: str,
    frames: list[str],
    grid: VoxelGrid,
    report: TreeReport,
    counts: dict,
    thorough: bool,
) -> list[str]:
    """Check the raw volumes; return the samples that have (or should have) labels."""
    samples = layout.sample_ids(sequence)
    labelled = []
    for sample in samples:
        found = {s for s in _VOXEL_KINDS if layout.voxel_file(sequence, sample, s).is_file()}
        # A test sample has only .bin. A labelled sample has both labels and mask.
        required = found | ({'.label', '.invalid'} if found & {'.label', '.invalid'} else set())
        if '.label' in required:
            labelled.append(sample)
        for suffix in required:
            path = layout.voxel_file(sequence, sample, suffix)
            if suffix != '.label':
                report.check(_VOXEL_KINDS[suffix], path, grid.shape)
                continue
            scan = path.with_suffix('.bin')
            read = partial(check_raw_label_file, path, grid.shape, layout.dataset, scan)
            in_full = thorough or len(labelled) <= LABEL_SAMPLES
            report.check(_VOXEL_KINDS[suffix], path, grid.shape, in_full, read)
    folder = layout.voxel_file(sequence, '0', '').parent
    known = set(samples) & set(frames)
    _add_extra(report, (path for path in _files(folder) if path.stem not in known))
    counts['samples'], counts['labelled'] = len(samples), len(labelled)
    return labelled


def _check_release(
    layout: DrivingLayout, sequence: str, grid: VoxelGrid, report: TreeReport
) -> None:
    """Compare a few volumes with their scans (SemanticKITTI)."""
    if not isinstance(layout, SemanticKITTILayout):
        return
    compared = 0
    for sample in layout.sample_ids(sequence):
        voxels = layout.voxel_file(sequence, sample, '.bin')
        scan = voxels.parent.parent / 'velodyne' / voxels.name
        if compared == _RELEASE_SAMPLES or not (scan.is_file() and voxels.is_file()):
            continue
        try:
            as_stored, moved = shifted_agreement(voxels, scan, grid)
        except DataError as error:
            if error.file == str(scan):
                report.add_error(error)
            continue
        compared += 1
        shifted = is_shifted(as_stored, moved)
        figures = f'overlap with the scan {as_stored:.2f}, shifted back by one {moved:.2f}'
        if shifted is None:
            detail = f'does not fit {scan.name}: {figures}'
            report.problems.append(Problem('damaged', str(voxels), detail))
        elif shifted:
            detail = f'release 1.0, shifted by one voxel; download release 1.1: {figures}'
            report.problems.append(Problem('release', str(voxels), detail))
    text = 'no scan to compare with'
    if compared:
        text = f'{counted(compared, "volume")} compared with the scan'
    report.notes.append(f'voxel release of {sequence}: {text}')


def _check_labels(
    layout: DrivingLayout,
    sequence: str,
    labelled: list[str],
    grid: VoxelGrid,
    report: TreeReport,
    counts: dict,
    thorough: bool,
) -> None:
    """Check the training labels, if the tree is prepared."""
    if not (layout.root / layout.dataset.DATA_PREFIX['labels']).is_dir():
        return
    expected = set()
    for number, sample in enumerate(labelled):
        for factor in (1, 2, 4, 8):
            path = layout.label_file(sequence, sample, factor)
            expected.add(path)
            # Scales 4 and 8 are made on request only.
            if factor <= 2 or path.is_file():
                shape = grid.coarsen(factor).shape
                # Only the scan of the finest scale is stored.
                scan = layout.voxel_file(sequence, sample, '.bin') if factor == 1 else None
                read = partial(check_train_label_file, path, shape, layout.dataset, scan)
                in_full = thorough or number < LABEL_SAMPLES
                report.check('labels', path, shape, in_full, read)
    found = list(_files(layout.label_file(sequence, '0', 1).parent))
    counts['labels'] = sum(path.name.endswith('_1_1.npy') for path in found)
    _add_extra(report, (path for path in found if path not in expected))


def _check_per_frame(
    layout: DrivingLayout,
    sequence: str,
    frames: list[str],
    grid: VoxelGrid,
    report: TreeReport,
    counts: dict,
    thorough: bool,
) -> None:
    """Check points and depth of every frame, if the tree has any."""
    cases = (
        ('pseudo_lidar', 'points', layout.pseudo_lidar_folder(sequence), ('.bin',)),
        ('depth', 'depth', layout.depth_folder(sequence), ('.npy', '.png')),
    )
    for name, kind, folder, suffixes in cases:
        if not (layout.root / layout.dataset.DATA_PREFIX[name]).is_dir():
            continue
        found = list(_files(folder))
        needed, samples = set(frames), set(layout.sample_ids(sequence))
        if found and {path.stem for path in found} <= samples and needed - samples:
            # Made with --frames samples.
            needed = samples
            text = 'only of samples; temporal models need every frame'
            report.notes.append(f'{name} of {sequence}: {text}')
        else:
            needed = _needed_frames(layout, sequence, frames)
            _note_unneeded(
                report, f'{name} of {sequence}', set(frames) - needed - {p.stem for p in found}
            )
        expected = set()
        for frame_id in sorted({*needed, *frames}):
            candidates = [folder / f'{frame_id}{suffix}' for suffix in suffixes]
            path = next((path for path in candidates if path.is_file()), candidates[0])
            if frame_id in needed or path.is_file():
                expected.add(path)
                read = partial(_read_depth, layout, sequence, path, grid)
                report.check(kind, path, (), thorough, read if kind == 'depth' else None)
        counts[name] = sum(path in expected for path in found)
        _add_extra(report, (path for path in found if path not in expected))


def _read_depth(layout: DrivingLayout, sequence: str, path: Path, grid: VoxelGrid) -> None:
    """Read a depth map and check its unit."""
    depth = read_depth(path)
    try:
        view = layout.depth_view(sequence, grid)
    except DataError:  # reported with the raw files
        view = None
    check_road_depth(path, depth, view)


def _note_unprepared(layout: DrivingLayout, report: TreeReport) -> None:
    has_images = any(map(layout.has_images, layout.sequences()))
    for name in ('labels', 'pseudo_lidar', 'depth') if has_images else ('labels',):
        folder = layout.root / layout.dataset.DATA_PREFIX[name]
        if not folder.is_dir():
            command = f'python {layout.dataset.CONVERTER} {layout.root}'
            report.notes.append(f'not prepared: no {folder} (run {command})')


def _check_infos(layout: DrivingLayout, report: TreeReport) -> None:
    """Compare the info files with the samples on disk."""
    present = set(layout.sequences())
    for split, sequences in layout.splits.items():
        path = layout.info_file(split)
        if not path.is_file():
            if present & set(sequences):
                report.notes.append(f'not prepared: no {path}')
            continue
        try:
            info = read_driving_list(path)
        except DataError as error:
            report.add_error(error)
            continue
        listed = {(item['sequence'], item['frame_id']) for item in info['data_list']}
        on_disk = {(s, frame) for s in info['sequences'] for frame in layout.sample_ids(s)}
        for kind, keys, text in (
            ('missing', listed - on_disk, 'listed, but has no voxel file'),
            ('extra', on_disk - listed, 'has a voxel file, but is not listed'),
        ):
            for sequence in sorted({name for name, _ in keys}):
                frames = describe_frames(frame for name, frame in keys if name == sequence)
                report.problems.append(Problem(kind, str(path), f'{sequence}/{frames}: {text}'))
