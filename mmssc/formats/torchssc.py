"""The npz files of NYU and NYUCAD that RGB-D completion papers distribute.

The layouts of TorchSSC (3D-Sketch), which CleanerS and AMMNet share, of AMMNet's NYUCAD, and of
DDRNet, PALNet and AICNet. Readers are strict (:class:`~mmssc.errors.DataError`) and give mmssc's
conventions: volumes (X, up, Y), labels uint8 with 255 = ignore, ``voxel_to_pixel`` with -1 = none.
Writers give TorchSSC's names, types and shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from os import PathLike

import numpy as np

from mmssc.errors import DataError

from .numpy_arrays import read_npy, read_npz, write_npy, write_npz
from .volumes import Shape, check_labels, check_tsdf, check_volume, check_whole_numbers

__all__ = [
    'read_ammnet_cad_mapping', 'read_ammnet_cad_tsdf', 'read_ddrnet_label', 'read_ddrnet_position',
    'read_ddrnet_tsdf', 'read_torchssc_label', 'read_torchssc_mapping', 'read_torchssc_sketch',
    'read_torchssc_tsdf', 'read_torchssc_weight', 'write_torchssc_label', 'write_torchssc_mapping',
    'write_torchssc_sketch', 'write_torchssc_tsdf',
]  # fmt: skip


def _tsdf(path: str | PathLike[str], key: str, shape: Shape) -> np.ndarray:
    return check_tsdf(read_npz(path, [key], kinds='f')[key], shape, path, key)


def _mapping(
    path: str | PathLike[str], key: str, shape: Shape, image_size: tuple[int, int]
) -> np.ndarray:
    array = check_volume(read_npz(path, [key])[key], shape, path, key)
    none = prod(image_size)
    hint = f'{none} = none: the mapping belongs to images of another size?'
    mapping = check_whole_numbers(array, 0, none, path, key, hint)
    mapping[mapping == none] = -1
    return mapping.astype(np.int32)


# --- TorchSSC, CleanerS, AMMNet ---------------------------------------------------------------


def read_torchssc_tsdf(path: str | PathLike[str], shape: Shape) -> np.ndarray:
    """``TSDF/NNNN.npz``, ``arr_0``: the TSDF of NYU, or of NYUCAD in CleanerS' layout.

    Returns:
        float32 of ``shape``, in [-1, 1], not flipped, 0 = on a surface or not observed.

    Raises:
        DataError: The file is missing or damaged, has no such array, or one of another type, shape
            or range.
    """
    return _tsdf(path, 'arr_0', shape)


def read_torchssc_weight(path: str | PathLike[str], shape: Shape) -> np.ndarray:
    """``TSDF/NNNN.npz``, ``arr_1``: the label weight, bool of ``shape``.

    The published files hold 0 and 1; as in the authors' code, any number other than 0 is True.

    Raises:
        DataError: As :func:`read_torchssc_tsdf`, or a number is not finite.
    """
    weight = check_volume(read_npz(path, ['arr_1'])['arr_1'], shape, path, 'arr_1')
    if not np.isfinite(weight).all():
        raise DataError(path, 'arr_1', 'finite numbers', 'NaN or infinity')
    return weight != 0


def read_torchssc_mapping(
    path: str | PathLike[str], shape: Shape, image_size: tuple[int, int]
) -> np.ndarray:
    """``Mapping/NNNN.npz``, ``arr_0``: the pixel that each voxel maps to.

    Returns:
        ``voxel_to_pixel``: int32 of ``shape``, flat index ``row * W + column``, -1 = none (in the
        file: H * W).

    Raises:
        DataError: As :func:`read_torchssc_tsdf`, or an index beyond the image.
    """
    return _mapping(path, 'arr_0', shape, image_size)


def read_torchssc_label(path: str | PathLike[str], shape: Shape, num_classes: int) -> np.ndarray:
    """``Label/NNNN.npz``, ``arr_0``: class ids, uint8 of ``shape``, 255 = ignore.

    Raises:
        DataError: As :func:`read_torchssc_tsdf`, or an id is neither a class nor 255.
    """
    array = check_volume(read_npz(path, ['arr_0'], kinds='fiu')['arr_0'], shape, path, 'arr_0')
    return check_labels(array, num_classes, path, 'arr_0')


def read_torchssc_sketch(path: str | PathLike[str], shape: Shape) -> np.ndarray:
    """``sketch3D/NNNN.npy``: edges 0 or 1 in any shape -> uint8 of ``shape``.

    Raises:
        DataError: The file is missing or damaged, has another number of entries, or one that is
            neither 0 nor 1.
    """
    array = check_volume(read_npy(path, 'fiub'), shape, path, 'array', any_shape=True)
    return check_whole_numbers(array, 0, 1, path, 'sketch').astype(np.uint8)


def write_torchssc_tsdf(
    path: str | PathLike[str], tsdf: np.ndarray, weight: np.ndarray | None = None
) -> None:
    """Write ``TSDF/NNNN.npz``: ``arr_0`` float32, ``arr_1`` (where given) float64, both flat."""
    tsdf = np.asarray(tsdf, np.float32)
    arrays = dict(arr_0=check_tsdf(tsdf, tsdf.shape, path, 'arr_0').reshape(-1))
    if weight is not None:
        if np.shape(weight) != np.shape(tsdf):
            raise DataError(path, 'arr_1, shape', np.shape(tsdf), np.shape(weight))
        arrays['arr_1'] = np.asarray(weight, bool).astype(np.float64).reshape(-1)
    write_npz(path, arrays)


def write_torchssc_mapping(
    path: str | PathLike[str], voxel_to_pixel: np.ndarray, image_size: tuple[int, int]
) -> None:
    """Write ``Mapping/NNNN.npz``: ``arr_0`` int64, flat; -1 becomes H * W."""
    none = prod(image_size)
    mapping = check_whole_numbers(np.asarray(voxel_to_pixel), -1, none - 1, path, 'arr_0')
    write_npz(path, dict(arr_0=np.where(mapping < 0, none, mapping).reshape(-1)))


def write_torchssc_label(path: str | PathLike[str], labels: np.ndarray, num_classes: int) -> None:
    """Write ``Label/NNNN.npz``: ``arr_0`` int32, flat."""
    labels = check_labels(np.asarray(labels), num_classes, path, 'arr_0')
    write_npz(path, dict(arr_0=labels.astype(np.int32).reshape(-1)))


def write_torchssc_sketch(path: str | PathLike[str], sketch: np.ndarray) -> None:
    """Write ``sketch3D/NNNN.npy``: uint8 0 or 1, in the shape given."""
    sketch = check_whole_numbers(np.asarray(sketch), 0, 1, path, 'sketch')
    write_npy(path, sketch.astype(np.uint8))


# --- AMMNet's NYUCAD, DDRNet, PALNet, AICNet --------------------------------------------------


def read_ammnet_cad_tsdf(path: str | PathLike[str], shape: Shape) -> np.ndarray:
    """``NYUCAD/{split}/TSDF_lr/NYUNNNN_0000_voxels.npz``, ``tsdf_lr``.

    This is another quantity than in :func:`read_torchssc_tsdf`, see :func:`read_ddrnet_tsdf`.
    """
    return read_ddrnet_tsdf(path, shape)


def read_ammnet_cad_mapping(
    path: str | PathLike[str], shape: Shape, image_size: tuple[int, int]
) -> np.ndarray:
    """``NYUCAD/{split}/mapping/NYUNNNN_0000_voxels.npz``, ``arr_1``.

    Returns and errors as :func:`read_torchssc_mapping`.
    """
    return _mapping(path, 'arr_1', shape, image_size)


def read_ddrnet_tsdf(
    path: str | PathLike[str], shape: Shape, keys: Sequence[str] = ('tsdf_lr',)
) -> np.ndarray:
    """The flipped TSDF of ``NYU(CAD){train,test}_npz/NYUNNNN_0000_voxels.npz``.

    ``tsdf_lr`` (60, 36, 60) is flipped and has three values (1 near a surface, -0.001, 0.001);
    ``tsdf_hr`` (240, 144, 240), called ``voxels`` in older files, is flipped.

    Args:
        path: The file.
        shape: Shape of the volume; further axes of length 1 are dropped.
        keys: Names of the array; the first one in the file is read.

    Returns:
        float32 of ``shape``, in [-1, 1].

    Raises:
        DataError: The file is missing or damaged, has none of the arrays, or one of another type,
            shape or range.
    """
    found = read_npz(path, [], keys, kinds='f')
    if not found:
        raise DataError(path, 'keys', ' or '.join(keys), 'neither')
    key = next(key for key in keys if key in found)
    return _tsdf(path, key, shape)


def read_ddrnet_label(
    path: str | PathLike[str], shape: Shape, num_classes: int, key: str = 'target_lr'
) -> np.ndarray:
    """Labels of a DDRNet file: ``target_lr``, or ``target_hr`` on the fine grid.

    Returns and errors as :func:`read_torchssc_label`. Blocks with as many empty as unknown voxels
    are ignored here and empty in TorchSSC's files.
    """
    array = check_volume(read_npz(path, [key], kinds='fiu')[key], shape, path, key)
    return check_labels(array, num_classes, path, key)


def read_ddrnet_position(
    path: str | PathLike[str], image_size: tuple[int, int], num_voxels: int
) -> np.ndarray:
    """``position`` of a DDRNet file: the fine voxel of each pixel.

    The index is rounded; TorchSSC floors it, so the mappings differ.

    Args:
        path: The file.
        image_size: (height, width).
        num_voxels: Voxels of the fine grid.

    Returns:
        (H, W) int64 flat voxel index, -1 = none (in the file: 0).

    Raises:
        DataError: The file is missing or damaged, has no such array, or one of another type, shape
            or range.
    """
    array = check_volume(read_npz(path, ['position'])['position'], image_size, path, 'position')
    voxels = check_whole_numbers(array, 0, num_voxels - 1, path, 'position')
    voxels[voxels == 0] = -1
    return voxels
