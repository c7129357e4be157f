"""The converter of NYU and NYUCAD."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mmssc.command_line import command
from mmssc.datasets.rgbd_list import RGBDList, frames_in_several, write_rgbd_list
from mmssc.errors import DataError, counted
from mmssc.preparation.command_line import LISTS_LATER, check_shard, run_converter
from mmssc.preparation.folder_settings import info_list_to_write, replace_if_changed
from mmssc.preparation.frame_jobs import FrameRunner, FrameTask, StepReport

from .layouts import RAW_SOURCES, SPLITS, FrameTree, RawFrame, prepared_path
from .options import check_camera, claim_results, scaled_camera, spec_of
from .parsers import nyu_parser
from .published_figures import check_tasks, read_figures
from .tasks import LOW_IDS, FrameSettings, PreparedTask, TorchSSCTask
from .volume_checks import check_raw_ids

__all__ = ['prepare_nyu']

# Kind of raw depth image -> format of the info list.
_DEPTH_FORMATS = dict(nyu='nyu_depth', mm='depth_mm')
_CLAIM_HINT = 'Give another --out, or --list-only to read them unchanged'
_TORCHSSC_FOLDERS = ('TSDF', 'Mapping', 'Label', 'sketch3D')


def _settings(arguments: argparse.Namespace) -> dict[str, FrameSettings]:
    spec = spec_of(arguments)
    cameras = dict(nyu=arguments.camera, nyucad=arguments.cad_camera)
    return {
        source: FrameSettings(
            spec,
            scaled_camera(camera, spec.image_size),
            arguments.depth_kind,
            arguments.tie,
            arguments.truncation,
            tuple(arguments.depth_limits),
        )
        for source, camera in cameras.items()
    }


def _tasks(
    frames: Sequence[RawFrame], settings: FrameSettings, out: Path, arguments: argparse.Namespace
) -> list[FrameTask]:
    source = frames[0].source
    if arguments.layout == 'torchssc':
        folder = out if source == 'nyu' else out / source.upper()
        for name in _TORCHSSC_FOLDERS:
            claim_results(folder / name, settings.recipe(), arguments, _CLAIM_HINT)
        return [TorchSSCTask(frame, settings, folder) for frame in frames]
    coarse, fine = (out / prepared_path(source, is_fine) for is_fine in (False, True))
    claim_results(coarse.parent, settings.recipe(), arguments, _CLAIM_HINT)
    if arguments.fine:
        claim_results(fine.parent, settings.recipe(), arguments, _CLAIM_HINT)
    return [
        PreparedTask(
            frame,
            settings,
            coarse.with_name(f'{frame.frame_id}.npz'),
            fine.with_name(f'{frame.frame_id}.npz') if arguments.fine else None,
        )
        for frame in frames
    ]


def _check_names(frames: Sequence[RawFrame]) -> None:
    """Refuse two splits with frames of one name: they would share their results."""
    first: dict[str, RawFrame] = {}
    for frame in frames:
        other = first.setdefault(frame.frame_id, frame)
        if other is not frame:
            found = f'{frame.frame_id} of {other.depth}'
            hint = 'Rename the frame in one of the splits'
            raise DataError(frame.depth, 'frame', 'a name of its own', found, hint)


def _convert(
    arguments: argparse.Namespace,
    tree: FrameTree,
    settings: dict[str, FrameSettings],
    runner: FrameRunner,
) -> list[StepReport]:
    reports = []
    for source in arguments.sources or RAW_SOURCES:
        splits = [tree.raw_frames(source, split) for split in SPLITS]
        frames = [frame for split in splits for frame in split]
        if frames:
            _check_names(frames)
            spec = settings[source].spec
            for group in (*splits, frames):
                check_raw_ids(group, spec.fine_grid.shape, spec.num_classes)
            tasks = _tasks(frames, settings[source], tree.out, arguments)
            report = runner.run(source, tasks)
            if report.remarked_frames[LOW_IDS] < len(runner.part(tasks)):
                del report.remarks[LOW_IDS]
            reports.append(report)
        elif arguments.sources:
            expected = ' or '.join(RAW_SOURCES[source])
            raise DataError(tree.root, f'depth of {source}', expected, 'none')
    return reports


def _write_lists(
    tree: FrameTree, settings: dict[str, FrameSettings]
) -> tuple[StepReport, list[RGBDList]]:
    report, lists = StepReport('infos'), []
    cameras = {source: setting.camera for source, setting in settings.items()}
    # The flipped volumes of DDRNet's files were made with one camera for both.
    cameras.update(nyu_flipped=cameras['nyucad'], nyucad_flipped=cameras['nyucad'])
    for split in SPLITS:
        depth_format = _DEPTH_FORMATS[settings['nyu'].depth_kind]
        listed, remarks = tree.frame_list(split, cameras, settings['nyu'].spec, depth_format)
        if not listed.frames:
            report.notes.append(f'{split}: no frame with a TSDF, no info list')
            continue
        path = tree.out / f'nyu_infos_{split}.json'
        path.parent.mkdir(parents=True, exist_ok=True)
        changed = replace_if_changed(path, partial(write_rgbd_list, frames=listed))
        report.made += changed
        report.kept += not changed
        report.notes += remarks
        lists.append(listed)
    if not lists:
        expected = 'raw depth with .bin files, or TSDF folders'
        raise DataError(tree.root, 'frames', expected, 'none')
    shared = frames_in_several(lists)
    if shared:
        frames = counted(len(shared), 'frame')
        report.notes.append(f'in more than one split: {frames}, e.g. {shared[0]}')
    return report, lists


def _work(arguments: argparse.Namespace) -> list[StepReport]:
    settings = _settings(arguments)
    options = dict(nyu='--camera', nyucad='--cad-camera')
    remarks = [
        remark
        for source, setting in settings.items()
        for remark in check_camera(setting.camera, setting.spec.image_size, options[source])
    ]
    for split in SPLITS:
        info_list_to_write((arguments.out or arguments.root) / f'nyu_infos_{split}.json')
    figures = None if arguments.verify is None else read_figures(arguments.verify)
    reports: list[StepReport] = []
    with FrameRunner(arguments.workers, arguments.shard) as runner:
        if not arguments.list_only:
            tree = FrameTree(arguments.root, arguments.out)
            reports += _convert(arguments, tree, settings, runner)
            if not reports:
                text = 'no raw depth with .bin files found: only the info lists are written'
                reports.append(StepReport('convert', notes=[text]))
        if arguments.shard is not None:
            return [*reports, StepReport('infos', notes=[LISTS_LATER])]
        if any(report.failures for report in reports):
            return [*reports, StepReport('infos', notes=['not written: see the failures'])]
        # Make a new tree, because the files have changed.
        tree = FrameTree(arguments.root, arguments.out)
        report, lists = _write_lists(tree, settings)
        report.notes += remarks
        reports.append(report)
        if figures is not None:
            source = arguments.verify_source
            checks = [
                task for listed in lists for task in check_tasks(listed, tree.out, source, figures)
            ]
            if not checks:
                found = f'none of its {counted(len(figures), "frame")}'
                raise DataError(arguments.verify, 'frame', 'frames of the info lists', found)
            reports.append(runner.run('verify', checks))
    return reports


@command
def prepare_nyu(description: str, arguments: Sequence[str] | None = None) -> int:
    """Run the converter.

    Args:
        description: For ``--help``.
        arguments: Command line, by default that of this process.

    Returns:
        Exit status, see :func:`mmssc.preparation.prepare_driving`.
    """
    parsed = nyu_parser(description).parse_args(arguments)
    check_shard(parsed, has_work=not parsed.list_only)
    hint = 'Give another folder for --out'
    return run_converter(
        partial(_work, parsed), parsed.root, parsed.out, hint=hint, shard=parsed.shard
    )
