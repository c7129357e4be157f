"""Objects in a synthetic room, built from boxes, cylinders and ellipsoids.

Every builder takes a pose and a size. The position is the middle of the footprint on the floor; a
third coordinate is the height of another support. x runs along the width, +y is the front, and the
size is (width, depth, height) in metres.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mmssc.formats.sscnet import RAW_NAMES
from mmssc.synthetic.solids import BOX, CYLINDER, ELLIPSOID, PLAIN, Point, SolidList

__all__ = [
    'RAW_IDS', 'BOOKS', 'CARPET', 'DOORS', 'FABRIC', 'LEAVES', 'PANELS', 'PARQUET', 'PICTURE',
    'SCREEN', 'SHINY', 'TILES', 'WALLPAPER', 'WINDOW', 'WOOD', 'BUILDERS',
]  # fmt: skip

Builder = Callable[[SolidList, np.random.Generator, Point, float, Point], None]
# Raw ids of the NYU volumes, 0 to 36 (255 is outside of the annotated room).
RAW_IDS = {name: number for number, name in enumerate(RAW_NAMES)}

# Surface patterns; mmssc.synthetic.rooms.appearance draws them.
(
    WOOD, FABRIC, DOORS, BOOKS, SCREEN, WINDOW, PICTURE, LEAVES, CARPET, TILES, PARQUET, PANELS,
    WALLPAPER, SHINY,
) = range(PLAIN + 1, PLAIN + 15)  # fmt: skip

_WOODS = np.array([(.48, .30, .16), (.62, .42, .24), (.36, .22, .13), (.70, .54, .34)])  # fmt: skip
_SEATS = np.array([(.12, .16, .36), (.35, .10, .10), (.14, .14, .15), (.18, .32, .20)])  # fmt: skip
_SOFAS = np.array([(.58, .46, .30), (.42, .25, .14), (.50, .48, .45), (.62, .22, .12)])  # fmt: skip
_LINEN = np.array([(.90, .88, .86), (.55, .68, .84), (.86, .66, .70), (.66, .58, .82)])  # fmt: skip
_FRONTS = np.array([(.84, .80, .72), (.50, .33, .18), (.72, .58, .40),
                    (.60, .40, .24)])  # fmt: skip
_BRIGHT = np.array([(.80, .18, .12), (.92, .74, .12), (.16, .45, .70), (.22, .55, .25),
                    (.88, .45, .12), (.70, .68, .62)])  # fmt: skip
_PAINTS = np.array([(.80, .76, .66), (.78, .70, .58), (.66, .72, .74)])  # fmt: skip
_WHITE, _BLACK, _STEEL = (0.92, 0.92, 0.90), (0.05, 0.05, 0.06), (0.62, 0.63, 0.65)


def _pick(rng: np.random.Generator, palette: np.ndarray, spread: float = 0.04) -> np.ndarray:
    return palette[rng.integers(len(palette))] * rng.uniform(0.85, 1.12) + rng.uniform(
        -spread, spread, 3
    )


def _legs(solids: SolidList, size: Point, top: float, color: Point, width: float = 0.05) -> None:
    for x in (-1, 1):
        for y in (-1, 1):
            at = (x * (size[0] - width) / 2, y * (size[1] - width) / 2, top / 2)
            solids.add(BOX, at, (width, width, top), color, WOOD)


def add_bed(
    solids: SolidList, rng: np.random.Generator, position: Point, yaw: float, size: Point
) -> None:
    """Frame, mattress, blanket, headboard at the wall, and pillows (another class)."""
    width, depth, height = size
    wood, linen, blanket = _pick(rng, _WOODS), _pick(rng, _LINEN[:1], 0.02), _pick(rng, _LINEN)
    solids.place(position, yaw, 'bed')
    low = 0.55 * height
    solids.add(BOX, (0, 0, low / 2), (width, depth, low), wood, WOOD)
    solids.add(BOX, (0, 0, 0.77 * height), (width - 0.04, depth - 0.04, 0.46 * height), linen,
               FABRIC)  # fmt: skip
    cover = depth * rng.uniform(0.55, 0.72)
    solids.add(BOX, (0, (depth - cover) / 2, 0.74 * height + 0.01),
               (width + 0.02, cover, 0.56 * height), blanket, FABRIC)  # fmt: skip
    board = rng.uniform(0.8, 1.15)
    solids.add(BOX, (0, -depth / 2 + 0.03, board / 2), (width + 0.06, 0.06, board), wood, WOOD)
    solids.relabel('pillow')
    for x in np.linspace(-width / 4, width / 4, 2) if width > 1.2 else (0.0,):
        at = (x, -depth / 2 + 0.32, height + 0.05)
        solids.add(ELLIPSOID, at, (0.62, 0.40, 0.2), _pick(rng, _LINEN), FABRIC)


def add_sofa(
    solids: SolidList, rng: np.random.Generator, position: Point, yaw: float, size: Point
) -> None:
    """Seat, back, arms, and sometimes a cushion (another class)."""
    width, depth, height = size
    color, seat = _pick(rng, _SOFAS), 0.5 * height
    solids.place(position, yaw, 'sofa')
    solids.add(BOX, (0, 0, seat / 2), (width - 0.02, depth, seat), color * 0.92, FABRIC)
    solids.add(BOX, (0, -depth / 2 + 0.12, height / 2), (width, 0.24, height), color, FABRIC)
    for x in (-1, 1):
        arm = (x * (width / 2 - 0.1), 0, 0.36 * height)
        solids.add(BOX, arm, (0.2, depth, 0.72 * height), color, FABRIC)
    count = max(int((width - 0.4) / 0.6), 1)
    for x in (np.arange(count) + 0.5) / count - 0.5:
        across = (width - 0.4) / count
        solids.add(BOX, (x * (width - 0.4), 0.1, seat + 0.05), (across - 0.02, depth - 0.26, 0.12),
                   color * 1.08, FABRIC)  # fmt: skip
    if rng.random() < 0.5:
        solids.relabel('pillow')
        at = (rng.uniform(-0.3, 0.3) * width, -depth / 2 + 0.32, seat + 0.28)
        solids.add(ELLIPSOID, at, (0.44, 0.2, 0.42), _pick(rng, _BRIGHT), FABRIC)


def add_chair(
    solids: SolidList, rng: np.random.Generator, position: Point, yaw: float, size: Point
) -> None:
    """A chair with four legs, or an office chair on a star base with arms."""
    width, depth, height = size
    color, wood, seat = _pick(rng, _SEATS), _pick(rng, _WOODS), 0.45
    solids.place(position, yaw, 'chair')
    solids.add(BOX, (0, 0, seat), (width, depth, 0.08), color, FABRIC)
    back = (width, 0.07, height - seat - 0.06)
    solids.add(BOX, (0, -depth / 2 + 0.035, (height + seat + 0.06) / 2), back, color, FABRIC)
    if rng.random() < 0.5:
        solids.add(CYLINDER, (0, 0, 0.23), (0.07, 0.07, 0.40), _BLACK)
        for angle in (0.0, np.pi / 2):
            star = (0.6, 0.06) if angle == 0 else (0.06, 0.6)
            solids.add(BOX, (0, 0, 0.05), (*star, 0.06), _BLACK)
        for x in (-1, 1):
            solids.add(BOX, (x * width / 2, 0, seat + 0.22), (0.05, 0.3, 0.05), _BLACK)
    else:
        _legs(solids, size, seat - 0.03, wood, 0.045)


def add_table(
    solids: SolidList, rng: np.random.Generator, position: Point, yaw: float, size: Point
) -> None:
    """A table on four legs, any height."""
    solids.place(position, yaw, 'table')
    wood, top = _pick(rng, _WOODS), size[2] - 0.04
    solids.add(BOX, (0, 0, top + 0.02), (size[0], size[1], 0.04), wood * 1.1, WOOD)
    _legs(solids, (size[0] - 0.06, size[1] - 0.06), top, wood, 0.06)


def add_desk(
    solids: SolidList, rng: np.random.Generator, position: Point, yaw: float, size: Point
) -> None:
    """A desk with side panels and a drawer unit."""
    solids.place(position, yaw, 'desk')
    wood, (width, depth, height) = _pick(rng, _WOODS), size
    solids.add(BOX, (0, 0, height - 0.02), (width, depth, 0.04), wood * 1.1, WOOD)
    for x in (-1, 1):
        panel = (x * (width / 2 - 0.02), 0, (height - 0.04) / 2)
        solids.add(BOX, panel, (0.04, depth, height - 0.04), wood, WOOD)
    side = rng.choice((-1, 1)) * (width / 2 - 0.25)
    solids.add(BOX, (side, 0, height / 2), (0.42, depth - 0.04, height - 0.08), wood, DOORS)


def add_side_table(
    solids: SolidList, rng: np.random.Generator, position: Point, yaw: float, size: Point
) -> None:
    """A round table on one leg."""
    solids.place(position, yaw, 'side_table')
    wood, (width, depth, height) = _pick(rng, _WOODS), size
    solids.add(CYLINDER, (0, 0, height - 0.02), (width, depth, 0.04), wood * 1.1, WOOD)
    solids.add(CYLINDER, (0, 0, height / 2), (0.08, 0.08, height - 0.04), wood, WOOD)
    solids.add(CYLINDER, (0, 0, 0.02), (0.6 * width, 0.6 * depth, 0.04), wood, WOOD)


def add_bookshelf(
    solids: SolidList, rng: np.random.Generator, position: Point, yaw: float, size: Point
) -> None:
    """Boards with rows of books between them, all of one class as in the real volumes."""
    width, depth, height = size
    wood = _pick(rng, _WOODS)
    solids.place(position, yaw, 'bookshelf')
    solids.add(BOX, (0, -depth / 2 + 0.02, height / 2), (width, 0.04, height), wood * 0.7, WOOD)
    for x in (-1, 1):
        side = (x * (width / 2 - 0.02), 0, height / 2)
        solids.add(BOX, side, (0.04, depth, height), wood, WOOD)
    rows = max(int(height / 0.36), 2)
    gap = (height - 0.04) / rows
    for row in range(rows + 1):
        solids.add(BOX, (0, 0, row * gap + 0.02), (width, depth, 0.04), wood, WOOD)
    for row in range(rows):
        if rng.random() < 0.85:
            length = (width - 0.1) * rng.uniform(0.5, 1.0)
            tall = (gap - 0.04) * rng.uniform(0.65, 0.9)
            middle = rng.uniform(-0.5, 0.5) * (width - 0.1 - length)
            at = (middle, -0.02, row * gap + 0.04 + tall / 2)
            solids.add(BOX, at, (length, depth - 0.1, tall), _pick(rng, _BRIGHT), BOOKS)


def add_kitchen(
    solids: SolidList, rng: np.random.Generator, position: Point, yaw: float, size: Point
) -> None:
    """Base cabinets with a worktop and wall cabinets, a stove, a sink and a microwave."""
    width, depth, height = size
    front = _pick(rng, _FRONTS)
    solids.place(position, yaw, 'kitchen_cabinet')
    solids.add(BOX, (0, 0, 0.43), (width, depth, 0.86), front, DOORS)
    solids.add(BOX, (0, 0.01, 0.88), (width + 0.02, depth + 0.02, 0.04), front * 0.55)
    upper = height - 1.45
    at = (0, -depth / 2 + 0.18, 1.45 + upper / 2)
    solids.add(BOX, at, (width, 0.36, upper), front, DOORS)
    places = rng.permutation(max(int(width / 0.65), 1)) * 0.65 - width / 2 + 0.35
    solids.relabel('kitchen_appliance')
    solids.add(BOX, (places[0], 0.02, 0.45), (0.6, depth + 0.02, 0.9), _STEEL, SCREEN)
    if len(places) > 1:
        solids.relabel('kitchen_appliance')
        solids.add(BOX, (places[1], -0.05, 1.05), (0.48, 0.36, 0.28), _BLACK, SCREEN)
    if len(places) > 2:
        solids.relabel('sink')
        solids.add(BOX, (places[2], 0.03, 0.905), (0.5, 0.38, 0.03), _STEEL, SHINY)
        solids.add(CYLINDER, (places[2], -0.2, 1.02), (0.04, 0.04, 0.24), _STEEL, SHINY)


def add_fridge(
    solids: SolidList, rng: np.random.Generator, position: Point, yaw: float, size: Point
) -> None:
    """A refrigerator."""
    solids.place(position, yaw, 'kitchen_appliance')
    solids.add(BOX, (0, 0, size[2] / 2), size, _WHITE if rng.random() < 0.6 else _STEEL, DOORS)


def add_tv(
    solids: SolidList, rng: np.random.Generator, position: Point, yaw: float, size: Point
) -> None:
    """A flat screen on a foot: a television or a computer monitor."""
    width, depth, height = size
    solids.place(position, yaw, 'tvs' if width > 0.65 else 'computer')
    solids.add(BOX, (0, 0, 0.02), (0.4 * width, depth, 0.04), _BLACK)
    solids.add(BOX, (0, -0.02, 0.1), (0.1, 0.06, 0.16), _BLACK)
    solids.add(BOX, (0, 0, (height + 0.1) / 2), (width, 0.07, height - 0.1), _BLACK, SCREEN)


def add_lamp(
    solids: SolidList, rng: np.random.Generator, position: Point, yaw: float, size: Point
) -> None:
    """Foot, pole and shade, for the floor or a table."""
    width, _, height = size
    solids.place(position, yaw, 'lamp')
    shade = min(0.35 * height, 0.35)
    solids.add(CYLINDER, (0, 0, 0.02), (0.6 * width, 0.6 * width, 0.04), _STEEL)
    solids.add(CYLINDER, (0, 0, height / 2), (0.04, 0.04, height - 0.05), _STEEL)
    solids.add(CYLINDER, (0, 0, height - shade / 2), (width, width, shade), (0.97, 0.9, 0.66))


def add_plant(
    solids: SolidList, rng: np.random.Generator, position: Point, yaw: float, size: Point
) -> None:
    """A pot and leaves."""
    width, _, height = size
    solids.place(position, yaw, 'plants')
    pot = 0.3 * height
    solids.add(CYLINDER, (0, 0, pot / 2), (0.6 * width, 0.6 * width, pot), (0.6, 0.32, 0.2))
    green = np.array((0.16, 0.38, 0.10)) * rng.uniform(0.8, 1.3)
    for _ in range(5):
        away = rng.uniform(-0.28, 0.28, 3) * (width, width, 0.4 * height)
        clump = np.array((0.55 * width, 0.55 * width, 0.36 * height)) * rng.uniform(0.7, 1.0)
        at = np.array((0, 0, 0.66 * height)) + away
        solids.add(ELLIPSOID, at, clump, green * rng.uniform(0.8, 1.2), LEAVES)


def add_trash_can(
    solids: SolidList, rng: np.random.Generator, position: Point, yaw: float, size: Point
) -> None:
    """A round bin."""
    solids.place(position, yaw, 'trash_can')
    color = _BLACK if rng.random() < 0.4 else _pick(rng, _BRIGHT)
    solids.add(CYLINDER, (0, 0, size[2] / 2), size, color)


def add_clutter(
    solids: SolidList, rng: np.random.Generator, position: Point, yaw: float, size: Point
) -> None:
    """A small object: a box, a vase, a ball or a stack of paper."""
    solids.place(position, yaw, 'dont_care')
    kind = (BOX, CYLINDER, ELLIPSOID)[rng.choice(3, p=(0.6, 0.25, 0.15))]
    solids.add(kind, (0, 0, size[2] / 2), size, _pick(rng, _BRIGHT, 0.08))


def add_bathtub(
    solids: SolidList, rng: np.random.Generator, position: Point, yaw: float, size: Point
) -> None:
    """A tub: four sides and a bottom."""
    width, depth, height = size
    solids.place(position, yaw, 'bathtub')
    solids.add(BOX, (0, 0, 0.1), (width, depth, 0.2), _WHITE, SHINY)
    for side in (-1, 1):
        along, across = (side * (width / 2 - 0.05), 0), (0, side * (depth / 2 - 0.05))
        solids.add(BOX, (*along, height / 2), (0.1, depth, height), _WHITE, SHINY)
        solids.add(BOX, (*across, height / 2), (width, 0.1, height), _WHITE, SHINY)


def add_toilet(
    solids: SolidList, rng: np.random.Generator, position: Point, yaw: float, size: Point
) -> None:
    """Bowl and tank."""
    width, depth, height = size
    solids.place(position, yaw, 'toilet')
    solids.add(CYLINDER, (0, 0.08, 0.2), (width * 0.9, depth * 0.7, 0.4), _WHITE, SHINY)
    tank = (width, 0.2, height - 0.35)
    solids.add(BOX, (0, -depth / 2 + 0.1, 0.35 + tank[2] / 2), tank, _WHITE, SHINY)


def add_wash_stand(
    solids: SolidList, rng: np.random.Generator, position: Point, yaw: float, size: Point
) -> None:
    """A cabinet with a sink on it and a mirror above."""
    width, depth, height = size
    solids.place(position, yaw, 'closets_wardrobes_cabinets')
    solids.add(BOX, (0, 0, height / 2), (width, depth, height), _pick(rng, _FRONTS), DOORS)
    solids.relabel('sink')
    solids.add(BOX, (0, 0, height + 0.03), (width + 0.04, depth + 0.04, 0.06), _WHITE, SHINY)
    solids.relabel('mirror')
    at = (0, -depth / 2 + 0.02, 1.55)
    solids.add(BOX, at, (width * 0.9, 0.04, 0.8), (0.72, 0.78, 0.8), SCREEN)


def add_window(
    solids: SolidList, rng: np.random.Generator, position: Point, yaw: float, size: Point
) -> None:
    """A window in a wall, sometimes with curtains; the position is the middle of its lower edge."""
    width, depth, height = size
    solids.place(position, yaw, 'window')
    solids.add(BOX, (0, 0, height / 2), size, (0.80, 0.88, 0.95), WINDOW)
    if rng.random() < 0.5:
        color = _pick(rng, _BRIGHT) * 0.6 + 0.3
        for x in (-1, 1):
            solids.relabel('dont_care')
            at = (x * width / 2, depth / 2 + 0.04, height / 2 - 0.05)
            solids.add(BOX, at, (0.3, 0.08, height + 0.3), color, FABRIC)


def one_box(name: str, palette: np.ndarray, surface: int) -> Builder:
    """Builder of an object that is a single box, with a colour from a palette."""

    def add(
        solids: SolidList, rng: np.random.Generator, position: Point, yaw: float, size: Point
    ) -> None:
        solids.place(position, yaw, name)
        solids.add(BOX, (0, 0, size[2] / 2), size, _pick(rng, palette), surface)

    return add


BUILDERS: dict[str, Builder] = {
    'bathtub': add_bathtub, 'bed': add_bed, 'bookshelf': add_bookshelf, 'chair': add_chair,
    'clutter': add_clutter, 'desk': add_desk, 'fridge': add_fridge, 'kitchen': add_kitchen,
    'lamp': add_lamp, 'plant': add_plant, 'side_table': add_side_table, 'sofa': add_sofa,
    'table': add_table, 'toilet': add_toilet, 'trash_can': add_trash_can, 'tv': add_tv,
    'wash_stand': add_wash_stand, 'window': add_window,
    # Wardrobes, dressers and sideboards; a small chest with drawers; a closed door in a wall.
    'closet': one_box('closets_wardrobes_cabinets', _FRONTS, DOORS),
    'night_stand': one_box('night_stand', _FRONTS, DOORS),
    'door': one_box('door', _WOODS[1:], DOORS),
    # A free-standing piece of wall: it hides what is behind it.
    'partition': one_box('wall', _PAINTS, WALLPAPER),
    # On a wall; the position is the middle of its lower edge.
    'picture': one_box('dont_care', _BRIGHT, PICTURE),
}  # fmt: skip
