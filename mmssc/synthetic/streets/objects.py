"""Objects in a synthetic street, built from boxes, cylinders and ellipsoids."""

from __future__ import annotations

import numpy as np

from mmssc.synthetic.solids import BOX, CYLINDER, ELLIPSOID, PLAIN, Point, SolidList

__all__ = [
    'RAW_IDS', 'FACADE', 'PLANKS', 'LEAVES', 'BARK', 'GLASS', 'SIGN',
    'add_building', 'add_bush', 'add_car', 'add_fence', 'add_hedge', 'add_person', 'add_pole',
    'add_sign', 'add_tree', 'add_truck', 'add_two_wheeler', 'add_van',
]  # fmt: skip

# Raw label ids of SemanticKITTI.
RAW_IDS = {
    'car': 10, 'bicycle': 11, 'motorcycle': 15, 'truck': 18, 'other-vehicle': 20, 'person': 30,
    'bicyclist': 31, 'motorcyclist': 32, 'road': 40, 'parking': 44, 'sidewalk': 48,
    'other-ground': 49, 'building': 50, 'fence': 51, 'vegetation': 70, 'trunk': 71, 'terrain': 72,
    'pole': 80, 'traffic-sign': 81,
}  # fmt: skip

# Surface patterns; mmssc.synthetic.streets.appearance draws them.
FACADE, PLANKS, LEAVES, BARK, GLASS, SIGN = range(PLAIN + 1, 7)

_PAINT = np.array([
    (.75, .10, .08), (.10, .20, .55), (.85, .85, .87), (.60, .62, .65), (.10, .10, .12),
    (.55, .08, .20), (.16, .36, .62), (.80, .62, .10), (.30, .32, .36),
])  # fmt: skip
_WALLS = np.array([
    (.72, .62, .45), (.62, .33, .24), (.80, .76, .68), (.58, .55, .52), (.74, .52, .40),
    (.70, .68, .50), (.50, .40, .36),
])  # fmt: skip
_CLOTHES = np.array([
    (.70, .15, .15), (.15, .20, .45), (.80, .75, .30), (.20, .20, .22), (.75, .45, .6),
])  # fmt: skip
_SIGNS = np.array([(0.80, 0.06, 0.08), (0.08, 0.22, 0.72), (0.92, 0.78, 0.05), (0.90, 0.90, 0.90)])
_BLACK, _METAL, _SKIN = (0.05, 0.05, 0.055), (0.42, 0.44, 0.46), (0.72, 0.52, 0.42)
_PANE = (0.10, 0.13, 0.17)


def _pick(rng: np.random.Generator, palette: np.ndarray, spread: float = 0.05) -> np.ndarray:
    return palette[rng.integers(len(palette))] + rng.uniform(-spread, spread, 3)


def _add_wheels(solids: SolidList, length: float, width: float, radius: float) -> None:
    for x in (-0.31 * length, 0.31 * length):
        for y in (-width / 2 + 0.04, width / 2 - 0.04):
            solids.add(ELLIPSOID, (x, y, radius), (2 * radius, 0.24, 2 * radius), _BLACK)


def add_car(solids: SolidList, rng: np.random.Generator, position: Point, yaw: float) -> None:
    """A passenger car."""
    solids.place(position, yaw, 'car')
    length, width, height = rng.uniform(3.7, 4.7), rng.uniform(1.65, 1.85), rng.uniform(1.4, 1.65)
    paint, deck = _pick(rng, _PAINT), 0.58 * height
    solids.add(BOX, (0, 0, (0.25 + deck) / 2), (length, width, deck - 0.25), paint)
    solids.add(ELLIPSOID, (0, 0, deck - 0.1), (length * 0.98, width * 0.98, 0.5), paint)
    cabin, back = length * rng.uniform(0.45, 0.6), -length * rng.uniform(0.04, 0.12)
    glass = (cabin, width - 0.2, height - deck - 0.1)
    solids.add(BOX, (back, 0, (deck + height) / 2 - 0.05), glass, _PANE, GLASS)
    solids.add(BOX, (back, 0, height - 0.05), (cabin * 0.9, width - 0.22, 0.1), paint)
    _add_wheels(solids, length, width, 0.32)


