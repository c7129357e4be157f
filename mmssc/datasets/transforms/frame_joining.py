"""Join a sample with a random other frame, voxel by voxel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mmssc.errors import DataError
from mmssc.structures import VoxelGrid

from .sample_changes import checked_keys

__all__ = ['join_volumes', 'load_other_frame', 'name_of']


def name_of(results: Mapping[str, Any]) -> str:
    """The name of a sample in messages."""
    return f'sample {results["sequence"]}/{results["frame_id"]}'


def load_other_frame(
    results: Mapping[str, Any], loading: Callable[[dict[str, Any]], Any], owner: str
) -> Mapping[str, Any]:
    """Load a random frame of the data set.

    Args:
        results: The sample that the frame will be joined with.
        loading: The transforms of the pipeline before the one that joins.
        owner: The transform that joins, for messages.

    Raises:
        DataError: The data set does not give ``draw_item``, or the sample has an array over the
            image, which no join can change.
    """
    name = name_of(results)
    if 'draw_item' not in results:
        hint = 'Derive the data set from mmssc.datasets.FrameChoiceDataset'
        raise DataError(name, owner, 'draw_item in the item', 'none', hint)
    images = [key for key, known in checked_keys(results) if known.over_pixels]
    if images:
        hint = 'Only models that read no image can learn from joined frames'
        raise DataError(name, owner, 'no array over the image', images, hint)
    other: Mapping[str, Any] = loading(results['draw_item']())
    return other


def join_volumes(
    results: dict[str, Any], other: Mapping[str, Any], place: tuple[Any, ...], owner: str
) -> None:
    """Take every array over the grid from the other frame at some voxels.

    Args:
        results: The sample, changed in place; its arrays are not.
        other: The other frame.
        place: Index of these voxels in an array (..., X, Y, Z).
        owner: The transform that joins, for messages.

    Raises:
        DataError: The two frames have different grids or keys.
    """
    shape = VoxelGrid.build(results['voxel_grid']).shape

    def join(key: str, array: np.ndarray, replacement: Any) -> np.ndarray:
        sides = [None if one is None else one.shape for one in (array, replacement)]
        if sides[0] != sides[1] or array.shape[-3:] != shape:
            expected = f'arrays of both frames over {shape} voxels'
            hint = f'loading has to list the transforms of the pipeline before {owner}'
            raise DataError(name_of(results), f'{owner}, {key}', expected, sides, hint)
        joined = array.copy()
        joined[place] = replacement[place]
        return joined

    for key, known in checked_keys(results):
        if known.over_voxels and known.role == 'mask':
            masks = other.get(key, {})
            results[key] = {
                part: join(key, mask, masks.get(part)) for part, mask in results[key].items()
            }
        elif known.over_voxels:
            results[key] = join(key, results[key], other.get(key))
