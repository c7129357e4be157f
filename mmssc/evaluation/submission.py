"""Predictions in the format of the SemanticKITTI test server, and a check of a submission.

A submission has ``sequences/SS/predictions/FFFFFF.label`` for every sample of the test sequences:
the volume in C order (x, y, z), uint16 raw ids.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmssc.errors import DataError, counted
from mmssc.fileio import atomic_write
from mmssc.formats.kitti import write_raw_labels
from mmssc.formats.regular_files import read_bytes
from mmssc.formats.zip_archives import ZipArchive

__all__ = [
    'SubmissionRules', 'check_submission', 'frames_of', 'pack_submission', 'prediction_path',
    'write_prediction',
]  # fmt: skip

RAW_ID_BYTES = 2
FILE_NAME = re.compile(r'sequences/([0-9]{2})/predictions/([0-9]{6})\.label')
SERVERS = ('SemanticKITTI',)
NO_SERVER = {
    'SSCBenchKITTI360': 'its test labels are public: run the metric on the test split',
    'CarlaSC': 'its test labels are public: run the metric on the test split',
    'NYU': 'its test labels are public: run the metric on the test split',
    'NYUCAD': 'its test labels are public: run the metric on the test split',
}


@dataclass(frozen=True)
class SubmissionRules:
    """What a test server accepts.

    Args:
        shape: Voxels along x, y, z of a prediction.
        raw_ids: (K,) uint16, the raw id of each train id.
    """

    shape: tuple[int, int, int]
    raw_ids: np.ndarray

    @classmethod
    def official(cls, meta: Mapping[str, Any]) -> SubmissionRules:
        """Rules of the server for the data set that ``meta`` (its metainfo) describes.

        Raises:
            DataError: The data set has no test server.
        """
        name = meta.get('dataset')
        if name not in SERVERS:
            reason = NO_SERVER.get(str(name), 'mmssc knows no server for this data set')
            raise DataError(
                'submission',
                'dataset',
                f'one with a test server ({", ".join(SERVERS)})',
                f'{name}',
                f'{name} has no submission server; {reason}',
            )
        return cls.semantic_kitti()

    @classmethod
    def semantic_kitti(cls) -> SubmissionRules:
        """Rules of the SemanticKITTI scene completion server."""
        from mmssc.datasets import SemanticKITTIDataset

        meta = SemanticKITTIDataset.METAINFO
        return cls(tuple(meta['voxel_grid']['shape']), raw_id_table(meta['inverse_learning_map']))

    @property
    def num_bytes(self) -> int:
        """Size of one prediction file."""
        return int(np.prod(self.shape)) * RAW_ID_BYTES


def raw_id_table(inverse_learning_map: Mapping[int, int] | Sequence[int]) -> np.ndarray:
    """(K,) uint16: the raw id of each train id, from a mapping or a list.

    Raises:
        DataError: A train id of the mapping has no raw id.
    """
    if isinstance(inverse_learning_map, Mapping):
        pairs = {int(key): int(value) for key, value in inverse_learning_map.items()}
        missing = sorted(set(range(len(pairs))) - set(pairs))
        if missing:
            expected = f'a raw id for each of {len(pairs)} classes'
            raise DataError('metainfo', 'inverse_learning_map', expected, f'none for {missing[0]}')
        inverse_learning_map = [pairs[train_id] for train_id in range(len(pairs))]
    return np.asarray(inverse_learning_map, dtype=np.uint16)


def prediction_path(sequence: str, frame_id: str) -> str:
    """Name of a prediction inside a submission."""
    return f'sequences/{sequence}/predictions/{frame_id}.label'


def write_prediction(
    root: str | PathLike[str],
    sequence: str,
    frame_id: str,
    prediction: np.ndarray,
    rules: SubmissionRules,
    allow_unofficial_grid: bool = False,
) -> Path:
    """Write one prediction, atomically.

    Args:
        root: Folder for ``sequences/``.
        sequence: Two digits.
        frame_id: Six digits.
        prediction: (X, Y, Z) integer train ids.
        rules: What the server accepts.
        allow_unofficial_grid: Also write a volume of another shape, which no server accepts.

    Raises:
        DataError: The server does not accept the name, the shape or a class id.
    """
    name = prediction_path(sequence, frame_id)
    if not FILE_NAME.fullmatch(name):
        raise DataError(
            'submission', 'frame', 'a sequence of 2 digits and a frame of 6',
            f'{sequence}/{frame_id}',
        )  # fmt: skip
    if prediction.shape != rules.shape and not allow_unofficial_grid:
        raise DataError(
            name,
            'shape',
            rules.shape,
            prediction.shape,
            'The server refuses other grids. To write them anyway, add '
            '--cfg-options test_evaluator.allow_unofficial_grid=True',
        )
    if prediction.size and int(prediction.max()) >= len(rules.raw_ids):
        raise DataError(name, 'class ids', f'0 to {len(rules.raw_ids) - 1}', prediction.max())
    path = Path(root) / name
    write_raw_labels(path, rules.raw_ids[prediction])
    return path


def pack_submission(
    root: str | PathLike[str], names: Iterable[str], archive: str | PathLike[str]
) -> Path:
    """Zip the predictions ``names`` under ``root``, without files of earlier runs.

    Raises:
        DataError: A prediction is missing, e.g. because the machines do not share ``root``.
    """
    root, archive = Path(root), Path(archive)
    names = sorted(set(names))
    for name in names:
        if not (root / name).is_file():
            hint = 'All processes must write to one shared folder'
            raise DataError(root / name, None, 'a prediction', 'no file', hint)
    with (
        atomic_write(archive) as file,
        zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED, compresslevel=4) as package,
    ):
        for name in names:
            package.write(root / name, name)
    return archive


def frames_of(names: Iterable[str]) -> list[tuple[str, str]]:
    """``(sequence, frame_id)`` of names from :func:`prediction_path`."""
    matches = (FILE_NAME.fullmatch(name) for name in names)
    return [(match.group(1), match.group(2)) for match in matches if match]


class _Member(NamedTuple):
    """A file of a submission: its name, its size in bytes and what reads it."""

    name: str
    size: int
    read: Callable[[], bytes]


def _members(source: Path) -> Iterator[_Member]:
    """Every file of a zip or folder, in order."""
    if source.is_dir():
        for path in sorted(source.rglob('*')):
            if not path.is_dir() and path.suffix != '.zip':
                name = path.relative_to(source).as_posix()
                size = path.stat().st_size if path.exists() else 0  # A broken link has none.
                yield _Member(name, size, partial(read_bytes, path))
        return
    with ZipArchive(source, 'a zip file or a folder') as package:
        for name in package.names:
            yield _Member(name, package.size_of(name), partial(package.read, name))


def _check_content(member: _Member, num_bytes: int | None, known: np.ndarray) -> str | None:
    # The size first: a small archive can unpack to terabytes.
    wrong_size = member.size % RAW_ID_BYTES if num_bytes is None else member.size != num_bytes
    if wrong_size:
        expected = f'a multiple of {RAW_ID_BYTES}' if num_bytes is None else num_bytes
        return f'size: expected {expected} bytes, found {member.size}'
    try:
        ids = np.frombuffer(member.read(), dtype='<u2')
    except DataError as error:
        return f'damaged: expected {error.expected}, found {error.found}'
    wrong = ~known[ids]
    if wrong.any():
        examples = ', '.join(map(str, np.unique(ids[wrong])[:5]))
        found = counted(int(wrong.sum()), 'voxel')
        return f'label value: {found} with unknown ids: {examples}'
    return None


def check_submission(
    source: str | PathLike[str],
    rules: SubmissionRules,
    expected: Iterable[tuple[str, str]] | None = None,
    sequences: Sequence[str] | None = None,
    any_size: bool = False,
) -> tuple[int, list[str]]:
    """Check names, sizes and label values of a submission.

    Args:
        source: The zip, or the folder with ``sequences/``.
        rules: What the server accepts.
        expected: ``(sequence, frame_id)`` of every frame of the test split. With it, the check
            also finds missing and extra frames.
        sequences: Without ``expected``: sequences that must have at least one frame.
        any_size: Accept volumes of every size.

    Returns:
        The number of prediction files, and one line per problem; no line means no problem.

    Raises:
        DataError: ``source`` is neither a folder nor a whole zip.
    """
    known = np.zeros(2 ** (8 * RAW_ID_BYTES), dtype=bool)
    known[rules.raw_ids] = True
    problems: list[str] = []
    found: set[tuple[str, str]] = set()
    for member in _members(Path(source)):
        name = member.name
        match = FILE_NAME.fullmatch(name)
        if match is None:
            if name != 'description.txt':
                problems.append(f'{name}: name: expected sequences/SS/predictions/FFFFFF.label')
            continue
        frame = (match.group(1), match.group(2))
        if frame in found:
            problems.append(f'{name}: name: found twice')
            continue
        found.add(frame)
        problem = _check_content(member, None if any_size else rules.num_bytes, known)
        if problem:
            problems.append(f'{name}: {problem}')
    if expected is not None:
        wanted = {(str(sequence), str(frame)) for sequence, frame in expected}
        problems += [f'{prediction_path(*key)}: missing' for key in sorted(wanted - found)]
        problems += [f'{prediction_path(*key)}: extra' for key in sorted(found - wanted)]
    missing = set(sequences or ()) - {sequence for sequence, _ in found}
    problems += [f'sequences/{sequence}: missing' for sequence in sorted(missing)]
    return len(found), problems
