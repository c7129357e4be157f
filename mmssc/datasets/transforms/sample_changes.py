"""Change all arrays of a sample over the image, over the grid, or in a frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mmssc.errors import DataError
from mmssc.structures.sample_keys import SampleKey, find_sample_key

__all__ = [
    'change_pixels', 'change_voxels', 'checked_keys', 'mirror_pixels', 'move_frames',
    'refuse_references', 'renumber_voxels',
]  # fmt: skip

Change = Callable[[np.ndarray, SampleKey], np.ndarray]


def checked_keys(results: Mapping[str, Any]) -> list[tuple[str, SampleKey]]:
    """Names and keys of everything in the table.

    Raises:
        DataError: An array over the image or the grid does not have the axes of its key.
    """
    found = ((name, find_sample_key(name)) for name, value in results.items() if value is not None)
    known = [(name, key) for name, key in found if key is not None]
    source = f'sample {results.get("sequence")}/{results.get("frame_id")}'
    for name, key in known:
        arrays = results[name]
        if key.role == 'mask':
            arrays = list(arrays.values())
        for array in arrays if key.has_views or key.role == 'mask' else [arrays]:
            if key.over_pixels or key.over_voxels:
                key.check_axes(name, array.shape, source)
    return known


def change_pixels(results: dict[str, Any], change: Change) -> None:
    """Apply ``change(array, key)`` to every array over the image; axes: rows, columns, ..."""
    for name, key in checked_keys(results):
        if key.over_pixels and key.has_views:
            results[name] = [change(array, key) for array in results[name]]
        elif key.over_pixels:
            results[name] = change(results[name], key)


def change_voxels(results: dict[str, Any], change: Change) -> None:
    """Apply ``change(array, key)`` to every volume (X, Y, Z); channels are changed one by one."""

    def change_channels(array: np.ndarray, key: SampleKey) -> np.ndarray:
        if not key.leading:
            return change(array, key)
        volumes = array.reshape(-1, *array.shape[key.leading :])
        changed = np.stack([change(volume, key) for volume in volumes])
        return changed.reshape(*array.shape[: key.leading], *changed.shape[1:])

    for name, key in checked_keys(results):
        if key.over_voxels and key.role == 'mask':
            masks = results[name].items()
            results[name] = {part: change_channels(mask, key) for part, mask in masks}
        elif key.over_voxels:
            results[name] = change_channels(results[name], key)


def renumber_voxels(results: dict[str, Any], new: np.ndarray) -> None:
    """Replace the flat voxel indices that values hold.

    Args:
        results: The sample.
        new: Old index -> new index; one more entry at the end for -1.
    """
    for name, key in checked_keys(results):
        if key.refers_to == 'voxels' and key.has_views:
            results[name] = [new[array] for array in results[name]]
        elif key.refers_to == 'voxels':
            results[name] = new[results[name]]


def move_frames(results: dict[str, Any], **moves: np.ndarray) -> None:
    """Express points and matrices in moved frames.

    Args:
        results: The sample.
        **moves: Frame (``grid``, ``camera``, ``pixels``) -> old to new coordinates, homogeneous:
            (4, 4), or (3, 3) for pixels. The rotations of grid and camera must be orthogonal;
            they may mirror.
    """
    for name, key in checked_keys(results):
        if key.is_matrix:
            source, target = key.frames
            matrix = results[name]
            if target in moves:
                matrix = moves[target] @ matrix
            if source in moves:
                size = matrix.shape[-1]
                matrix = matrix @ _inverse(moves[source])[:size, :size]
            results[name] = matrix
        elif key.frames and key.frames[0] in moves:
            move, points = moves[key.frames[0]], results[name]
            # Not a matrix product: in data loader workers, NumPy's BLAS uses all threads.
            moved = np.einsum('nj,ij->ni', points.astype(np.float64), move[:3, :3]) + move[:3, 3]
            results[name] = moved.astype(points.dtype)


def mirror_pixels(width: int) -> np.ndarray:
    """(3, 3) float64, from pixels to mirrored pixels: u becomes ``width - 1 - u``."""
    return np.array([[-1.0, 0, width - 1], [0, 1, 0], [0, 0, 1]])


def _inverse(move: np.ndarray) -> np.ndarray:
    inverse = np.eye(4)
    inverse[:3, :3] = move[:3, :3].T
    inverse[:3, 3] = -move[:3, :3].T @ move[:3, 3]
    return inverse


def refuse_references(
    results: Mapping[str, Any], kind: str, to: tuple[str, ...], hint: str
) -> None:
    """Refuse a sample with indices of pixels or voxels that are about to move.

    Args:
        results: The sample.
        kind: Name of the transform.
        to: ``'pixels'``, ``'voxels'`` or both.
        hint: What to do.

    Raises:
        DataError: There is such an array.
    """
    found = [name for name, key in checked_keys(results) if key.refers_to in to]
    if found:
        name = f'sample {results["sequence"]}/{results["frame_id"]}'
        expected = f'nothing that refers to {" or ".join(to)} yet'
        raise DataError(name, kind, expected, ', '.join(found), hint)
