"""A folder with predictions of a data set, one file per frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset

from mmssc.datasets.label_files import read_label_file
from mmssc.errors import DataError, counted
from mmssc.formats.volumes import Shape

__all__ = ['PredictionFolder', 'frame_stem']

# As tools/test.py --save-predictions, test servers, other codes and tools/infer.py name files.
_LAYOUTS = ('{stem}', 'sequences/{sequence}/predictions/{frame}', '{sequence}/{frame}', '{frame}')
_SUFFIXES = ('.npy', '.label')


def frame_stem(sample: Mapping[str, Any]) -> str:
    """``SEQUENCE_FRAME`` of a data sample or an item of a data set, for names of files."""
    parts = (str(sample.get(key, '')) for key in ('sequence', 'frame_id'))
    return '_'.join(filter(None, parts)).replace('/', '_').replace('\\', '_')


class PredictionFolder:
    """Finds and reads the predictions of the frames of a data set.

    A file is ``.npy`` (train ids) or ``.label`` (raw ids). Its name is one of

    - ``SEQUENCE_FRAME``: ``tools/test.py --save-predictions``
    - ``sequences/SEQUENCE/predictions/FRAME``: ``tools/test.py --format-only``
    - ``SEQUENCE/FRAME``: other codes
    - ``FRAME``: ``tools/infer.py``; only where the data set has no second frame of this name

    Args:
        folder: The folder.
        dataset: The data set.

    Attributes:
        frames: Index in the data set -> file, for every frame that has a prediction.

    Raises:
        DataError: The folder does not exist, has no prediction of the data set, or two for a frame.
    """

    def __init__(self, folder: str | PathLike[str], dataset: BaseDataset) -> None:
        self.folder = Path(folder)
        self._dataset = getattr(dataset, 'datasets', [dataset])[0]
        if not self.folder.is_dir():
            hint = 'tools/test.py CONFIG CHECKPOINT --save-predictions DIR writes one'
            found = 'a file' if self.folder.exists() else 'no such folder'
            raise DataError(folder, None, 'a folder of predictions', found, hint)
        # Only the names: whole items of a long list do not fit into memory.
        items = [
            {key: item.get(key, '') for key in ('sequence', 'frame_id')}
            for item in map(dataset.get_data_info, range(len(dataset)))
        ]
        names = Counter(str(item['frame_id']) for item in items)
        self.frames: dict[int, Path] = {}
        for index, item in enumerate(items):
            path = self._find(item, names[str(item['frame_id'])] == 1)
            if path is not None:
                self.frames[index] = path
        if not self.frames:
            example = frame_stem(items[0]) if items else 'SEQUENCE_FRAME'
            raise DataError(
                folder, 'predictions', f'files such as {example}.npy', 'none of this data set',
                'Is the config that of the data set?',
            )  # fmt: skip

    def _find(self, item: Mapping[str, Any], unique: bool) -> Path | None:
        names = dict(
            stem=frame_stem(item), sequence=item.get('sequence', ''), frame=item.get('frame_id', '')
        )
        found = []
        for layout in _LAYOUTS if unique else _LAYOUTS[:-1]:
            stem = self.folder / layout.format(**names)
            paths = [stem.with_name(stem.name + suffix) for suffix in _SUFFIXES]
            # infer.py can write both: they hold the same.
            found += [path for path in paths if path.is_file()][:1]
        if len(set(found)) > 1:
            two = ' and '.join(path.relative_to(self.folder).as_posix() for path in found[:2])
            raise DataError(self.folder, names['stem'], 'one prediction', two, 'Remove one of them')
        return found[0] if found else None

    def read(self, index: int, shape: Shape) -> np.ndarray:
        """The prediction of a frame, (X, Y, Z) uint8 train ids.

        Args:
            index: Of the frame in the data set; a key of :attr:`frames`.
            shape: Voxels per array axis.

        Raises:
            DataError: The file is damaged, has another shape, or has a voxel without a class.
        """
        path = self.frames[index]
        labels = read_label_file(path, self._dataset, shape)
        if (labels == 255).any():
            found = f'{counted(int((labels == 255).sum()), "voxel")} without one'
            raise DataError(path, 'predictions', 'a class or empty (0) in every voxel', found)
        return labels
