"""Reading the files of an RGB-D frame by key, whatever layout they come in.

A *key* is what a model or a target calls it (:data:`FRAME_KEYS`), a *format* how a file holds it.
The format ``prepared`` is our own, one npz per frame, written by
``tools/dataset_converters/nyu.py``; the others are those of published methods, read in place, see
:mod:`mmssc.formats.torchssc`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from os import PathLike
from typing import Any, Union

import numpy as np
import torch

from mmssc.errors import DataError
from mmssc.formats import torchssc as torchssc
from mmssc.geometry import label_sketch, label_weight, pool_tsdf, voxel_pixel_mapping
from mmssc.structures import VoxelGrid

from .images import read_png_uint8, read_rgb
from .numpy_arrays import read_npz, write_npz
from .rgbd_cache import CACHED_NAMES, read_cached
from .sscnet import read_nyu_depth, read_plain_depth_mm
from .volumes import check_labels, check_tsdf, check_volume, check_whole_numbers

__all__ = [
    'FINE_FACTOR', 'FORMATS', 'FRAME_KEYS', 'FrameSpec', 'PREPARED_NAMES', 'has_prepared',
    'read_frame_file', 'write_prepared',
]  # fmt: skip

FRAME_KEYS = (
    'img', 'depth', 'segmentation', 'tsdf', 'tsdf_fine', 'voxel_to_pixel', 'gt_voxels',
    'label_weight', 'gt_sketch',
)  # fmt: skip
#: Key -> name in a prepared npz.
PREPARED_NAMES = dict(
    tsdf='tsdf', tsdf_fine='tsdf_fine', voxel_to_pixel='voxel_to_pixel', gt_voxels='label',
    label_weight='label_weight', gt_sketch='sketch',
)  # fmt: skip
_PREPARED_TYPES = dict(
    tsdf=np.float32, tsdf_fine=np.float16, voxel_to_pixel=np.int32, label=np.uint8,
    label_weight=np.bool_, sketch=np.uint8,
)  # fmt: skip
#: Voxels of the fine grid along an edge of one of the grid, where nothing else is said.
FINE_FACTOR = 4
_DDRNET_FINE = ('tsdf_hr', 'voxels')


@dataclass(frozen=True)
class FrameSpec:
    """What the arrays of a frame must look like.

    Args:
        grid: Grid of labels, TSDF and mapping (its origin does not matter).
        image_size: (height, width) of image, segmentation and mapping.
        num_classes: Classes with the empty one.
        fine_factor: Voxels of the fine grid along an edge of one of ``grid``.
    """

    grid: VoxelGrid
    image_size: tuple[int, int]
    num_classes: int
    fine_factor: int = FINE_FACTOR

    @classmethod
    def of_item(cls, item: Mapping[str, Any]) -> FrameSpec:
        """That of an item of :class:`~mmssc.datasets.NYUDataset`."""
        fine = item.get('fine_factor', FINE_FACTOR)
        return cls(item['voxel_grid'], item['image_size'], item['num_classes'], fine)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the volumes (X, Y, Z)."""
        return self.grid.shape

    @property
    def fine_grid(self) -> VoxelGrid:
        """The grid with ``fine_factor`` voxels in place of one along each axis."""
        return self.grid.refine(self.fine_factor)

    def placed_grid(self, origin: Sequence[float]) -> VoxelGrid:
        """The grid with its lower corner at world x, y, z (metres)."""
        corner = tuple(float(origin['xyz'.index(axis)]) for axis in self.grid.axes)
        return replace(self.grid, origin=corner)  # type: ignore[arg-type]


Path = Union[str, PathLike]
Arrays = dict[str, np.ndarray]