def add_van(solids: SolidList, rng: np.random.Generator, position: Point, yaw: float) -> None:
    """A van or small bus, class other-vehicle."""
    solids.place(position, yaw, 'other-vehicle')
    length, height, paint = rng.uniform(5.0, 7.0), rng.uniform(2.1, 2.6), _pick(rng, _PAINT)
    solids.add(BOX, (0, 0, (0.3 + height) / 2), (length, 1.95, height - 0.3), paint)
    solids.add(BOX, (0, 0, height * 0.68), (length * 0.86, 1.99, height * 0.24), _PANE, GLASS)
    _add_wheels(solids, length, 1.95, 0.36)


def add_truck(solids: SolidList, rng: np.random.Generator, position: Point, yaw: float) -> None:
    """A truck: cab in front (+x) and cargo box behind."""
    solids.place(position, yaw, 'truck')
    length, height = rng.uniform(5.5, 8.0), rng.uniform(2.8, 3.4)
    cab, cargo = _pick(rng, _PAINT), rng.uniform(0.7, 0.92, 3)
    solids.add(BOX, (-0.9, 0, (0.8 + height) / 2), (length - 1.9, 2.3, height - 0.8), cargo)
    solids.add(BOX, (length / 2 - 0.9, 0, 1.3), (1.7, 2.15, 2.0), cab)
    solids.add(BOX, (length / 2 - 0.85, 0, 1.75), (1.64, 2.19, 0.7), _PANE, GLASS)
    solids.add(BOX, (0, 0, 0.62), (length - 0.6, 1.0, 0.4), _BLACK)
    _add_wheels(solids, length, 2.2, 0.48)


def _add_body(solids: SolidList, rng: np.random.Generator, base: float, height: float) -> None:
    coat = _pick(rng, _CLOTHES)
    solids.add(ELLIPSOID, (0, 0, base + 0.62 * height), (0.34, 0.50, 0.45 * height), coat)
    solids.add(ELLIPSOID, (0.02, 0, base + 0.92 * height), (0.23, 0.2, 0.27), _SKIN)


def add_person(solids: SolidList, rng: np.random.Generator, position: Point, yaw: float) -> None:
    """A pedestrian."""
    solids.place(position, yaw, 'person')
    height, trousers = rng.uniform(1.55, 1.9), _pick(rng, _CLOTHES[1:4], 0.08)
    for y in (-0.1, 0.1):
        foot, leg = rng.uniform(-0.12, 0.12), 0.48 * height
        solids.add(CYLINDER, (foot, y, leg / 2), (0.17, 0.17, leg), trousers)
    _add_body(solids, rng, 0.0, height)


def add_two_wheeler(
    solids: SolidList, rng: np.random.Generator, position: Point, yaw: float, name: str
) -> None:
    """A bicycle or motorcycle; with a rider, the class is bicyclist or motorcyclist."""
    solids.place(position, yaw, name)
    motor, paint = name.startswith('motor'), _pick(rng, _PAINT)
    radius, thick = (0.30, 0.16) if motor else (0.34, 0.06)
    for x in (-0.55, 0.55):
        solids.add(ELLIPSOID, (x, 0, radius), (2 * radius, thick, 2 * radius), _BLACK)
    frame = (1.3, 0.36, 0.5) if motor else (1.2, 0.09, 0.34)
    solids.add(ELLIPSOID, (0, 0, 0.62), frame, paint)
    solids.add(BOX, (0.45, 0, 0.98), (0.08, 0.56, 0.08), _METAL)
    if name.endswith('ist'):
        _add_body(solids, rng, 0.35, 1.35)
        solids.add(ELLIPSOID, (0.05, 0, 0.75), (0.5, 0.42, 0.7), _pick(rng, _CLOTHES[1:4], 0.08))


def add_tree(
    solids: SolidList, rng: np.random.Generator, position: Point, size: float = 1.0, clumps: int = 7
) -> None:
    """A broad-leaved tree: trunk and a crown of clumps. ``size`` 1 is about 6 m high."""
    solids.place(position, rng.uniform(0, 2 * np.pi), 'trunk')
    stem, radius = size * rng.uniform(2.0, 2.9), size * rng.uniform(0.12, 0.21)
    brown = np.array((0.30, 0.20, 0.12)) * rng.uniform(0.7, 1.3)
    size_of_trunk = (2 * radius, 2 * radius, stem + 0.5)
    solids.add(CYLINDER, (0, 0, (stem + 0.5) / 2), size_of_trunk, brown, BARK)
    solids.relabel('vegetation')
    _add_clumps(solids, rng, (0, 0, stem + size * 1.1), size * rng.uniform(1.5, 2.2), clumps)


