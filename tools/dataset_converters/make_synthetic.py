r"""Write synthetic scenes in the layout of a raw data set: drives or rooms.

Examples:
    python tools/dataset_converters/make_synthetic.py --out data/synthetic \
        --sequences 00 01 02 03 08 --frames 25 --frame-step 3 --label-step 1 --workers 2 \
        --grid-shape 64 64 8 --voxel-size 0.8 --image-size 96 320
    python tools/dataset_converters/make_synthetic.py --layout nyu --out data/synthetic_nyu \
        --frames 40 10 --workers 2
"""

from __future__ import annotations

from mmssc.command_line import command, parse_early, prepare_process

prepare_process()

import argparse
import json
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Callable

from mmssc.errors import DataError, counted
from mmssc.fileio import atomic_write, check_writable, lock_folder, remove_stale_files

# Defaults of the options that both layouts have.
DEFAULTS: dict[str, dict[str, Any]] = dict(
    semantickitti=dict(
        frames=[25], grid_shape=(64, 64, 8), voxel_size=0.8, image_size=(96, 320)
    ),
    nyu=dict(
        frames=[40, 10], grid_shape=(240, 144, 240), voxel_size=0.02, image_size=(480, 640)
    ),
)  # fmt: skip


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('--layout', choices=tuple(DEFAULTS), default='semantickitti',
        help='data set to imitate (default: semantickitti)')  # fmt: skip
    add('--out', type=Path, required=True, help='root folder')
    add('--frames', type=int, nargs='+', metavar='N', help='semantickitti: frames per sequence '
        '(25); nyu: training and test frames (40 10)')  # fmt: skip
    add('--seed', type=int, default=0, help='the same seed gives the same bytes')
    add('--grid-shape', type=int, nargs=3, metavar='N', help='voxels of the raw labels; '
        'semantickitti: x, y, z (64 64 8); nyu: x, up, y (240 144 240)')  # fmt: skip
    add('--voxel-size', type=float, help='metres (0.8; 0.02)')
    add('--image-size', type=int, nargs=2, metavar=('H', 'W'), help='(96 320; 480 640)')
    add('--workers', type=int, default=0, help='processes; 0: work in the main process')
    add('--overwrite', action='store_true', help='write existing files again')
    drives = parser.add_argument_group('semantickitti')
    add = drives.add_argument
    add('--sequences', nargs='+', default=['00', '08'], help='two digits each; the real set has '
        'train 00-07, 09, 10, val 08, test 11-21')  # fmt: skip
    add('--grid-origin', type=float, nargs=3, default=(0.0, -25.6, -2.0), metavar=('X', 'Y', 'Z'),
        help='lower corner of the grid in the lidar frame, metres')  # fmt: skip
    add('--frame-step', type=float, default=1.0, help='metres driven between frames')
    add('--label-step', type=int, default=5, help='write a voxel file every N frames')
    add('--lidar-size', type=int, nargs=2, default=(64, 600), metavar=('ROWS', 'COLUMNS'))
    add(
        '--lidar',
        choices=('exact', 'rendered'),
        default='exact',
        help='rendered: with range, '
        'noise, lost returns and reflectance by material, and labels/SS/*.label of the points',
    )
    add = parser.add_argument_group('semantickitti, with --lidar rendered').add_argument
    add('--lidar-elevations', type=float, nargs=2, metavar=('UP', 'DOWN'),
        help='angle of the first and last row of beams, degrees (2 -24.8)')  # fmt: skip
    add('--lidar-ranges', type=float, nargs=2, metavar=('NEAR', 'FAR'),
        help='nearest and farthest measurement, metres, up to 80 (2 80)')  # fmt: skip
    add('--lidar-dropout', type=float, metavar='SHARE', help='lost measurements (0.02)')
    add('--lidar-noise', type=float, metavar='METRES',
        help='standard deviation of the range (0.015)')  # fmt: skip
    parsed = parser.parse_args(arguments)
    for name, value in DEFAULTS[parsed.layout].items():
        if getattr(parsed, name) is None:
            setattr(parsed, name, value)
    return parsed


if __name__ == '__main__':
    parse_early(parse_args)

from mmssc.formats.json_fields import parse_json
from mmssc.formats.regular_files import read_text
from mmssc.progress import Progress
from mmssc.structures import VoxelGrid
from mmssc.synthetic.rooms.frame import RoomSettings, frame_files, write_room_files
from mmssc.synthetic.streets.drive import (
    DriveSettings,
    drive_folders,
    remove_other_frames,
    write_drive_files,
    write_sensor_files,
    write_voxel_files,
)
from mmssc.synthetic.streets.lidar import LidarModel

Task = tuple[Any, Callable[[], Any]]


