"""Random rooms by rules: walls and openings, furniture for the kind of room, camera position.

As in the NYU volumes, the walls run along the world's x and y axes, the floor is at z = 0 and the
camera at x = y = 0. It looks along +y, turned to the right by its heading.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmssc.synthetic.solids import BOX, SolidList, Solids, turn

from .objects import BUILDERS, CARPET, PANELS, PARQUET, RAW_IDS, TILES, WALLPAPER

__all__ = ['Room', 'build_room']

WALL = 0.04
_CLEAR, _CLEAR_AT_EYE_LEVEL = 0.75, 1.3
_HALF_VIEW = np.deg2rad(33)
_TRIES = 40
_KINDS = ('bedroom', 'living', 'office', 'dining', 'bathroom')
_SHARES = (0.26, 0.28, 0.18, 0.18, 0.10)
# Ranges of width, depth and height of objects, metres.
_SIZES = {
    'bathtub': ((1.5, 1.75), (0.7, 0.8), (0.5, 0.6)),
    'bed': ((1.0, 1.9), (1.95, 2.15), (0.42, 0.6)),
    'bookshelf': ((0.7, 1.4), (0.28, 0.38), (0.9, 2.1)),
    'chair': ((0.42, 0.52), (0.42, 0.52), (0.85, 1.05)),
    'closet': ((0.8, 1.6), (0.45, 0.62), (1.7, 2.1)),
    'coffee_table': ((0.7, 1.2), (0.5, 0.7), (0.38, 0.48)),
    'computer': ((0.42, 0.6), (0.18, 0.22), (0.38, 0.48)),
    'desk': ((1.1, 1.6), (0.6, 0.75), (0.70, 0.78)),
    'dining_table': ((1.0, 1.6), (0.8, 1.0), (0.70, 0.78)),
    'door': ((0.8, 0.95), (0.06, 0.06), (1.95, 2.05)),
    'dresser': ((0.8, 1.5), (0.42, 0.55), (0.5, 0.95)),
    'fridge': ((0.6, 0.8), (0.6, 0.7), (1.4, 1.85)),
    'kitchen': ((1.5, 2.8), (0.58, 0.65), (2.0, 2.2)),
    'lamp': ((0.28, 0.42), (0.28, 0.42), (1.3, 1.7)),
    'night_stand': ((0.4, 0.55), (0.38, 0.45), (0.45, 0.6)),
    'partition': ((0.7, 1.8), (0.08, 0.14), (0.9, 1.5)),
    'picture': ((0.35, 0.9), (0.03, 0.03), (0.35, 0.7)),
    'plant': ((0.35, 0.6), (0.35, 0.6), (0.6, 1.3)),
    'side_table': ((0.45, 0.6), (0.45, 0.6), (0.45, 0.6)),
    'sofa': ((1.4, 2.2), (0.82, 0.95), (0.75, 0.9)),
    'table_lamp': ((0.22, 0.32), (0.22, 0.32), (0.4, 0.6)),
    'toilet': ((0.38, 0.44), (0.62, 0.7), (0.72, 0.8)),
    'trash_can': ((0.26, 0.34), (0.26, 0.34), (0.3, 0.6)),
    'tv': ((0.8, 1.2), (0.22, 0.28), (0.55, 0.75)),
    'wash_stand': ((0.6, 1.1), (0.45, 0.52), (0.78, 0.85)),
    'window': ((0.8, 1.8), (0.06, 0.06), (0.9, 1.3)),
}
# Objects that share a builder but have another size.
_BUILT_AS = {
    'coffee_table': 'table', 'computer': 'tv', 'dining_table': 'table', 'dresser': 'closet',
    'table_lamp': 'lamp',
}  # fmt: skip


@dataclass(frozen=True)
class Room:
    """One furnished room and the camera in it.

    Args:
        low: (3,) lower corner of the inside, metres.
        high: (3,) upper corner of the inside.
        solids: All solids; where two meet, the later one covers the earlier one.
        things: (N,) int64, the object that each solid belongs to.
        light: (3,) position of the lamp under the ceiling.
        tint: (3,) colour of its light.
        cam2world: (4, 4) camera to world.
    """

    low: np.ndarray
    high: np.ndarray
    solids: Solids
    things: np.ndarray
    light: np.ndarray
    tint: np.ndarray
    cam2world: np.ndarray


@dataclass(frozen=True)
class _Placed:
    """An object in the room: middle of its footprint, yaw and size."""

    position: np.ndarray
    yaw: float
    size: np.ndarray

    def beside(self, x: float, y: float, z: float = 0.0) -> np.ndarray:
        """World position of a point in the object's own axes."""
        return self.position + turn(np.array((x, y, z)), np.array(self.yaw))