def _add_clumps(
    solids: SolidList, rng: np.random.Generator, center: Point, spread: float, count: int
) -> None:
    green = np.array((0.16, 0.34, 0.07)) * rng.uniform(0.75, 1.35)
    green = green + rng.uniform(-0.03, 0.06, 3) * (2, 1, 0.3)
    for number in range(count):
        away = rng.normal(size=3) * (0.42, 0.42, 0.34) * spread * (number > 0)
        away[2] = max(away[2], 0.35 * spread - center[2])
        across = spread * rng.uniform(0.9, 1.5) * (7 / max(count, 4)) ** 0.3
        clump = (across, across, across * rng.uniform(0.7, 0.95))
        shade = green * rng.uniform(0.85, 1.15)
        solids.add(ELLIPSOID, np.add(center, away), clump, shade, LEAVES)


def add_bush(
    solids: SolidList, rng: np.random.Generator, position: Point, size: float = 1.0
) -> None:
    """Three clumps of leaves on the ground."""
    solids.place(position, rng.uniform(0, 2 * np.pi), 'vegetation')
    _add_clumps(solids, rng, (0, 0, 0.55 * size), size, 3)


def add_hedge(
    solids: SolidList, rng: np.random.Generator, position: Point, yaw: float, length: float
) -> None:
    """A clipped hedge, ``length`` metres along its x axis."""
    solids.place(position, yaw, 'vegetation')
    height, green = rng.uniform(1.2, 2.2), np.array((0.12, 0.28, 0.07)) * rng.uniform(0.8, 1.3)
    solids.add(BOX, (0, 0, height / 2), (length, rng.uniform(0.7, 1.2), height), green, LEAVES)


def add_fence(
    solids: SolidList, rng: np.random.Generator, position: Point, yaw: float, length: float
) -> None:
    """A board fence or low wall, ``length`` metres along its x axis."""
    solids.place(position, yaw, 'fence')
    height, shade = rng.uniform(0.95, 1.7), rng.uniform(0.75, 1.25)
    if rng.random() < 0.75:
        wood = np.array((0.52, 0.36, 0.2)) * shade
        solids.add(BOX, (0, 0, height / 2), (length, 0.1, height), wood, PLANKS)
    else:
        stone = np.array((0.55, 0.5, 0.46)) * shade
        solids.add(BOX, (0, 0, height / 2), (length, 0.25, height), stone)


def add_pole(solids: SolidList, rng: np.random.Generator, position: Point, yaw: float) -> None:
    """A street lamp with an arm along its x axis."""
    solids.place(position, yaw, 'pole')
    height, width = rng.uniform(4.5, 7.0), rng.uniform(0.13, 0.2)
    solids.add(CYLINDER, (0, 0, height / 2), (width, width, height), _METAL)
    solids.add(BOX, (0.7, 0, height), (1.6, 0.1, 0.12), _METAL)


def add_sign(solids: SolidList, rng: np.random.Generator, position: Point, yaw: float) -> None:
    """A traffic sign that faces along its -x axis, on a pole."""
    solids.place(position, yaw, 'pole')
    height, color = rng.uniform(2.0, 2.6), _pick(rng, _SIGNS, 0.03)
    solids.add(CYLINDER, (0, 0, (height + 0.3) / 2), (0.09, 0.09, height + 0.3), _METAL)
    solids.relabel('traffic-sign')
    kind = ELLIPSOID if rng.random() < 0.5 else BOX
    solids.add(kind, (-0.07, 0, height), (0.05, 0.75, rng.uniform(0.7, 0.95)), color, SIGN)


def add_building(
    solids: SolidList, rng: np.random.Generator, position: Point, yaw: float, size: Point
) -> None:
    """A house of (length along x, depth along y, height) metres with a roof slab and a porch."""
    solids.place(position, yaw, 'building')
    length, depth, height = size
    wall, roof = _pick(rng, _WALLS), np.array((0.36, 0.2, 0.16)) * rng.uniform(0.7, 1.3)
    solids.add(BOX, (0, 0, height / 2), (length, depth, height), wall, FACADE)
    solids.add(BOX, (0, 0, height + 0.15), (length + 0.5, depth + 0.5, 0.3), roof)
    solids.add(BOX, (0, 0, height + 0.9), (length * 0.8, depth * 0.55, 1.2), roof)
    if rng.random() < 0.6:
        solids.add(BOX, (length * rng.uniform(-0.3, 0.3), 0, height * 0.45),
                   (rng.uniform(2, 3), depth + 1.2, height * 0.9), wall * 0.9, FACADE)  # fmt: skip