def read_frame_file(path: Path, format_name: str, keys: Sequence[str], spec: FrameSpec) -> Arrays:
    """Some of the arrays of one file.

    Args:
        path: The file.
        format_name: One of :data:`FORMATS`.
        keys: Keys that the format has.
        spec: What they must look like.

    Returns:
        ``img`` (H, W, 3) uint8 RGB · ``depth`` (H, W) float32 metres, 0 = none ·
        ``segmentation`` (H, W) uint8 · ``tsdf`` (X, Y, Z) float32 in
        [-1, 1] · ``tsdf_fine`` the same on the fine grid · ``voxel_to_pixel`` (X, Y, Z) int32 flat
        pixel index, -1 = none · ``gt_voxels`` (X, Y, Z) uint8, 255 = ignore · ``label_weight``
        (X, Y, Z) bool · ``gt_sketch`` (X, Y, Z) uint8, 0 or 1; those that were asked for.

    Raises:
        DataError: The file is missing or damaged, lacks an array, or has one of another type,
            shape or range; or there is no such format, or it has no such key.
    """
    if format_name not in FORMATS:
        raise DataError(path, 'format', ', '.join(FORMATS), repr(format_name))
    readers = FORMATS[format_name]
    unknown = [key for key in keys if key not in readers]
    if unknown:
        raise DataError(path, f'keys of format {format_name!r}', ', '.join(readers), unknown)
    if readers is _PREPARED:
        return _read_prepared(path, keys, spec)
    if readers is _CACHED:
        return read_cached(path, keys, spec.shape, spec.image_size, spec.num_classes)
    return {key: readers[key](path, spec) for key in keys}


# --- our own npz -------------------------------------------------------------------------------


def _read_prepared(path: Path, keys: Sequence[str], spec: FrameSpec) -> Arrays:
    names = {key: PREPARED_NAMES[key] for key in keys}
    stored = read_npz(path, list(names.values()))
    return {key: _check_prepared(path, key, stored[name], spec) for key, name in names.items()}


def _check_prepared(path: Path, key: str, array: np.ndarray, spec: FrameSpec) -> np.ndarray:
    name = PREPARED_NAMES[key]
    wanted = np.dtype(_PREPARED_TYPES[name])
    if array.dtype.kind != wanted.kind:
        raise DataError(path, f'{name}, dtype', wanted, array.dtype)
    shape = spec.fine_grid.shape if key == 'tsdf_fine' else spec.shape
    if key in ('tsdf', 'tsdf_fine'):
        return check_tsdf(array, shape, path, name)
    volume = check_volume(array, shape, path, name)
    if key == 'voxel_to_pixel':
        last = prod(spec.image_size) - 1
        return check_whole_numbers(volume, -1, last, path, name).astype(np.int32)
    if key == 'gt_voxels':
        return check_labels(volume, spec.num_classes, path, name)
    if key == 'gt_sketch':
        return check_whole_numbers(volume, 0, 1, path, name).astype(np.uint8)
    return volume


