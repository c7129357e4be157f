"""Checking the files of RGB-D frames that a config reads."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from mmssc.datasets.nyu import NYUDataset
from mmssc.datasets.transforms import LoadRGBDFrame
from mmssc.datasets.transforms.load_rgbd import frame_spec_of
from mmssc.errors import DataError
from mmssc.formats.numpy_arrays import read_npy_shape
from mmssc.formats.regular_files import read_bytes
from mmssc.formats.rgbd_frame import read_frame_file

from .report import TreeReport

__all__ = ['check_frames']


def check_frames(
    report: TreeReport,
    dataset: NYUDataset,
    pipeline: Sequence[Mapping[str, Any]],
    seen: set[tuple[str, str]],
    thorough: bool = False,
) -> int:
    """Check every file that a pipeline reads of a data set's frames.

    Args:
        report: Gets the problems and the counts.
        dataset: The frames.
        pipeline: Configs of transforms.
        seen: (path, key) that were checked before; gets the new ones.
        thorough: Read and check every array; otherwise archives are opened and headers read.

    Returns:
        Number of frames.
    """
    loaders = [
        LoadRGBDFrame(**{key: value for key, value in step.items() if key != 'type'})
        for step in pipeline
        if step['type'].rsplit('.', 1)[-1] == 'LoadRGBDFrame'
    ]
    for index in range(len(dataset)):
        item = dataset.get_data_info(index)
        counts = report.counts.setdefault(item['sequence'], {})
        for key in sorted({key for loader in loaders for key in loader.needed(item)}):
            if key not in item['files']:
                name = f'{item["sequence"]}/{item["frame_id"]}'
                report.add_error(DataError(name, key, 'a file in the info list', 'nothing'))
                continue
            path, format_name = item['files'][key]
            if (path, key) in seen:
                continue
            seen.add((path, key))
            counts[key] = counts.get(key, 0) + 1
            try:
                if thorough:
                    spec = frame_spec_of(item)
                    stored = 'tsdf' if key == 'tsdf_clean' else key
                    read_frame_file(path, format_name, [stored], spec)
                else:
                    _check_quickly(Path(path))
            except DataError as error:
                report.add_error(error)
    return len(dataset)


def _check_quickly(path: Path) -> None:
    if not path.is_file():
        raise DataError(path, 'file', 'an existing file', 'none')
    try:
        if path.suffix == '.npz':
            with zipfile.ZipFile(path) as archive:
                archive.namelist()
        elif path.suffix == '.npy':
            read_npy_shape(path)
        elif path.suffix in ('.png', '.jpg'):
            with Image.open(path) as image:
                image.verify()
        else:
            read_bytes(path)
    except (OSError, ValueError, SyntaxError, zipfile.BadZipFile) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(path, 'content', 'a complete file', error) from error