def _draw_camera(rng: np.random.Generator, heading: float, height: float) -> np.ndarray:
    """Camera to world at (0, 0, height), tilted down some degrees, with a small roll."""
    tilt = np.deg2rad(np.clip(rng.normal(12, 7), -3, 25))
    roll = np.deg2rad(rng.normal(0, 1.0))
    forward = np.array(
        (np.sin(heading) * np.cos(tilt), np.cos(heading) * np.cos(tilt), -np.sin(tilt))
    )
    right = np.array((np.cos(heading), -np.sin(heading), 0.0))
    down = np.cross(forward, right)
    pose = np.eye(4)
    pose[:3, 0] = np.cos(roll) * right + np.sin(roll) * down
    pose[:3, 1] = np.cos(roll) * down - np.sin(roll) * right
    pose[:3, 2], pose[2, 3] = forward, height
    return pose


class _Builder:
    """Furnishes a room; objects do not overlap."""

    def __init__(self, rng: np.random.Generator, kind: str) -> None:
        self.rng, self.solids = rng, SolidList(RAW_IDS)
        size = rng.uniform((3.4, 3.6, 2.35), (5.6, 5.9, 2.72))
        if kind == 'bathroom':
            size[:2] = rng.uniform((2.4, 2.6), (3.4, 3.6))
        self.heading = np.deg2rad(rng.uniform(-38, 38))
        # If the camera looks to the right, it is in the left part of the room.
        share = np.clip(0.5 - 0.012 * np.rad2deg(self.heading) + rng.uniform(-0.1, 0.1), 0.1, 0.9)
        self.low = np.array((-share * size[0], -rng.uniform(0.2, 0.9), 0.0))
        self.high = self.low + size
        self.eye = rng.uniform(0.9, 1.65)
        self.taken: list[tuple[np.ndarray, np.ndarray]] = []

    def shell(self) -> None:
        """Add floor, ceiling, walls, and sometimes a pillar in a corner."""
        rng, low, high = self.rng, self.low, self.high
        middle, size = (low + high) / 2, high - low + 2 * WALL
        floor = int(rng.choice((CARPET, TILES, PARQUET), p=(0.4, 0.2, 0.4)))
        color = {
            CARPET: (0.46, 0.40, 0.36), TILES: (0.58, 0.56, 0.52), PARQUET: (0.52, 0.36, 0.22)
        }[floor]  # fmt: skip
        self.solids.place(middle[:2], 0.0, 'floor')
        shade = np.array(color) * rng.uniform(0.75, 1.15)
        self.solids.add(BOX, (0, 0, -WALL / 2), (*size[:2], WALL), shade, floor)
        self.solids.relabel('ceiling')
        white = np.full(3, rng.uniform(0.84, 0.95))
        self.solids.add(BOX, (0, 0, high[2] + WALL / 2), (*size[:2], WALL), white, PANELS)
        paint = np.array((0.80, 0.76, 0.66)) + rng.uniform(-0.09, 0.09, 3)
        for axis in (0, 1):
            for end in (-1, 1):
                self.solids.relabel('wall')
                at, wall = np.array((0.0, 0.0, high[2] / 2)), np.array((*size[:2], high[2]))
                at[axis], wall[axis] = end * (size[axis] - WALL) / 2, WALL
                self.solids.add(BOX, at, wall, paint, WALLPAPER)
        if rng.random() < 0.3:
            corner = np.array((rng.choice((low[0], high[0])), high[1]))
            half = rng.uniform((0.3, 0.2), (0.7, 0.45))
            self.solids.place(corner, 0.0, 'wall')
            self.solids.add(BOX, (0, 0, high[2] / 2), (*(2 * half), high[2]), paint, WALLPAPER)
            self.take(corner, half, 0.0, high[2])

    def take(self, middle: np.ndarray, half: np.ndarray, bottom: float, top: float) -> None:
        """Mark the box of an object as occupied."""
        low, high = (np.array((*(middle[:2] + sign * half), z)) for sign, z in
                     ((-1, bottom), (1, top)))  # fmt: skip
        self.taken.append((low, high))

    def size(self, name: str) -> np.ndarray:
        """A random size from the range of the object."""
        return self.rng.uniform(*np.array(_SIZES[name]).T)

    def sees(self, position: np.ndarray) -> bool:
        """Whether a position is in the camera's field of view in the floor plan."""
        angle = np.arctan2(position[0], position[1]) - self.heading
        return abs((angle + np.pi) % (2 * np.pi) - np.pi) < _HALF_VIEW

    def fits(self, middle: np.ndarray, half: np.ndarray, bottom: float, top: float) -> bool:
        """Whether a box is inside the room, overlaps nothing and is not just before the lens."""
        low, high = middle[:2] - half, middle[:2] + half
        if (low < self.low[:2] - 0.05).any() or (high > self.high[:2] + 0.05).any():
            return False
        if top > self.high[2] - 0.02:
            return False
        away = np.linalg.norm(np.maximum(np.maximum(low, -high), 0))
        if away < (_CLEAR_AT_EYE_LEVEL if top > self.eye - 0.25 else _CLEAR):
            return False
        low, high = np.array((*low, bottom)) + 0.01, np.array((*high, top)) - 0.01
        return not any((low < b).all() and (high > a).all() for a, b in self.taken)

    def stand(
        self, name: str, position: np.ndarray, yaw: float, size: np.ndarray | None = None
    ) -> _Placed | None:
        """Put an object at a position if it fits there."""
        size = self.size(name) if size is None else size
        turned = np.abs(turn(np.array((size[0], 0, 0)), np.array(yaw)))[:2]
        turned = turned + np.abs(turn(np.array((0, size[1], 0)), np.array(yaw)))[:2]
        position = np.array((*position, 0.0)[:3])
        bottom, top = position[2], position[2] + size[2]
        if not self.fits(position, turned / 2, bottom, top):
            return None
        self.take(position, turned / 2, bottom, top)
        BUILDERS[_BUILT_AS.get(name, name)](self.solids, self.rng, position, yaw, size)
        return _Placed(position, yaw, size)

    def at_wall(
        self, name: str, bottom: tuple[float, float] | None = None, inset: float = 0.03
    ) -> _Placed | None:
        """Put an object with its back to a visible wall; a negative ``inset`` sinks it in."""
        for _ in range(_TRIES):
            size, side = self.size(name), self.rng.choice(3, p=(0.5, 0.25, 0.25))
            away = size[1] / 2 + inset
            along = self.rng.random()
            z = 0.0 if bottom is None else self.rng.uniform(*bottom)
            if side == 0:
                start, end = self.low[0] + size[0] / 2, self.high[0] - size[0] / 2
                position, yaw = (
                    np.array((start + along * (end - start), self.high[1] - away, z)),
                    np.pi,
                )
            else:
                start, end = self.low[1] + size[0] / 2, self.high[1] - size[0] / 2
                x = self.low[0] + away if side == 1 else self.high[0] - away
                position = np.array((x, start + along * (end - start), z))
                yaw = -np.pi / 2 if side == 1 else np.pi / 2
            if not self.sees(position):
                continue
            placed = self.stand(name, position, yaw, size)
            if placed is not None:
                return placed
        return None

    def in_middle(self, name: str) -> _Placed | None:
        """Put an object anywhere in view, with or without a quarter turn."""
        for _ in range(_TRIES):
            position = self.rng.uniform(self.low[:2] + 0.6, self.high[:2] - 0.6)
            if self.sees(position):
                placed = self.stand(name, position, self.rng.integers(4) * np.pi / 2)
                if placed is not None:
                    return placed
        return None

    def on(self, support: _Placed | None, *names: str) -> None:
        """Put objects side by side on top of another object."""
        if support is None:
            return
        for name, x in zip(names, self.rng.permutation(len(names)) - (len(names) - 1) / 2):
            at = support.beside(x * support.size[0] / (len(names) + 0.3), -0.05, support.size[2])
            self.stand(name, at, support.yaw + self.rng.uniform(-0.1, 0.1))

    def clutter(self, support: _Placed | None, count: int) -> None:
        """Put small objects on top of another object."""
        if support is None:
            return
        for _ in range(count):
            size = self.rng.uniform((0.08, 0.08, 0.06), (0.3, 0.24, 0.28))
            x, y = (support.size[:2] - 0.3) * self.rng.uniform(-0.5, 0.5, 2)
            yaw = support.yaw + self.rng.uniform(-0.4, 0.4)
            self.stand('clutter', support.beside(x, y, support.size[2]), yaw, size)

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def work_place(self) -> None:
        """Add a desk with computer, chair and paper."""
        desk = self.at_wall('desk')
        if desk is None:
            return
        self.on(desk, 'computer')
        self.clutter(desk, 2)
        away = desk.size[1] / 2 + self.rng.uniform(0.32, 0.5)
        yaw = desk.yaw + np.pi + self.rng.uniform(-0.5, 0.5)
        self.stand('chair', desk.beside(self.rng.uniform(-0.2, 0.2), away), yaw)

    def night_stand(self, bed: _Placed, side: int) -> None:
        """A night stand with a lamp, on the left (-1) or the right (1) of a bed."""
        size = self.size('night_stand')
        at = bed.beside(side * (bed.size[0] + size[0] + 0.1) / 2, (size[1] - bed.size[1]) / 2)
        self.on(self.stand('night_stand', at, bed.yaw, size), 'table_lamp')

    def bedroom(self) -> None:
        bed = self.at_wall('bed')
        if bed is not None:
            for side in (-1, 1):
                self.night_stand(bed, side)
        if self.chance(0.7):
            self.at_wall('closet')
        if self.chance(0.6):
            dresser = self.at_wall('dresser')
            self.on(dresser, 'tv' if self.chance(0.6) else 'table_lamp')
            self.clutter(dresser, 2)
        if self.chance(0.5):
            self.work_place()

    def living(self) -> None:
        sofa = self.at_wall('sofa')
        if sofa is not None and self.chance(0.8):
            size = self.size('coffee_table')
            at = sofa.beside(0, (sofa.size[1] + size[1]) / 2 + self.rng.uniform(0.25, 0.4))
            self.clutter(self.stand('coffee_table', at, sofa.yaw, size), 2)
        if self.chance(0.8):
            board = self.at_wall('dresser')
            self.on(board, 'tv')
            self.clutter(board, 1)
        if self.chance(0.45):
            self.at_wall('sofa') or self.in_middle('sofa')
        if self.chance(0.6):
            self.clutter(self.at_wall('bookshelf'), 1)
        for name, share in (('lamp', 0.5), ('plant', 0.6), ('chair', 0.4)):
            if self.chance(share):
                self.at_wall(name, inset=0.06)
        if self.chance(0.5):
            self.on(self.at_wall('side_table'), 'table_lamp')

    def office(self) -> None:
        for _ in range(self.rng.integers(2, 4)):
            self.work_place()
        if self.chance(0.8):
            self.clutter(self.at_wall('bookshelf'), 2)
        if self.chance(0.5):
            self.at_wall('closet')
        if self.chance(0.4):
            self.in_middle('chair')
        if self.chance(0.5):
            self.at_wall('trash_can')

    def dining(self) -> None:
        if self.chance(0.7):
            self.at_wall('kitchen')
            if self.chance(0.7):
                self.at_wall('fridge')
        table = self.in_middle('dining_table')
        if table is not None:
            self.clutter(table, 3)
            for x, y in self.rng.permutation(((-0.5, 0), (0.5, 0), (0, -0.5), (0, 0.5)))[:3]:
                away = np.array((x, y)) * table.size[:2] + np.sign((x, y)) * 0.33
                # The front of a chair is +y: turn it towards the table.
                yaw = table.yaw + np.arctan2(x, -y) + self.rng.uniform(-0.3, 0.3)
                self.stand('chair', table.beside(*away), yaw)
        for name, share in (('dresser', 0.4), ('plant', 0.3), ('trash_can', 0.5)):
            if self.chance(share):
                self.clutter(self.at_wall(name), 1 if name == 'dresser' else 0)

    def bathroom(self) -> None:
        for name in ('bathtub', 'wash_stand', 'toilet'):
            self.at_wall(name)
        for name, share in (('trash_can', 0.7), ('closet', 0.4)):
            if self.chance(share):
                self.at_wall(name)

    def openings(self) -> None:
        """Add windows and a door, sunk into the walls."""
        for _ in range(self.rng.choice(3, p=(0.25, 0.5, 0.25))):
            self.at_wall('window', (0.8, 1.1), -0.04)
        if self.chance(0.3):
            self.at_wall('door', inset=-0.04)

    def partitions(self) -> None:
        """Add walls and furniture that divide the room, at least a metre before its end."""
        for _ in range(self.rng.choice(3, p=(0.2, 0.5, 0.3))):
            name = str(self.rng.choice(('partition', 'bookshelf', 'closet'), p=(0.7, 0.15, 0.15)))
            for _ in range(_TRIES):
                size = self.size(name)
                if name == 'partition' and self.chance(0.6):
                    size[2] = self.high[2] - 0.025
                position = self.rng.uniform(self.low[:2], self.high[:2] - (0, 0.9))
                turned = self.chance(0.25) * np.pi / 2
                if self.sees(position) and self.stand(name, position, np.pi + turned, size):
                    break

    def decoration(self) -> None:
        """Add pictures on the walls and objects on the floor."""
        for _ in range(self.rng.integers(0, 4)):
            self.at_wall('picture', (1.25, 1.6), 0.0)
        for _ in range(self.rng.integers(1, 4)):
            position = self.rng.uniform(self.low[:2] + 0.3, self.high[:2] - 0.3)
            if self.sees(position):
                size = self.rng.uniform((0.2, 0.2, 0.12), (0.5, 0.4, 0.45))
                self.stand('clutter', position, self.rng.uniform(0, np.pi), size)


def build_room(seed: tuple[int, ...]) -> Room:
    """Make a random room.

    Args:
        seed: Entropy of the random generator.

    Returns:
        The same room for the same seed.
    """
    rng = np.random.default_rng(seed)
    kind = str(rng.choice(_KINDS, p=_SHARES))
    builder = _Builder(rng, kind)
    builder.shell()
    builder.openings()
    if kind != 'bathroom':
        builder.partitions()
    getattr(builder, kind)()
    builder.decoration()
    size = builder.high - builder.low
    light = builder.low + size * (*rng.uniform(0.35, 0.65, 2), 1) - (0, 0, 0.12)
    tint = np.array((1.0, 0.965, 0.91)) ** rng.uniform(-0.4, 1.6)
    cam2world = _draw_camera(rng, builder.heading, builder.eye)
    return Room(builder.low, builder.high, builder.solids.build(), builder.solids.things, light,
                tint, cam2world)  # fmt: skip
