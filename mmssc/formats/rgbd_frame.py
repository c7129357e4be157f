"""Read the files of an RGB-D frame by key, in any layout.

A *key* is the name of an array in a sample (:mod:`mmssc.structures.sample_keys`), a *format* is the
way a file stores it (:data:`FORMATS`). The formats ``prepared`` and ``cached`` are our own; the
others are those of cameras and of published methods (:mod:`mmssc.formats.torchssc`), whose files
need no conversion.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from mmssc.errors import DataError
from mmssc.geometry import label_sketch, label_weight, pool_tsdf, voxel_pixel_mapping

from . import torchssc
from .depth_units import ROOM_LIMITS, check_room_depth, rotated_units
from .images import check_upright, read_png_uint8, read_rgb
from .rgbd_cache import CACHED_NAMES, read_cached
from .rgbd_format import ArrayReader, Arrays, FrameFormat, FramePath, FrameSpec
from .rgbd_prepared import PREPARED_NAMES, read_prepared
from .sscnet import read_nyu_depth, read_plain_depth_mm

__all__ = ['FORMATS', 'frame_keys', 'read_frame_file']

_DDRNET_FINE = ('tsdf_hr', 'voxels')


def read_frame_file(
    path: FramePath, format_name: str, keys: Sequence[str], spec: FrameSpec
) -> Arrays:
    """Read some of the arrays of one file.

    Args:
        path: The file.
        format_name: One of :data:`FORMATS`.
        keys: Keys that the format has.
        spec: Shapes and ranges that they must have.

    Returns:
        Key -> array, as :mod:`mmssc.structures.sample_keys` says, with three differences: ``img``
        is (H, W, 3), volumes have no channel, ``voxel_to_pixel`` is int32.

    Raises:
        DataError: The file is missing or damaged, an array is missing or has another type, shape or
            range; or there is no such format, or it has no such key.
    """
    if format_name not in FORMATS:
        raise DataError(path, 'format', ', '.join(FORMATS), repr(format_name))
    found = FORMATS[format_name]
    unknown = [key for key in keys if key not in found.keys]
    if unknown:
        raise DataError(path, f'keys of format {format_name!r}', ', '.join(found.keys), unknown)
    return found.read(path, keys, spec)


def frame_keys() -> list[str]:
    """Keys that at least one format can hold."""
    return list(dict.fromkeys(key for one in FORMATS.values() for key in one.keys))


# --- files of cameras and of published methods ------------------------------------------------


def _check_image(path: FramePath, image: np.ndarray, spec: FrameSpec) -> np.ndarray:
    if image.shape[:2] != tuple(spec.image_size):
        hint = 'The mapping belongs to images of one size'
        raise DataError(path, 'image size', tuple(spec.image_size), image.shape[:2], hint)
    return image


def _colour(path: FramePath, spec: FrameSpec) -> np.ndarray:
    check_upright(path, 'the depth image and its volumes do not turn with it')
    return _check_image(path, read_rgb(path), spec)


def _nyu_depth(path: FramePath, spec: FrameSpec) -> np.ndarray:
    depth = read_nyu_depth(path, spec.image_size)
    remedy = "Plain millimetres have the format 'depth_mm' in the info list"
    check_room_depth(path, depth, {}, _room_limits(spec), remedy)
    return depth


def _depth_mm(path: FramePath, spec: FrameSpec) -> np.ndarray:
    depth = read_plain_depth_mm(path, spec.image_size)
    units = rotated_units(depth, "format 'nyu_depth' in the info list")
    check_room_depth(path, depth, units, _room_limits(spec), 'The format depth_mm is millimetres')
    return depth


def _room_limits(spec: FrameSpec) -> tuple[float, float]:
    """Those of a room, or up to the far corner of a larger grid."""
    low, high = ROOM_LIMITS
    return low, max(high, float(np.linalg.norm(np.subtract(spec.grid.upper, spec.grid.origin))))


def _sketch_of(read_labels: ArrayReader) -> ArrayReader:
    """Compute the sketch from the labels, for layouts without sketch files."""

    def read(path: FramePath, spec: FrameSpec) -> np.ndarray:
        return label_sketch(torch.from_numpy(read_labels(path, spec))).numpy()

    return read


def _torchssc_label(path: FramePath, spec: FrameSpec) -> np.ndarray:
    return torchssc.read_torchssc_label(path, spec.shape, spec.num_classes)


def _ddrnet_label(path: FramePath, spec: FrameSpec) -> np.ndarray:
    return torchssc.read_ddrnet_label(path, spec.shape, spec.num_classes)


def _ddrnet_mapping(path: FramePath, spec: FrameSpec) -> np.ndarray:
    fine = spec.fine_grid
    position = torchssc.read_ddrnet_position(path, spec.image_size, fine.num_voxels)
    return voxel_pixel_mapping(torch.from_numpy(position), fine, spec.fine_factor).numpy()


def _ddrnet_fine_tsdf(path: FramePath, spec: FrameSpec) -> np.ndarray:
    return torchssc.read_ddrnet_tsdf(path, spec.fine_grid.shape, _DDRNET_FINE)


def _ddrnet_weight(path: FramePath, spec: FrameSpec) -> np.ndarray:
    # The files have no weights: compute them from labels and hidden space, as TorchSSC does.
    flipped = torch.from_numpy(_ddrnet_fine_tsdf(path, spec))
    tsdf = torch.sign(flipped) * (1 - flipped.abs())
    label = torch.from_numpy(_ddrnet_label(path, spec))
    return label_weight(label, pool_tsdf(tsdf, spec.fine_factor)).numpy()


#: Name in info lists and configs -> format. To add a format, add an entry here or in a plug-in.
FORMATS: dict[str, FrameFormat] = dict(
    prepared=FrameFormat(tuple(PREPARED_NAMES), read_prepared, made_by_converter=True),
    cached=FrameFormat(tuple(CACHED_NAMES), read_cached, made_by_converter=True),
    nyu_depth=FrameFormat.of_arrays(depth=_nyu_depth),
    depth_mm=FrameFormat.of_arrays(depth=_depth_mm),
    rgb=FrameFormat.of_arrays(img=_colour),
    ids=FrameFormat.of_arrays(
        segmentation=lambda path, spec: _check_image(path, read_png_uint8(path), spec)
    ),
    torchssc_tsdf=FrameFormat.of_arrays(
        tsdf=lambda path, spec: torchssc.read_torchssc_tsdf(path, spec.shape),
        label_weight=lambda path, spec: torchssc.read_torchssc_weight(path, spec.shape),
    ),
    torchssc_mapping=FrameFormat.of_arrays(
        voxel_to_pixel=lambda path, spec: torchssc.read_torchssc_mapping(
            path, spec.shape, spec.image_size
        )
    ),
    torchssc_label=FrameFormat.of_arrays(
        gt_voxels=_torchssc_label, gt_sketch=_sketch_of(_torchssc_label)
    ),
    torchssc_sketch=FrameFormat.of_arrays(
        gt_sketch=lambda path, spec: torchssc.read_torchssc_sketch(path, spec.shape)
    ),
    ammnet_cad_tsdf=FrameFormat.of_arrays(
        tsdf=lambda path, spec: torchssc.read_ammnet_cad_tsdf(path, spec.shape)
    ),
    ammnet_cad_mapping=FrameFormat.of_arrays(
        voxel_to_pixel=lambda path, spec: torchssc.read_ammnet_cad_mapping(
            path, spec.shape, spec.image_size
        )
    ),
    ddrnet=FrameFormat.of_arrays(
        tsdf=lambda path, spec: torchssc.read_ddrnet_tsdf(path, spec.shape),
        tsdf_fine=_ddrnet_fine_tsdf,
        voxel_to_pixel=_ddrnet_mapping,
        gt_voxels=_ddrnet_label,
        label_weight=_ddrnet_weight,
        gt_sketch=_sketch_of(_ddrnet_label),
    ),
)
