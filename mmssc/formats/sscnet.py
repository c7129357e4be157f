"""Raw files of NYU and NYUCAD for scene completion: SSCNet's depth images and voxel volumes.

Song et al., "Semantic Scene Completion from a Single Depth Image", CVPR 2017. Readers are strict: a
wrong file raises a :class:`~mmssc.errors.DataError` with the file, the expected and the found
content. Writers are atomic, and the readers return exactly what they wrote. For the npz files of
later papers see :mod:`mmssc.formats.torchssc`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from os import PathLike

import numpy as np
from PIL import Image

from mmssc.dataset_facts import NYU_CAMERAS, NYU_IMAGE_SIZE
from mmssc.errors import DataError
from mmssc.fileio import atomic_write
from mmssc.structures import VoxelGrid
from mmssc.structures.camera_checks import as_pose

from .images import read_png_uint16
from .regular_files import read_bytes, read_ends

__all__ = [
    'DEPTH_READERS', 'IGNORE', 'NYU_CAMERAS', 'NYU_IMAGE_SIZE', 'RAW_NAMES', 'RAW_TO_CLASS',
    'SSCNET_AXES', 'SSCNET_SHAPE', 'SSCNET_VOXEL_SIZE', 'SSCNetVolume', 'decode_nyu_depth',
    'encode_nyu_depth', 'raw_to_class', 'read_nyu_depth', 'read_plain_depth_mm',
    'read_sscnet_bin', 'read_sscnet_header', 'write_nyu_depth', 'write_plain_depth_mm',
    'write_sscnet_bin',
]  # fmt: skip

ImageSize = tuple[int, int]
# The volume of a .bin: array order (world X, up, world Y), voxels of 2 cm.
SSCNET_SHAPE = (240, 144, 240)
SSCNET_VOXEL_SIZE = 0.02
SSCNET_AXES = ('x', 'z', 'y')
# Id of voxels outside the annotated room, and of voxels without a class.
IGNORE = 255
RAW_NAMES = (
    'empty', 'ceiling', 'floor', 'wall', 'window', 'door', 'chair', 'bed', 'sofa', 'table',
    'side_table', 'bookshelf', 'kitchen_cabinet', 'closets_wardrobes_cabinets', 'lamp', 'car',
    'computer', 'desk', 'music', 'gym', 'household_appliance', 'kitchen_appliance', 'pillow',
    'pets', 'plants', 'pool', 'recreation', 'night_stand', 'bathtub', 'shower', 'table_and_chair',
    'toilet', 'trash_can', 'tvs', 'sink', 'mirror', 'dont_care',
)  # fmt: skip
# Class 0..11 of each raw id: empty, ceiling, floor, wall, window, chair, bed, sofa, table, tvs,
# furniture, objects.
RAW_TO_CLASS = np.array(
    [0, 1, 2, 3, 4, 11, 5, 6, 7, 8, 8, 10, 10, 10, 11, 11, 9, 8]
    + [11] * 9
    + [10, 10, 11, 8, 10, 11, 9, 11, 11, 11],
    np.uint8,
)
RAW_TO_CLASS.setflags(write=False)
_HEADER_BYTES, _RUN_BYTES = 19 * 4, 8
_MILLIMETRES = np.float32(1000)
_SATURATED = np.iinfo(np.uint16).max


# --- depth -------------------------------------------------------------------------------------


def decode_nyu_depth(code: np.ndarray) -> np.ndarray:
    """Stored 16-bit values of an SSCNet depth image (bits rotated by 3) -> uint16 millimetres."""
    code = np.asarray(code, np.uint16)
    return (code >> 3) | (code << 13)


def encode_nyu_depth(millimetres: np.ndarray) -> np.ndarray:
    """Inverse of :func:`decode_nyu_depth`, uint16."""
    millimetres = np.asarray(millimetres, np.uint16)
    return (millimetres << 3) | (millimetres >> 13)


def _read_png(path: str | PathLike[str], image_size: ImageSize | None) -> np.ndarray:
    stored = read_png_uint16(path)
    if image_size is not None and stored.shape != tuple(image_size):
        hint = 'Camera intrinsics belong to one image size'
        raise DataError(path, 'image size', tuple(image_size), stored.shape, hint)
    return stored


def read_nyu_depth(path: str | PathLike[str], image_size: ImageSize | None = None) -> np.ndarray:
    """Read a depth image of SSCNet (NYU, NYUCAD, SUNCG): 16-bit PNG, bits rotated by 3.

    Args:
        path: The file.
        image_size: Required (height, width); None accepts any.

    Returns:
        (H, W) float32, metres along the optical axis, 0 = none. Exact millimetres.

    Raises:
        DataError: The file is missing, is not a complete 16-bit grey PNG, or has another size.
    """
    return decode_nyu_depth(_read_png(path, image_size)).astype(np.float32) / _MILLIMETRES


def read_plain_depth_mm(
    path: str | PathLike[str], image_size: ImageSize | None = None
) -> np.ndarray:
    """Read a depth image in plain millimetres, as most RGB-D cameras write: 16-bit PNG.

    65535, the largest value, means "none" like 0: some cameras mark missing depth this way.
    Arguments, result and errors are those of :func:`read_nyu_depth`.
    """
    stored = _read_png(path, image_size)
    return np.where(stored == _SATURATED, 0, stored).astype(np.float32) / _MILLIMETRES


def write_nyu_depth(path: str | PathLike[str], depth: np.ndarray) -> None:
    """Write (H, W) metres, 0 = none, rounded to millimetres, as SSCNet's depth PNG.

    Raises:
        DataError: The array is not two-dimensional, or a value is not finite, negative or above
            65.535 m.
    """
    _write_png(path, encode_nyu_depth(_to_millimetres(path, depth)))


def write_plain_depth_mm(path: str | PathLike[str], depth: np.ndarray) -> None:
    """Write (H, W) metres, 0 = none, as a PNG of whole millimetres.

    Raises:
        DataError: As :func:`write_nyu_depth`, or a value is 65.535 m, which means "none" in the
            file.
    """
    millimetres = _to_millimetres(path, depth)
    if (millimetres == _SATURATED).any():
        raise DataError(path, 'depth', 'at most 65.534 m', 65.535)
    _write_png(path, millimetres)


def _to_millimetres(path: str | PathLike[str], depth: np.ndarray) -> np.ndarray:
    depth = np.asarray(depth, np.float64)
    if depth.ndim != 2 or depth.size == 0:
        raise DataError(path, 'depth', 'shape (H, W)', depth.shape)
    # This form of the comparison refuses NaN.
    if not ((depth >= 0) & (depth < 65.5355)).all():
        raise DataError(path, 'depth', '0..65.535 m', 'NaN, infinity, negative or larger')
    return np.round(depth * 1000).astype(np.uint16)


def _write_png(path: str | PathLike[str], stored: np.ndarray) -> None:
    with atomic_write(path) as file:
        Image.fromarray(stored).save(file, format='PNG')


# --- volumes -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class SSCNetVolume:
    """Content of a ``.bin`` of SSCNet.

    Args:
        origin: (3,) float32, world x, y, z of the lower corner of voxel (0, 0, 0), metres. World:
            z up, floor at z = 0.
        cam2world: (4, 4) float32, rigid; camera x right, y down, z forward.
        raw_ids: (240, 144, 240) uint8 in the order (world X, up, world Y), last index fastest: raw
            ids 0..36 (:data:`RAW_NAMES`), 255 = outside the annotated room.
    """

    origin: np.ndarray
    cam2world: np.ndarray
    raw_ids: np.ndarray

    @property
    def grid(self) -> VoxelGrid:
        """The grid of ``raw_ids`` (2 cm voxels); ``.coarsen(4)`` is that of the networks."""
        x, y, z = (float(value) for value in self.origin)
        size = (SSCNET_VOXEL_SIZE,) * 3
        return VoxelGrid((x, z, y), size, self.raw_ids.shape, SSCNET_AXES, 'world')


def raw_to_class(raw_ids: np.ndarray) -> np.ndarray:
    """Raw ids 0..36 and 255 -> classes 0..11 and 255, uint8 of the same shape.

    Raises:
        DataError: An id is not a raw id.
    """
    table = np.full(np.iinfo(np.uint8).max + 1, IGNORE, np.uint8)
    table[: len(RAW_TO_CLASS)] = RAW_TO_CLASS
    raw_ids = np.asarray(raw_ids)
    _check_raw_ids('raw ids', raw_ids)
    return table[raw_ids]


def _check_raw_ids(source: str | PathLike[str], ids: np.ndarray) -> None:
    bad = np.asarray(ids)[((ids < 0) | (ids >= len(RAW_TO_CLASS))) & (ids != IGNORE)]
    if bad.size:
        expected = f'raw ids 0..{len(RAW_TO_CLASS) - 1} or {IGNORE}'
        found = ', '.join(map(str, np.unique(bad)[:5].tolist()))
        raise DataError(source, 'ids', expected, found)


def read_sscnet_bin(
    path: str | PathLike[str], shape: tuple[int, int, int] = SSCNET_SHAPE
) -> SSCNetVolume:
    """Read a ``.bin``: float32 origin (3) and pose (16), then uint32 pairs (id, run length).

    SSCNet's own writer counts one voxel too few if the whole volume has one id; the reader accepts
    such a file and extends its last run.

    Args:
        path: The file.
        shape: Shape of the volume.

    Raises:
        DataError: The file is missing or truncated, a number of the header is not finite, the pose
            is not rigid, an id is not a raw id, or the runs do not sum up to the volume.
    """
    # Without a run of length 0, there are at most as many runs as voxels.
    content = read_bytes(path, _HEADER_BYTES + _RUN_BYTES * prod(shape))
    origin, cam2world = _parse_header(path, content, len(content))
    ids, lengths = np.frombuffer(content, '<u4', offset=_HEADER_BYTES).reshape(-1, 2).T
    _check_raw_ids(path, ids)
    total, expected_total = int(lengths.sum(dtype=np.uint64)), prod(shape)
    if total == expected_total - 1 and (ids == ids[0]).all():
        ids, lengths = np.append(ids, ids[-1]), np.append(lengths, np.uint32(1))
    elif total != expected_total:
        expected = f'a sum of {expected_total} for a volume of {tuple(shape)}'
        raise DataError(path, 'run lengths', expected, total)
    raw_ids = np.repeat(ids.astype(np.uint8), lengths).reshape(shape)
    return SSCNetVolume(origin, cam2world, raw_ids)


def read_sscnet_header(path: str | PathLike[str]) -> tuple[np.ndarray, np.ndarray]:
    """Origin (3,) and pose (4, 4) of a ``.bin``, float32, without its volume.

    Raises:
        DataError: As :func:`read_sscnet_bin`, except for the runs.
    """
    head, _, size = read_ends(path)
    return _parse_header(path, head, size)


def _parse_header(
    path: str | PathLike[str], start: bytes, size: int
) -> tuple[np.ndarray, np.ndarray]:
    if size <= _HEADER_BYTES or (size - _HEADER_BYTES) % _RUN_BYTES:
        expected = f'{_HEADER_BYTES} bytes and at least one run of {_RUN_BYTES} bytes each'
        raise DataError(path, 'size', expected, f'{size} bytes')
    header = np.frombuffer(start, '<f4', 19).astype(np.float32)
    origin, cam2world = header[:3], header[3:].reshape(4, 4)
    _check_header(path, origin, cam2world)
    return origin, cam2world


def write_sscnet_bin(path: str | PathLike[str], volume: SSCNetVolume) -> None:
    """Write a ``.bin``; :func:`read_sscnet_bin` returns the same volume.

    Raises:
        DataError: :func:`read_sscnet_bin` would refuse it: a pose is not rigid, or an id is not a
            raw id.
    """
    origin = np.asarray(volume.origin, np.float32)
    cam2world = np.asarray(volume.cam2world, np.float32)
    raw_ids = np.asarray(volume.raw_ids)
    for name, array, wanted in (('origin', origin, (3,)), ('pose', cam2world, (4, 4))):
        if array.shape != wanted:
            raise DataError(path, name, wanted, array.shape)
    if raw_ids.dtype.kind not in 'iu' or raw_ids.ndim != 3 or raw_ids.size == 0:
        raise DataError(path, 'ids', 'whole numbers (X, up, Y)', f'{raw_ids.dtype} {raw_ids.shape}')
    _check_header(path, origin, cam2world)
    _check_raw_ids(path, raw_ids)
    flat = raw_ids.reshape(-1)
    starts = np.append(0, np.flatnonzero(flat[1:] != flat[:-1]) + 1)
    lengths = np.diff(np.append(starts, flat.size))
    runs = np.stack([flat[starts], lengths], 1).astype('<u4')
    header = np.append(origin, cam2world.reshape(-1)).astype('<f4')
    with atomic_write(path) as file:
        file.write(header.tobytes() + runs.tobytes())


def _check_header(path: str | PathLike[str], origin: np.ndarray, cam2world: np.ndarray) -> None:
    if not np.isfinite(origin).all():
        raise DataError(path, 'origin', 'finite numbers', origin.tolist())
    as_pose(cam2world, path, 'pose')


#: Kind of a 16-bit depth image -> reader ``(path, (height, width) or None) -> (H, W) metres``.
DEPTH_READERS = dict(mm=read_plain_depth_mm, nyu=read_nyu_depth)
