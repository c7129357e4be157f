"""How a transform that reads files describes them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mmcv.transforms import BaseTransform

from .frame_errors import naming_frame

__all__ = ['ReadingTransform', 'SampleFile', 'reading_transforms']


@dataclass(frozen=True)
class SampleFile:
    """One file of a sample that a transform reads.

    Args:
        path: The file; ``ARCHIVE.npz/MEMBER`` for a part of an archive.
        kind: Format of the file. The quick check of :mod:`mmssc.inspection` knows ``'bits'``,
            ``'words'`` (four bytes per voxel), ``'points'`` (``.bin`` of KITTI) and ``'depth'``;
            it checks other kinds by their file extension.
        read: Reads and checks the whole file; raises :class:`~mmssc.errors.DataError`.
        keys: Keys of the sample that are made from it.
        shape: Shape of the array if it is known before reading, else empty.
        frame_id: Frame that the file belongs to; empty: the frame of the sample.
        prepared: Whether a converter makes the file; errors then name the command.
    """

    path: str
    kind: str
    read: Callable[[], Any]
    keys: tuple[str, ...]
    shape: tuple[int, ...] = ()
    frame_id: str = ''
    prepared: bool = True


class ReadingTransform(BaseTransform):
    """Base class of transforms that read files.

    It lists its files for the dataset check, and the model inputs that come from them for the
    inferencers, which take these from memory.
    """

    #: Data sets that the transform is for, ``'driving'``, ``'lidar'`` or ``'rgbd'``; empty: any.
    data_kind: str = ''

    @property
    @abstractmethod
    def inputs(self) -> tuple[str, ...]:
        """Keys that the transform adds for the model, without targets, masks and optional keys."""

    @abstractmethod
    def files(self, results: Mapping[str, Any]) -> list[SampleFile]:
        """The files of a sample that the transform reads.

        Args:
            results: Item of the data set, as ``get_data_info`` returns it.

        Raises:
            DataError: The item lacks something that the transform needs.
        """

    def add_arrays(self, results: dict[str, Any], arrays: Mapping[str, Any]) -> dict[str, Any]:
        """Add the arrays that were read; inferencers call it with arrays from memory.

        Args:
            results: The sample; the new keys are added to it.
            arrays: A value for each of :attr:`inputs`, in the form that
                :class:`~mmssc.datasets.transforms.PackSSCInputs` takes.
        """
        results.update(arrays)
        return results

    def read_files(self, results: Mapping[str, Any]) -> list[tuple[SampleFile, Any]]:
        """Every file with its content; a repeated file is read once.

        Raises:
            DataError: A file is missing or damaged; the error names the frame.
        """
        contents: dict[tuple[str, tuple[str, ...]], Any] = {}
        pairs = []
        for file in self.files(results):
            source = file.path, file.keys
            if source not in contents:
                frame_id = file.frame_id or results['frame_id']
                with naming_frame(results, frame_id, hint=file.prepared):
                    contents[source] = file.read()
            pairs.append((file, contents[source]))
        return pairs


def reading_transforms(transform: Any) -> Iterator[ReadingTransform]:
    """The reading transforms of a pipeline, also those inside wrappers such as ``RandomApply``.

    Args:
        transform: A transform, or an object with transforms in ``.transforms``.

    Yields:
        Each of them, in the order of the pipeline.
    """
    if isinstance(transform, ReadingTransform):
        yield transform
    inner = getattr(transform, 'transforms', [])
    for one in inner if isinstance(inner, (list, tuple)) else [inner]:
        yield from reading_transforms(one)
