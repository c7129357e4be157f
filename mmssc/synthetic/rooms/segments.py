"""2D segmentation of a synthetic room with errors like those of a trained network."""

from __future__ import annotations

import numpy as np

from mmssc.dataset_facts import SEGMENT_NAMES

from .depth_sensor import pixel_noise
from .layout import Room
from .objects import BOOKS, PICTURE, RAW_IDS

__all__ = ['recognise_segments', 'true_segments']

_SEGMENT_OF = {
    'ceiling': 'ceiling', 'floor': 'floor', 'wall': 'wall', 'window': 'window', 'door': 'wall',
    'chair': 'chair', 'bed': 'bed', 'sofa': 'sofa', 'table': 'table', 'side_table': 'table',
    'bookshelf': 'furniture', 'kitchen_cabinet': 'furniture', 'night_stand': 'furniture',
    'closets_wardrobes_cabinets': 'furniture', 'desk': 'table', 'tvs': 'tv', 'computer': 'tv',
}  # fmt: skip
# Wrong classes for an object of a class, and how often a wrong class is given.
_TAKEN_FOR = {
    'bed': ('sofa', 'objects'), 'chair': ('sofa', 'objects'), 'furniture': ('objects', 'wall'),
    'objects': ('furniture', 'wall', 'none'), 'picture': ('wall', 'objects'),
    'sofa': ('bed', 'chair'), 'table': ('furniture', 'objects'), 'tv': ('objects', 'wall'),
    'window': ('wall', 'picture'), 'books': ('objects', 'furniture'),
}  # fmt: skip
_MISTAKEN, _UNSURE = 0.12, 0.8
# Shift of borders between segments and its correlation length, as parts of the image's height.
_SHIFT, _ALIKE = 0.012, 0.03


def true_segments(room: Room, index: np.ndarray) -> np.ndarray:
    """Ids (H, W) uint8 without errors; ``index`` (H, W) is the visible solid."""
    table = np.full(len(RAW_IDS), SEGMENT_NAMES.index('objects'), np.uint8)
    for raw, name in _SEGMENT_OF.items():
        table[RAW_IDS[raw]] = SEGMENT_NAMES.index(name)
    solids = table[room.solids.label]
    for style, name in ((BOOKS, 'books'), (PICTURE, 'picture')):
        solids[room.solids.style == style] = SEGMENT_NAMES.index(name)
    return solids[index]


def recognise_segments(room: Room, index: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Segment with wrong classes of whole objects, borders shifted by pixels, and noisy patches.

    Args:
        room: The scene.
        index: (H, W) visible solid.
        rng: Generator of the errors.

    Returns:
        (H, W) uint8, ids of :data:`~mmssc.dataset_facts.SEGMENT_NAMES`.
    """
    shape = index.shape
    segments, things = true_segments(room, index), room.things[index]
    for thing in np.flatnonzero(rng.random(room.things.max() + 1) < _MISTAKEN):
        at = things == thing
        for segment in np.unique(segments[at]):
            choice = _TAKEN_FOR.get(SEGMENT_NAMES[segment])
            if choice is not None:
                segments[at & (segments == segment)] = SEGMENT_NAMES.index(str(rng.choice(choice)))
    rows, columns = np.indices(shape)
    reach = _SHIFT * shape[0]
    rows = np.round(rows + reach * pixel_noise(shape, _ALIKE, rng)).astype(np.int64)
    columns = np.round(columns + reach * pixel_noise(shape, _ALIKE, rng)).astype(np.int64)
    segments = segments[np.clip(rows, 0, shape[0] - 1), np.clip(columns, 0, shape[1] - 1)]
    unsure = pixel_noise(shape, 0.08, rng) > _UNSURE
    segments[unsure] = rng.choice((SEGMENT_NAMES.index('none'), SEGMENT_NAMES.index('objects')))
    return segments
