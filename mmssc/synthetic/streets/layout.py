"""Random streets by rules: the kinds of ground and the objects on it.

The street runs along x with gentle bends. A position is (s, d): metres along, and metres to the
left of the centre line. From the centre line outwards there are road, a strip (parking bays, grass
with trees, or pavement), sidewalk, and lots (urban, garden, park, or the start of a side road).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmssc.synthetic.solids import SolidList, Solids
from mmssc.synthetic.streets import objects as objects

from .objects import RAW_IDS

__all__ = ['Ground', 'Street', 'build_street', 'STRIP_WIDTH', 'BAY_LENGTH']

STRIP_WIDTH = 2.4
BAY_LENGTH = 5.8
_BEHIND, _AHEAD = 60.0, 115.0
_MOUTH_LENGTH, _MOUTH_ROAD = 11.0, 3.4
_LOT_KINDS = ('urban', 'garden', 'park', 'mouth')
_STRIPS = ('parking', 'terrain', 'sidewalk')
_COURTS = ('sidewalk', 'other-ground', 'terrain', 'parking')


@dataclass(frozen=True)
class Ground:
    """Course and ground of one street.

    Args:
        bend: Amplitude (m), wave length (m) and phase of the centre line's sine.
        road_half: Half the width of the road, metres.
        sidewalk: Width of the sidewalk, metres.
        lot_starts: Per side (left, right), (L,) ascending s of the start of each lot.
        lots: Per side, (L, 3) raw ids: strip, forecourt, and lot kind (index of ``_LOT_KINDS``).
        forecourts: Per side, (L,) depth of the forecourt, metres.
        span: First and last s with objects, metres.
    """

    bend: tuple[float, float, float]
    road_half: float
    sidewalk: float
    lot_starts: tuple[np.ndarray, np.ndarray]
    lots: tuple[np.ndarray, np.ndarray]
    forecourts: tuple[np.ndarray, np.ndarray]
    span: tuple[float, float]

    def to_world(self, s: np.ndarray, d: np.ndarray) -> np.ndarray:
        """(..., 2) world x, y of (s, d)."""
        return np.stack(np.broadcast_arrays(s, d + _center_line(self.bend, s)), -1)

    def to_street(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(s, d) of world points."""
        return x, y - _center_line(self.bend, x)

    def heading(self, s: np.ndarray) -> np.ndarray:
        """Direction of the centre line, radians from the world's x axis."""
        amplitude, length, phase = self.bend
        slope = amplitude * 2 * np.pi / length * np.cos(2 * np.pi * s / length + phase)
        return np.arctan(slope)

    @property
    def edges(self) -> tuple[float, float, float]:
        """Distance of the strip, of the sidewalk and of the lots from the centre line."""
        strip = self.road_half + STRIP_WIDTH
        return self.road_half, strip, strip + self.sidewalk

    def ground_label(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Raw id of the ground at world points, uint16 of the same shape."""
        s, d = self.to_street(x, y)
        away = np.abs(d)
        road, strip, lot_edge = self.edges
        label = np.full(s.shape, RAW_IDS['terrain'], np.uint16)
        for side, here in enumerate((d >= 0, d < 0)):
            number = np.searchsorted(self.lot_starts[side], s[here], side='right') - 1
            number = np.clip(number, 0, len(self.lots[side]) - 1)
            strip_id, court_id, kind = self.lots[side][number].T
            court = self.forecourts[side][number]
            distance = away[here]
            found = label[here]
            found[distance < lot_edge + court] = court_id[distance < lot_edge + court]
            found[distance < lot_edge] = RAW_IDS['sidewalk']
            found[distance < strip] = strip_id[distance < strip]
            mouth = kind == _LOT_KINDS.index('mouth')
            middle = self.lot_starts[side][number] + _MOUTH_LENGTH / 2
            beside = np.abs(s[here] - middle)
            found[mouth & (beside < _MOUTH_ROAD + 1.8)] = RAW_IDS['sidewalk']
            found[mouth & (beside < _MOUTH_ROAD)] = RAW_IDS['road']
            label[here] = found
        label[away < road] = RAW_IDS['road']
        return label


@dataclass(frozen=True)
class Street(Ground):
    """The ground and the solids of one drive.

    Args:
        solids: All solids above the ground.
        sun: (3,) unit vector towards the sun.
    """

    solids: Solids
    sun: np.ndarray


def _center_line(bend: tuple[float, float, float], s: np.ndarray) -> np.ndarray:
    amplitude, length, phase = bend
    return amplitude * np.sin(2 * np.pi * s / length + phase)


class _Builder:
    """Puts objects on a street; ``place`` converts (s, d) to positions."""

    def __init__(self, ground: Ground, rng: np.random.Generator, drive: float) -> None:
        self.ground, self.rng, self.drive = ground, rng, drive
        self.solids = SolidList(RAW_IDS)

    def place(self, s: float, d: float) -> tuple[np.ndarray, float]:
        """World position, and heading of the street there."""
        along = np.float64(s)
        return self.ground.to_world(along, np.float64(d)), float(self.ground.heading(along))

    def spots(self, start: float, end: float, gap: float) -> np.ndarray:
        """Positions about ``gap`` metres apart."""
        count = max(int((end - start) / gap), 0)
        share = (np.arange(count) + self.rng.uniform(0.25, 0.75, count)) / max(count, 1)
        return start + share * (end - start)

    def tree(self, s: float, d: float, size: float, clumps: int = 7) -> None:
        objects.add_tree(self.solids, self.rng, self.place(s, d)[0], size, clumps)

    def bush(self, s: float, d: float, size: float) -> None:
        objects.add_bush(self.solids, self.rng, self.place(s, d)[0], size)

    def traffic(self) -> None:
        """Add vehicles on the road, but not in the lane of the drive."""
        rng, lane = self.rng, self.ground.road_half / 2
        for s in self.spots(-40, self.ground.span[1] - 15, 17):
            oncoming = rng.random() < 0.55
            if not oncoming and s < self.drive + 14:
                continue
            (position, yaw), kind = self.place(s, lane if oncoming else -lane), rng.random()
            yaw += np.pi if oncoming else 0.0
            if kind < 0.66:
                objects.add_car(self.solids, rng, position, yaw)
            elif kind < 0.76:
                objects.add_truck(self.solids, rng, position, yaw)
            elif kind < 0.86:
                objects.add_van(self.solids, rng, position, yaw)
            else:
                name = 'bicyclist' if kind < 0.96 else 'motorcyclist'
                objects.add_two_wheeler(self.solids, rng, position, yaw, name)

    def strip(self, side: int, start: float, end: float, name: str) -> None:
        """Add parked vehicles, street trees or bicycles, and lamps and signs everywhere."""
        rng, (road, strip, _) = self.rng, self.ground.edges
        middle, sign = (road + strip) / 2, (1, -1)[side]
        if name == 'parking':
            for bay in np.arange(np.ceil(start / BAY_LENGTH), end // BAY_LENGTH):
                self.parked((bay + 0.5) * BAY_LENGTH, sign * middle)
        elif name == 'terrain':
            for s in self.spots(start, end, 8.5):
                self.tree(s, sign * middle, rng.uniform(0.8, 1.15))
                if rng.random() < 0.5:
                    self.bush(s + rng.uniform(1.5, 3), sign * middle, rng.uniform(0.5, 0.9))
        for s in self.spots(start, end, 11):
            position, yaw = self.place(s + 1.0, sign * (strip + 0.25))
            if rng.random() < 0.55:
                objects.add_pole(self.solids, rng, position, yaw - sign * np.pi / 2)
            else:
                objects.add_sign(self.solids, rng, position, yaw + rng.uniform(-0.2, 0.2))

    def parked(self, s: float, d: float) -> None:
        """Add an object in a parking bay."""
        kind, (position, yaw) = self.rng.random(), self.place(s, d)
        if kind < 0.62:
            yaw += np.pi * (self.rng.random() < 0.3)
            objects.add_car(self.solids, self.rng, position, yaw)
        elif kind < 0.68:
            objects.add_van(self.solids, self.rng, position, yaw)
        elif kind < 0.76:
            for shift in (-1.2, 0.4):
                objects.add_two_wheeler(self.solids, self.rng, self.place(s + shift, d)[0],
                                        yaw + np.pi / 2, 'motorcycle')  # fmt: skip

    def sidewalk(self, side: int, start: float, end: float) -> None:
        """Add people and parked bicycles."""
        rng, (_, strip, lot_edge) = self.rng, self.ground.edges
        sign = (1, -1)[side]
        for s in self.spots(start, end, 10):
            position, yaw = self.place(s, sign * rng.uniform(strip + 0.7, lot_edge - 0.5))
            kind = rng.random()
            if kind < 0.4:
                objects.add_person(self.solids, rng, position, yaw + np.pi * (rng.random() < 0.5))
            elif kind < 0.6:
                objects.add_two_wheeler(self.solids, rng, position, yaw, 'bicycle')

    def urban(self, side: int, start: float, end: float, court: float) -> None:
        """Add a closed row of houses."""
        rng, sign, first = self.rng, (1, -1)[side], start
        while end - start > 7:
            length = min(rng.uniform(8, 14), end - start)
            depth, height = rng.uniform(8, 11), rng.uniform(5.5, 12)
            front = self.ground.edges[2] + court + 0.7
            position, yaw = self.place(start + length / 2, sign * (front + depth / 2))
            objects.add_building(self.solids, rng, position, yaw, (length - 0.6, depth, height))
            if rng.random() < 0.5:
                along = start + rng.uniform(0, length)
                self.bush(along, sign * (front - 0.5), rng.uniform(0.5, 0.8))
            start += length
        self.backdrop(side, first, end, self.ground.edges[2] + court + 13)

    def garden(self, side: int, start: float, end: float, court: float) -> None:
        """Add a house behind a fence or hedge, with trees and bushes."""
        rng, sign, edge = self.rng, (1, -1)[side], self.ground.edges[2] + court
        gate = rng.uniform(start + 3, end - 3)
        hedges = rng.choice((0.0, 0.2, 1.0))
        for first, last in ((start + 0.3, gate - 1.3), (gate + 1.3, end - 0.3)):
            self.boundary(side, first, last, edge + 0.35, hedges)
        for s in (start, end):
            position, yaw = self.place(s, sign * (edge + 4.5))
            objects.add_fence(self.solids, rng, position, yaw + np.pi / 2, 8.0)
        length, depth = min(rng.uniform(8, 12), end - start - 3), rng.uniform(7, 9)
        size, away = (length, depth, rng.uniform(4.5, 7.5)), edge + rng.uniform(6, 9) + depth / 2
        position, yaw = self.place((start + end) / 2, sign * away)
        objects.add_building(self.solids, rng, position, yaw, size)
        for s in self.spots(start, end, 4.5):
            self.bush(s, sign * (edge + rng.uniform(1.5, 4.5)), rng.uniform(0.6, 1.4))
        for s in self.spots(start, end, 8):
            self.tree(s, sign * (edge + rng.uniform(3, 5)), rng.uniform(0.7, 1.2))
        self.backdrop(side, start, end, edge + 18)

    def boundary(self, side: int, start: float, end: float, away: float, hedges: float) -> None:
        """Add a line of fences and hedges along the street; ``hedges`` is the share of hedges."""
        for low in np.arange(start, end - 0.5, 6.0):
            length = min(6.0, end - low)
            position, yaw = self.place(low + length / 2, (1, -1)[side] * away)
            add = objects.add_hedge if self.rng.random() < hedges else objects.add_fence
            add(self.solids, self.rng, position, yaw, length)

    def park(self, side: int, start: float, end: float, court: float) -> None:
        """Add trees and bushes on grass."""
        rng, sign, edge = self.rng, (1, -1)[side], self.ground.edges[2] + court
        for s in self.spots(start, end, 6):
            self.tree(s, sign * (edge + rng.uniform(2, 7)), rng.uniform(0.9, 1.4))
        for s in self.spots(start, end, 2.6):
            self.bush(s, sign * (edge + rng.uniform(2, 9)), rng.uniform(0.8, 2.2))
        if rng.random() < 0.6:
            self.boundary(side, start + 0.3, end - 0.3, edge + 0.4, rng.random())
        self.backdrop(side, start, end, edge + rng.uniform(8, 12))

    def backdrop(self, side: int, start: float, end: float, away: float) -> None:
        """Add tall trees behind the lot, with undergrowth that blocks the view."""
        sign = (1, -1)[side]
        for s in self.spots(start, end, 6):
            self.tree(s, sign * (away + self.rng.uniform(1, 9)), self.rng.uniform(1.3, 1.9), 4)
        for s in self.spots(start, end, 3.4):
            self.bush(s, sign * (away + self.rng.uniform(-1, 1.5)), self.rng.uniform(2.2, 3.4))

    def closing(self) -> None:
        """Add trees and houses across both ends of the street, so that they block the view."""
        for s in self.ground.span:
            for d in np.arange(-24, 25, 6.0):
                self.tree(s, d, self.rng.uniform(1.3, 2.0), 4)


def _draw_lots(
    rng: np.random.Generator, span: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Starts (L + 1,), ids (L, 3) and forecourt depths (L,) of the lots of one side."""
    weights = rng.dirichlet((5.0, 5.0, 4.0))
    starts, rows, courts, next_mouth = [span[0]], [], [], span[0] + rng.uniform(30, 60)
    while starts[-1] < span[1]:
        kind = rng.choice(3, p=weights)
        strip, court = rng.choice(_STRIPS, p=(0.45, 0.3, 0.25)), 'terrain'
        depth, length = rng.uniform(0.0, 2.5), rng.uniform(14, 26)
        if starts[-1] > next_mouth:
            kind, strip, length = 3, 'sidewalk', _MOUTH_LENGTH
            next_mouth += rng.uniform(45, 80)
        elif _LOT_KINDS[kind] == 'urban':
            court = rng.choice(_COURTS, p=(0.4, 0.25, 0.2, 0.15))
        rows.append((RAW_IDS[str(strip)], RAW_IDS[str(court)], kind))
        courts.append(depth)
        starts.append(starts[-1] + length)
    return np.array(starts), np.array(rows), np.array(courts)


def build_street(seed: tuple[int, ...], drive: float) -> Street:
    """Make a random street.

    Args:
        seed: Entropy of the random generator, e.g. (seed, sequence).
        drive: Length of the drive, which goes from s = 0 to ``drive``, metres.

    Returns:
        The same street for the same arguments. It has objects from 60 m behind the drive to 115 m
        past its end.
    """
    rng = np.random.default_rng(seed)
    span = (-_BEHIND, drive + _AHEAD)
    length = rng.uniform(140, 260)
    bend = (rng.uniform(0.2, 1.0) * 0.1 * length / (2 * np.pi), length, rng.uniform(0, 2 * np.pi))
    sides = _draw_lots(rng, span), _draw_lots(rng, span)
    azimuth, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 1.0)
    sun = np.array((np.cos(azimuth), np.sin(azimuth), np.tan(height))) * np.cos(height)
    road_half, sidewalk = rng.uniform(3.3, 4.2), rng.uniform(2.2, 3.2)
    lot_starts, lots, forecourts = zip(*sides)
    ground = Ground(bend, road_half, sidewalk, lot_starts, lots, forecourts, span)
    builder = _Builder(ground, rng, drive)
    builder.traffic()
    builder.closing()
    names = {number: name for name, number in RAW_IDS.items()}
    for side, (starts, rows, courts) in enumerate(sides):
        for start, end, (strip, _, kind), court in zip(starts[:-1], starts[1:], rows, courts):
            if _LOT_KINDS[kind] == 'mouth':
                continue
            builder.strip(side, start, end, names[int(strip)])
            builder.sidewalk(side, start, end)
            getattr(builder, _LOT_KINDS[kind])(side, start, end, court)
    return Street(**vars(ground), solids=builder.solids.build(), sun=sun)