def run_tasks(
    tasks: Iterable[Task], pool: ProcessPoolExecutor | None, bar: Progress
) -> Iterator[tuple[Any, Any]]:
    """Run (key, call) pairs and yield (key, result) as they finish, in any order."""
    if pool is None:
        for key, call in tasks:
            yield key, call()
            bar.update()
        return
    pending: dict[Future, Any] = {pool.submit(call): key for key, call in tasks}
    for future in as_completed(list(pending)):
        # Remove the future, so that results do not fill the memory.
        yield pending.pop(future), future.result()
        bar.update()


class Record:
    """``OUT/synthetic.json``: settings of a tree, and the sequences that are complete.

    It is written first: if it is missing, this tool did not make the tree.

    Args:
        out: Root of the tree.
        settings: Settings to make it with.
        overwrite: Make the tree again if it has other settings.
        folders: Where files will be written.

    Raises:
        DataError: The tree was made with other settings and ``overwrite`` is false; or a folder
            exists without a record, and may hold real data.
    """

    def __init__(
        self,
        out: Path,
        settings: DriveSettings | RoomSettings,
        overwrite: bool,
        folders: Sequence[Path],
    ) -> None:
        self.path = out / 'synthetic.json'
        # Convert through JSON, so that tuples equal the lists in the file.
        self.settings = json.loads(json.dumps(asdict(settings)))
        # Trees of earlier releases know no model of the lidar.
        if self.settings.get('lidar', ...) is None:
            del self.settings['lidar']
        self.complete: list[str] = []
        if self.path.exists():
            self._read(overwrite)
        elif foreign := [folder for folder in folders if folder.exists()]:
            found = 'files that this tool did not make'
            raise DataError(foreign[0], None, 'a new folder', found, 'Choose another --out')
        self.save()

    def _read(self, overwrite: bool) -> None:
        try:
            found = parse_json(read_text(self.path))
            made_with = dict(found['settings'])
            self.complete = [str(one) for one in found['sequences']]
        except (OSError, ValueError, KeyError, TypeError) as error:
            hint = 'Remove it, or choose another --out'
            raise DataError(self.path, 'file', 'a record of this tool', error, hint) from error
        if overwrite:
            self.complete = []
        elif made_with != self.settings:
            keys = [*self.settings, *(key for key in made_with if key not in self.settings)]
            changed = {key: made_with.get(key) for key in keys
                       if made_with.get(key) != self.settings.get(key)}  # fmt: skip
            expected = {key: self.settings.get(key) for key in changed}
            hint = 'Choose another --out, or remove the tree'
            raise DataError(self.path, 'settings', expected, changed, hint)

    def has(self, out: Path, sequence: str) -> bool:
        """Whether a sequence is complete."""
        return sequence in self.complete and drive_folders(out, sequence)[0].is_dir()

    def add(self, sequence: str) -> None:
        """Record that a sequence is complete."""
        self.complete = sorted({*self.complete, sequence})
        self.save()

    def save(self) -> None:
        """Write the record."""
        with atomic_write(self.path, 'w') as file:
            json.dump({'settings': self.settings, 'sequences': self.complete}, file, indent=2)


def write_drives(
    out: Path,
    sequences: list[str],
    settings: DriveSettings,
    pool: ProcessPoolExecutor | None,
    record: Record,
) -> None:
    """Write every sequence; with a pool, write frames in parallel."""
    there = [sequence for sequence in sequences if record.has(out, sequence)]
    if there:
        print(f'complete already: {" ".join(there)}')
    sequences = [sequence for sequence in sequences if sequence not in there]
    if not sequences:
        return
    derived = [out / 'dataset' / name / sequence for name in ('labels', 'pseudo_lidar')
               for sequence in sequences]  # fmt: skip
    if any(folder.exists() for folder in derived):
        print('prepared files of the earlier scenes: make them again, too, with --overwrite')
    frames = range(settings.frames)
    labelled = frames[:: settings.label_step]
    total = len(sequences) * (len(frames) + len(labelled))
    with Progress(total, 'drives', unit='file') as bar:
        for sequence in sequences:
            remove_other_frames(out, sequence, settings)
            write_drive_files(out, sequence, settings)
            write_sensors = partial(write_sensor_files, out, sequence, settings)
            # The voxel labels of a frame combine the views of all frames of the drive.
            panoramas = dict(run_tasks(((f, partial(write_sensors, f)) for f in frames), pool, bar))
            write_voxels = partial(write_voxel_files, out, sequence, settings, panoramas=panoramas)
            for _ in run_tasks(((f, partial(write_voxels, f)) for f in labelled), pool, bar):
                pass
            record.add(sequence)


