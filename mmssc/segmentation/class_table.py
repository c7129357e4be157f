"""The 13 classes of a segmentation of NYU, and the classes of other data sets in them.

docs/en/user_guides/segmentation.md shows the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from types import MappingProxyType

import numpy as np

from mmssc.dataset_facts import SEGMENT_NAMES
from mmssc.errors import DataError, nearest_name
from mmssc.formats.json_fields import read_json

__all__ = ['CLASS_TABLE', 'read_class_table', 'segment_ids']

# Classes of ADE20K (150), NYU (40 and 13), SUN RGB-D (37) and COCO-Stuff (171). Those of NYU are as
# in NYU's own table of 13 classes; a class of the others is what NYU calls such a thing. Screens of
# computers are televisions, as in the labels of SSC. Things that are never in a room are
# none: no label.
_NAMES = {
    'bed': 'bed, cradle',
    'books': 'book, books',
    'ceiling': 'ceiling, ceiling-other, ceiling-tile, roof',
    'chair': 'armchair, bench, chair, seat, stool, swivel chair',
    'floor': '''
        carpet, dirt, earth, field, floor, floor mat, floor-marble, floor-other, floor-stone,
        floor-tile, floor-wood, grass, gravel, ground-other, land, mat, pavement, road, rug,
        sidewalk
    ''',
    'furniture': '''
        bar, bookcase, bookshelf, buffet, cabinet, case, chest of drawers, counter, countertop,
        cupboard, dishwasher, dresser, fridge, furniture, furniture-other, kitchen island, night
        stand, otherfurniture, ottoman, oven, refrigerator, shelf, shelves, stove, wardrobe,
        washer
    ''',
    'objects': '''
        animal, apparel, apple, arcade machine, ashcan, backpack, bag, ball, banana, banner,
        bannister, barrel, base, baseball bat, baseball glove, basket, bathtub, bear, bicycle,
        bird, blanket, bottle, bowl, box, branch, broccoli, bulletin board, bush, cage, cake,
        canopy, cardboard, carrot, cat, cell phone, chandelier, clock, cloth, clothes, cow, cup,
        cushion, dog, donut, elephant, fan, fireplace, flag, flower, food, food-other, fork,
        frisbee, fruit, giraffe, glass, hair drier, handbag, hood, horse, hot dog, keyboard,
        kite, knife, lamp, leaves, light, metal, microwave, mirror, mirror-stuff, motorcycle,
        mouse, napkin, net, objects, orange, otherprop, otherstructure, palm, paper, person,
        pillow, pizza, plant, plant-other, plastic, plate, plaything, pole, pot, potted plant,
        radiator, railing, remote, salad, sandwich, scissors, sconce, sculpture, sheep, shower,
        shower curtain, signboard, sink, skateboard, skis, snowboard, solid-other, spoon, sports
        ball, stairs, stairway, step, suitcase, surfboard, tank, teddy bear, tennis racket,
        tent, textile-other, tie, toaster, toilet, toothbrush, towel, trade name, tray, tree,
        umbrella, vase, vegetable, whiteboard, wine glass, wood, zebra
    ''',
    'picture': 'painting, picture, poster',
    'sofa': 'couch, sofa',
    'table': 'coffee table, desk, desk-stuff, dining table, pool table, table',
    'tv': 'computer, crt screen, laptop, monitor, screen, television, television receiver, tv',
    'wall': '''
        column, door, door-stuff, screen door, structural-other, wall, wall-brick,
        wall-concrete, wall-other, wall-panel, wall-stone, wall-tile, wall-wood
    ''',
    'window': '''
        blind, blinds, clouds, curtain, sky, sky-other, window, window-blind, window-other,
        windowpane
    ''',
    'none': '''
        airplane, awning, background, boat, booth, bridge, building, building-other, bus, car,
        conveyer belt, dirt track, escalator, fence, fire hydrant, fog, fountain, grandstand,
        hill, house, hovel, lake, minibike, moss, mountain, mud, none, parking meter, path,
        pier, platform, playingfield, railroad, river, rock, runway, sand, sea, ship,
        skyscraper, snow, stage, stone, stop sign, straw, streetlight, swimming pool, tower,
        traffic light, train, truck, van, water, water-other, waterdrops, waterfall
    ''',
}  # fmt: skip


def _plain(name: str) -> str:
    """A name with one spelling: ``'night_stand'``, ``'Night stand '`` and ``'night-stand'``."""
    return ' '.join(name.replace('_', ' ').replace('-', ' ').lower().split())


def _rows(names: Mapping[str, str]) -> dict[str, str]:
    return {_plain(one): segment for segment, text in names.items() for one in text.split(',')}


#: Name of a class, in lower case and with blanks between its words -> one of the 13 classes.
CLASS_TABLE: Mapping[str, str] = MappingProxyType(_rows(_NAMES))


def segment_ids(
    classes: Sequence[str], source: str, rows: Mapping[str, str] | None = None
) -> np.ndarray:
    """The ids of ``seg13`` for the classes of a segmentation model, by their names.

    Args:
        classes: Names, in the order of the model's ids. Upper and lower case, ``_`` and ``-`` do
            not matter.
        source: Where the names come from, for messages.
        rows: Name of a class -> name of one of the 13 classes, or ``'none'``: more rows for
            :data:`CLASS_TABLE`, or others in place of its own.

    Returns:
        (K,) uint8, indices of :data:`~mmssc.dataset_facts.SEGMENT_NAMES`.

    Raises:
        DataError: A class has no row, or a row names none of the 13 classes.
    """
    table = dict(CLASS_TABLE)
    for name, segment in (rows or {}).items():
        if segment not in SEGMENT_NAMES:
            expected = f'one of {", ".join(SEGMENT_NAMES)}'
            hint = nearest_name(str(segment), SEGMENT_NAMES)
            raise DataError('table of classes', name, expected, segment, hint)
        table[_plain(name)] = segment
    missing = [name for name in classes if _plain(name) not in table]
    if missing:
        shown = ', '.join(missing[:5]) + (f' and {len(missing) - 5} more' if missing[5:] else '')
        hint = f'Give rows for them: --segmenter-table FILE.json with {{"{missing[0].strip()}": '
        hint += f'"objects"}} (in Python: table); the names are {", ".join(SEGMENT_NAMES)}'
        expected = 'classes with a row in the table of the 13 classes'
        raise DataError(source, 'classes', expected, f'none for {shown}', hint)
    return np.array([SEGMENT_NAMES.index(table[_plain(name)]) for name in classes], np.uint8)


def read_class_table(path: str | PathLike[str]) -> dict[str, str]:
    """Read rows for :func:`segment_ids` from a JSON object of texts.

    Raises:
        DataError: The file is missing or damaged, or not such an object.
    """
    rows = read_json(path)
    if not isinstance(rows, dict) or not all(isinstance(one, str) for one in rows.values()):
        hint = 'Write {"name of a class": "name of one of the 13 classes"}'
        raise DataError(path, 'content', 'a JSON object of texts', f'{rows!r:.60}', hint)
    return rows
