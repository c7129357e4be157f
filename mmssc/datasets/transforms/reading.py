"""What a transform that reads files says about them."""

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
    """One file that a transform reads of a sample.

    Args:
        path: The file; ``ARCHIVE.npz/MEMBER`` for a part of an archive.
        kind: Format of the file. The quick check of :mod:`mmssc.inspection` looks closer at
            ``'image'``, ``'labels'`` (``.npy``), ``'bits'``, ``'points'`` (``.bin`` of KITTI) and
            ``'depth'``; of other kinds it checks what the ending tells.
        read: Reads and checks the whole file; raises :class:`~mmssc.errors.DataError`.
        keys: Keys of the sample that are made of it.
        shape: Shape of the array, where it is known before reading, else empty.
        frame_id: Frame that the file belongs to; empty: the frame of the sample.
        prepared: Whether a converter makes the file: an error then names the command.
    """

    path: str
    kind: str
    read: Callable[[], Any]
    keys: tuple[str, ...]
    shape: tuple[int, ...] = ()
    frame_id: str = ''
    prepared: bool = True


class ReadingTransform(BaseTransform):
    """Base of every transform that reads files.

    It says which files it reads, so that the dataset check can look at them, and which inputs of
    the model come from them, so that the inferencers can give these from memory.
    """

    #: Data sets that the transform is for, ``'driving'`` or ``'rgbd'``; empty: any.
    data_kind: str = ''

    @property
    @abstractmethod
    def inputs(self) -> tuple[str, ...]:
        """Keys that the transform adds and a model needs; no targets, masks or optional keys."""

    @abstractmethod
    def files(self, results: Mapping[str, Any]) -> list[SampleFile]:
        """The files that the transform reads of a sample.

        Args:
            results: Item of the data set, as ``get_data_info`` gives it.

        Raises:
            DataError: The item lacks something that the transform needs.
        """

    def add_arrays(self, results: dict[str, Any], arrays: Mapping[str, Any]) -> dict[str, Any]:
        """Add what was read; inferencers call it with arrays from memory instead.

        Args:
            results: The sample; gets the new keys.
            arrays: A value for each of :attr:`inputs`, in the form that
                :class:`~mmssc.datasets.transforms.PackSSCInputs` takes.
        """
        results.update(arrays)
        return results

    def read_files(self, results: Mapping[str, Any]) -> list[tuple[SampleFile, Any]]:
        """Every file with its content; a file that occurs again is read once.

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
        transform: A transform, or anything that keeps transforms in ``.transforms``.

    Yields:
        Each of them, in the order of the pipeline.
    """
    if isinstance(transform, ReadingTransform):
        yield transform
    inner = getattr(transform, 'transforms', [])
    for one in inner if isinstance(inner, list) else [inner]:
        yield from reading_transforms(one)
