"""The depth of a preparation: its source is checked, then the depth maps are made."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmssc.errors import DataError, counted
from mmssc.formats.ground_checks import DepthView
from mmssc.preparation.folder_settings import claim_folder, find_results, read_recipe
from mmssc.preparation.frame_jobs import FrameRunner, FrameTask, StepReport

from .camera_check import check_baseline
from .layouts import DrivingLayout
from .options import PreparationOptions, frames_of
from .tasks import FolderDepthTask, StereoDepthTask

__all__ = ['depth_recipes', 'make_depth']

_DEPTH_SUFFIXES = ('.npy', '.png')


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
    # First the results: another shard writes the recipe before them.
    results = find_results(folder, _DEPTH_SUFFIXES)
    before = read_recipe(folder)
    return bool(results) if before is None else before.get('source') != 'stereo'


def _claim_depth_folder(folder: Path, recipe: dict[str, Any], options: PreparationOptions) -> None:
    overwrite, shared = options.overwrite, options.shared
    if not claim_folder(folder, recipe, _DEPTH_SUFFIXES, overwrite, shared=shared):
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
        if frames := frames_of(layout, options, sequence):
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
            for frame in frames_of(layout, options, sequence)
        ]
    report = runner.run('depth', tasks)
    report.notes += notes
    return report