def room_numbers(frames: list[int]) -> dict[str, range]:
    """Frame ids of both splits: odd for training, even for testing, so that both can grow."""
    if len(frames) != 2 or min(frames) < 0 or max(frames) > 4999 or not any(frames):
        raise DataError('command line', '--frames', 'two numbers of 0..4999', frames)
    return dict(train=range(1, 2 * frames[0], 2), test=range(2, 2 * frames[1] + 1, 2))


def write_rooms(
    out: Path,
    frames: dict[str, range],
    settings: RoomSettings,
    pool: ProcessPoolExecutor | None,
    overwrite: bool,
) -> None:
    """Write missing rooms (with a pool, in parallel) and the split lists."""
    asked = [(split, frame) for split, numbers in frames.items() for frame in numbers]
    todo = [
        (split, frame)
        for split, frame in asked
        if overwrite or not all(path.is_file() for path in frame_files(out, split, frame).values())
    ]
    if len(todo) < len(asked):
        print(f'complete already: {counted(len(asked) - len(todo), "frame")}')
    if todo:
        tasks = ((key, partial(write_room_files, out, *key, settings)) for key in todo)
        with Progress(len(todo), 'rooms') as bar:
            for _ in run_tasks(tasks, pool, bar):
                pass
    for split in frames:
        there = sorted(path.name[3:7] for path in (out / f'NYU{split}').glob('NYU*.bin'))
        with atomic_write(out / f'{split}.txt', 'w') as file:
            file.writelines(f'{name}\n' for name in there)


def lidar_model(args: argparse.Namespace) -> LidarModel | None:
    """The lidar that the command line describes."""
    options = ('elevations', 'ranges', 'dropout', 'noise')
    values = {name: getattr(args, f'lidar_{name}') for name in options}
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if value is not None
    }
    if args.lidar == 'rendered':
        return LidarModel(**given)
    for name in given:
        hint = f'Give --lidar rendered, or leave --lidar-{name} out'
        raise DataError('command line', f'--lidar-{name}', '--lidar rendered', 'exact', hint)
    return None


def make_drives(args: argparse.Namespace, pool: ProcessPoolExecutor | None) -> str:
    """Write the drives that the command line describes."""
    if len(args.frames) != 1:
        raise DataError('command line', '--frames', 'one number', args.frames)
    settings = DriveSettings(
        frames=args.frames[0],
        seed=args.seed,
        image_size=tuple(args.image_size),
        grid=VoxelGrid(args.grid_origin, (args.voxel_size,) * 3, args.grid_shape),
        frame_step=args.frame_step,
        label_step=args.label_step,
        lidar_size=tuple(args.lidar_size),
        lidar=lidar_model(args),
    )
    repeated = {name for name in args.sequences if args.sequences.count(name) > 1}
    if repeated or not all(name.isdigit() and len(name) == 2 for name in args.sequences):
        expected = 'different two-digit names'
        raise DataError('command line', '--sequences', expected, args.sequences)
    folders = [folder for name in args.sequences for folder in drive_folders(args.out, name)]
    record = Record(args.out, settings, args.overwrite, folders)
    write_drives(args.out, args.sequences, settings, pool, record)
    drives = counted(len(args.sequences), 'sequence')
    frames = counted(settings.frames, 'frame')
    verb = 'is' if len(args.sequences) == 1 else 'are'
    return f'{drives} of {frames} {verb} in {args.out / "dataset"}'


def make_rooms(args: argparse.Namespace, pool: ProcessPoolExecutor | None) -> str:
    """Write the rooms that the command line describes."""
    frames = room_numbers(args.frames)
    settings = RoomSettings(
        seed=args.seed,
        image_size=tuple(args.image_size),
        shape=tuple(args.grid_shape),
        voxel_size=args.voxel_size,
    )
    folders = [args.out / f'NYU{split}' for split in frames]
    Record(args.out, settings, args.overwrite, folders)
    write_rooms(args.out, frames, settings, pool, args.overwrite)
    rooms = counted(args.frames[0], 'room')
    return f'{rooms} to train and {args.frames[1]} to test are in {args.out}'


@command
def main(arguments: list[str] | None = None) -> None:
    """Command line entry."""
    args = parse_args(arguments)
    check_writable(args.out, 'Give another folder for --out')
    make = dict(semantickitti=make_drives, nyu=make_rooms)[args.layout]
    with lock_folder(args.out):
        for folder in {path.parent for path in args.out.rglob('.mmssc-*.tmp')}:
            remove_stale_files(folder)
        run(args, make)


def run(args: argparse.Namespace, make: Callable[..., str]) -> None:
    """Write the scenes, in this process or in a pool."""
    if args.workers <= 0:
        print(make(args, None))
        return
    # Only this process handles Ctrl-C; it stops the workers.
    ignore = (signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(args.workers, None, signal.signal, ignore) as pool:
        try:
            print(make(args, pool))
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise


if __name__ == '__main__':
    sys.exit(main())
