"""Compare prepared frames with published figures of the authors' files."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmssc.datasets.eval_masks import nyu_masks
from mmssc.datasets.rgbd_list import RGBDList
from mmssc.errors import DataError
from mmssc.formats.matrices import parse_numbers
from mmssc.formats.regular_files import read_csv_rows
from mmssc.formats.rgbd_format import FrameSpec
from mmssc.formats.rgbd_frame import read_frame_file

__all__ = ['CheckTask', 'check_tasks', 'frame_figures', 'read_figures']

_KEYS = ('tsdf', 'voxel_to_pixel', 'gt_voxels', 'label_weight')
# Tolerances: voxels of the TSDF that rounding at the border of the image may change, and the
# resulting change of the mean.
_TSDF_COUNTS = ('tsdf_zero', 'tsdf_negative')
_TSDF_VOXELS = 8
_TSDF_MEAN = 1e-4


def frame_figures(arrays: Mapping[str, np.ndarray], image_size: tuple[int, int]) -> dict:
    """Counts and checksums of a frame.

    Args:
        arrays: ``tsdf``, ``voxel_to_pixel``, ``gt_voxels`` and ``label_weight``, (X, Y, Z).
        image_size: (height, width).

    Returns:
        ``mapped`` (voxels with a pixel), ``mapping_crc32`` (int32, height * width = none),
        ``label_crc32`` (uint8), ``weight``, ``weight_crc32`` (of the packed bits), ``tsdf_zero``,
        ``tsdf_negative``, ``tsdf_mean``, ``ssc_voxels``, ``sc_voxels`` (of the NYU masks),
        ``class_0`` .. and ``class_255``.
    """
    mapping, label, tsdf = arrays['voxel_to_pixel'], arrays['gt_voxels'], arrays['tsdf']
    weight = arrays['label_weight'].astype(bool)
    stored = np.where(mapping < 0, image_size[0] * image_size[1], mapping).astype('<i4')
    masks = nyu_masks(weight, mapping)
    figures: dict[str, float] = dict(
        mapped=int((mapping >= 0).sum()),
        mapping_crc32=zlib.crc32(stored.tobytes()),
        label_crc32=zlib.crc32(label.astype(np.uint8).tobytes()),
        weight=int(weight.sum()),
        weight_crc32=zlib.crc32(np.packbits(weight).tobytes()),
        tsdf_zero=int((tsdf == 0).sum()),
        tsdf_negative=int((tsdf < 0).sum()),
        tsdf_mean=float(tsdf.mean(dtype=np.float64)),
        ssc_voxels=int((masks['nyu_ssc'] & (label != 255)).sum()),
        sc_voxels=int((masks['nyu_sc'] & (label != 255)).sum()),
    )
    counts = np.bincount(label.reshape(-1), minlength=np.iinfo(np.uint8).max + 1)
    figures.update({f'class_{number}': int(counts[number]) for number in (*range(12), 255)})
    return figures


def read_figures(path: Path) -> dict[str, dict[str, float]]:
    """Figures by frame id from a csv with a column ``frame`` and columns of :func:`frame_figures`.

    Raises:
        DataError: The file is missing, has other columns, or a column or frame twice.
    """
    names, *rows = read_csv_rows(path)
    if not rows or 'frame' not in names:
        raise DataError(path, 'columns', 'frame, mapped, ...', ', '.join(names) or 'none')
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(path, 'columns', 'every column once', f'{repeated[0]} twice or more')
    figures: dict[str, dict[str, float]] = {}
    for number, row in enumerate(filter(None, rows), 2):
        field = f'row {number}'
        if len(row) != len(names):
            raise DataError(path, field, f'{len(names)} values', len(row))
        values = dict(zip(names, row))
        frame = values.pop('frame')
        if frame in figures:
            raise DataError(path, field, 'every frame once', f'{frame} again')
        values.pop('split', None)
        numbers = parse_numbers(list(values.values()), len(values), path, field)
        figures[frame] = dict(zip(values, numbers))
    return figures


@dataclass(frozen=True)
class CheckTask:
    """Compares one frame with its published figures; writes nothing."""

    sequence: str
    frame_id: str
    files: Mapping[str, tuple[str, str]]
    spec: FrameSpec
    expected: Mapping[str, float] = field(repr=False)

    def is_finished(self) -> bool:
        """Always False: a check writes no file."""
        return False

    def make(self) -> None:
        """Read the frame and compare."""
        arrays = {
            key: read_frame_file(path, format_name, [key], self.spec)[key]
            for key, (path, format_name) in self.files.items()
        }
        found = frame_figures(arrays, self.spec.image_size)
        wrong = [
            f'{key} {found[key]} instead of {expected:.7g}'
            for key, expected in self.expected.items()
            if key in found and abs(found[key] - expected) > _tolerance(key)
        ]
        if wrong:
            raise DataError(
                self.files['tsdf'][0], 'figures', 'the published ones', '; '.join(wrong)
            )


def _tolerance(key: str) -> float:
    if key == 'tsdf_mean':
        return _TSDF_MEAN
    return _TSDF_VOXELS if key in _TSDF_COUNTS else 0


def check_tasks(
    listed: RGBDList, root: Path, source: str, figures: Mapping[str, Mapping[str, float]]
) -> list[CheckTask]:
    """One check per frame of a list that has figures.

    Args:
        listed: The frames.
        root: The data root of the list.
        source: Depth to check.
        figures: By frame id, see :func:`read_figures`.

    Raises:
        DataError: The list lacks files of the source.
    """
    files = listed.files.get(source, {})
    lacking = [key for key in _KEYS if key not in files]
    if lacking:
        raise DataError(root, f'files of {source!r}', ', '.join(_KEYS), f'no {", ".join(lacking)}')
    spec = FrameSpec(listed.voxel_grid, listed.image_size, 12, listed.fine_factor)
    return [
        CheckTask(
            f'{source} {listed.split}',
            frame.frame_id,
            {key: (str(root / files[key].of(frame.frame_id)), files[key].format) for key in _KEYS},
            spec,
            figures[frame.frame_id],
        )
        for frame in listed.frames
        if frame.frame_id in figures
    ]