def write_prepared(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    spec: FrameSpec,
    extras: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write a prepared npz, atomically; :func:`read_frame_file` gives the same arrays.

    ``tsdf_fine`` is rounded to float16.

    Args:
        path: The file.
        arrays: By key, see :func:`read_frame_file`.
        spec: What they must look like.
        extras: Further arrays, by their name in the file.

    Raises:
        DataError: An array would not read back.
    """
    stored = dict(extras or {})
    for key, array in arrays.items():
        name = PREPARED_NAMES[key]
        array = _check_prepared(path, key, np.asarray(array), spec)
        stored[name] = array.astype(_PREPARED_TYPES[name])
    write_npz(path, stored)


def has_prepared(path: Path, keys: Sequence[str], extras: Sequence[str] = ()) -> bool:
    """Whether a prepared npz is there and has the arrays of these keys (not their contents)."""
    names = {PREPARED_NAMES[key] for key in keys} | set(extras)
    try:
        with np.load(path, allow_pickle=False) as archive:
            return names <= set(archive.files)
    except (OSError, ValueError, EOFError, LookupError, zipfile.BadZipFile):
        return False


# --- files of others ---------------------------------------------------------------------------


def _check_image(path: Path, image: np.ndarray, spec: FrameSpec) -> np.ndarray:
    if image.shape[:2] != tuple(spec.image_size):
        hint = 'The mapping belongs to images of one size'
        raise DataError(path, 'image size', tuple(spec.image_size), image.shape[:2], hint)
    return image


def _sketch_of(read_labels: Callable[[Path, FrameSpec], np.ndarray]) -> Callable:
    """Sketches are a function of the labels: a layout without sketch files needs none."""

    def read(path: Path, spec: FrameSpec) -> np.ndarray:
        return label_sketch(torch.from_numpy(read_labels(path, spec))).numpy()

    return read


def _torchssc_label(path: Path, spec: FrameSpec) -> np.ndarray:
    return torchssc.read_torchssc_label(path, spec.shape, spec.num_classes)


def _ddrnet_label(path: Path, spec: FrameSpec) -> np.ndarray:
    return torchssc.read_ddrnet_label(path, spec.shape, spec.num_classes)


def _ddrnet_mapping(path: Path, spec: FrameSpec) -> np.ndarray:
    fine = spec.fine_grid
    position = torchssc.read_ddrnet_position(path, spec.image_size, fine.num_voxels)
    return voxel_pixel_mapping(torch.from_numpy(position), fine, spec.fine_factor).numpy()


def _ddrnet_fine_tsdf(path: Path, spec: FrameSpec) -> np.ndarray:
    return torchssc.read_ddrnet_tsdf(path, spec.fine_grid.shape, _DDRNET_FINE)


def _ddrnet_weight(path: Path, spec: FrameSpec) -> np.ndarray:
    # The files hold no weight: it follows from labels and hidden space, as in TorchSSC's.
    flipped = torch.from_numpy(_ddrnet_fine_tsdf(path, spec))
    tsdf = torch.sign(flipped) * (1 - flipped.abs())
    label = torch.from_numpy(_ddrnet_label(path, spec))
    return label_weight(label, pool_tsdf(tsdf, spec.fine_factor)).numpy()


_PREPARED: dict[str, Callable] = dict.fromkeys(PREPARED_NAMES, _read_prepared)
_CACHED: dict[str, Callable] = dict.fromkeys(CACHED_NAMES, read_cached)
#: Format -> key -> reader ``(path, spec) -> array``.
FORMATS: dict[str, dict[str, Callable]] = dict(
    prepared=_PREPARED,
    cached=_CACHED,
    nyu_depth=dict(depth=lambda path, spec: read_nyu_depth(path, spec.image_size)),
    depth_mm=dict(depth=lambda path, spec: read_plain_depth_mm(path, spec.image_size)),
    rgb=dict(img=lambda path, spec: _check_image(path, read_rgb(path), spec)),
    ids=dict(segmentation=lambda path, spec: _check_image(path, read_png_uint8(path), spec)),
    torchssc_tsdf=dict(
        tsdf=lambda path, spec: torchssc.read_torchssc_tsdf(path, spec.shape),
        label_weight=lambda path, spec: torchssc.read_torchssc_weight(path, spec.shape),
    ),
    torchssc_mapping=dict(
        voxel_to_pixel=lambda path, spec: torchssc.read_torchssc_mapping(
            path, spec.shape, spec.image_size
        )
    ),
    torchssc_label=dict(gt_voxels=_torchssc_label, gt_sketch=_sketch_of(_torchssc_label)),
    torchssc_sketch=dict(
        gt_sketch=lambda path, spec: torchssc.read_torchssc_sketch(path, spec.shape)
    ),
    ammnet_cad_tsdf=dict(tsdf=lambda path, spec: torchssc.read_ammnet_cad_tsdf(path, spec.shape)),
    ammnet_cad_mapping=dict(
        voxel_to_pixel=lambda path, spec: torchssc.read_ammnet_cad_mapping(
            path, spec.shape, spec.image_size
        )
    ),
    ddrnet=dict(
        tsdf=lambda path, spec: torchssc.read_ddrnet_tsdf(path, spec.shape),
        tsdf_fine=_ddrnet_fine_tsdf,
        voxel_to_pixel=_ddrnet_mapping,
        gt_voxels=_ddrnet_label,
        label_weight=_ddrnet_weight,
        gt_sketch=_sketch_of(_ddrnet_label),
    ),
)
