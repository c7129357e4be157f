"""Colours of synthetic rooms: the appearance of surfaces in the light of one lamp."""

from __future__ import annotations

import numpy as np

from mmssc.synthetic.panorama import Panorama
from mmssc.synthetic.ray_casting import PanoramaRays, PinholeRays, cast_rays
from mmssc.synthetic.solids import Solids, surface_normals
from mmssc.synthetic.textures import fading_noise, stripes, value_noise

from .layout import Room
from .objects import (
    BOOKS,
    CARPET,
    DOORS,
    FABRIC,
    LEAVES,
    PANELS,
    PARQUET,
    PICTURE,
    SCREEN,
    SHINY,
    TILES,
    WALLPAPER,
    WINDOW,
    WOOD,
)

__all__ = ['look_from_lamp', 'paint_room']

_AMBIENT, _LAMP, _FALL_OFF = 0.42, 0.95, 3.0
# Pattern, strength, and size (m) of its grain along the solid's own axes.
_GRAIN = (
    (WOOD, 0.22, (0.5, 0.05, 0.05)), (FABRIC, 0.16, (0.04, 0.04, 0.04)),
    (LEAVES, 0.75, (0.07, 0.07, 0.07)), (CARPET, 0.20, (0.05, 0.05, 1.0)),
    (PARQUET, 0.22, (0.6, 0.06, 1.0)), (WALLPAPER, 0.05, (0.3, 0.3, 2.0)),
)  # fmt: skip
_RAYS = (240, 600)


def look_from_lamp(room: Room) -> Panorama:
    """Panorama of the lamp, which lights the points that it sees."""
    pose = np.eye(4)
    pose[:3, 3] = room.light
    # The lamp is at the ceiling: it needs no steep rays upwards. All columns meet straight down.
    rays = PanoramaRays(np.deg2rad(np.linspace(20, -89.5, _RAYS[0])), _RAYS[1], pose)
    return Panorama(rays, cast_rays(rays, room.solids, np.inf)[0])


def _rim(local: np.ndarray, half: np.ndarray, width: float) -> np.ndarray:
    """Whether points of the front are within ``width`` of its left, right, lower or upper edge."""
    return (np.abs(local[:, ::2]) > half[:, ::2] - width).any(1)


def _paint_fronts(local: np.ndarray, half: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Doors and drawers with gaps and handles, on the front of a cabinet."""
    front = local[:, 1] > half[:, 1] - 0.005
    across, up = local[:, 0] + half[:, 0], local[:, 2] + half[:, 2]
    doors = np.maximum(np.round(2 * half[:, 0] / 0.5), 1)
    width = 2 * half[:, 0] / doors
    beside = np.minimum(np.mod(across, width), width - np.mod(across, width))
    gap = front & ((beside < 0.008) | (stripes(up + 0.01, 0.45, 0.016) & (half[:, 2] < 0.6)))
    handle = front & (np.abs(beside - 0.06) < 0.012) & (np.mod(up, 0.45) > 0.16)
    color[gap] *= 0.45
    color[handle & ~gap] = (0.25, 0.24, 0.23)
    return color


def _paint_books(local: np.ndarray, color: np.ndarray) -> np.ndarray:
    spine = np.floor(local[:, :1] / 0.035)
    for channel in range(3):
        color[:, channel] *= 1 + 0.55 * value_noise(spine * 1.37 + 11.0 * channel, 1.0)
    return color


def _paint_panes(local: np.ndarray, half: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Sky behind a white frame with a bar in the middle."""
    height = (local[:, 2:] / half[:, 2:] + 1) / 2
    sky = np.array((0.86, 0.90, 0.94)) + height * np.array((-0.42, -0.24, 0.04))
    frame = _rim(local, half, 0.05) | (np.abs(local[:, 0]) < 0.025)
    return np.where(frame[:, None], (0.95, 0.95, 0.93), 0.85 * sky + 0.15 * color)


def _paint_picture(
    local: np.ndarray, half: np.ndarray, color: np.ndarray, world: np.ndarray
) -> np.ndarray:
    inner = np.empty_like(color)
    for channel in range(3):
        noise = value_noise(local[:, ::2] + world[:, 2:] * 0 + 7.3 * channel, 0.12)
        inner[:, channel] = np.clip(color[:, channel] * (1 + 0.8 * noise), 0, 1)
    return np.where(_rim(local, half, 0.03)[:, None], color * 0.35, inner)


def _paint_screen(local: np.ndarray, half: np.ndarray, color: np.ndarray) -> np.ndarray:
    shine = np.clip(0.5 + local[:, 2:] / half[:, 2:] / 2 + 0.2 * local[:, :1], 0, 1)
    glass = color * 0.8 + shine * np.array((0.03, 0.06, 0.12))
    return np.where(_rim(local, half, 0.03)[:, None], color + 0.08, glass)


def _paint_lines(style: np.ndarray, points: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    """Factor (N,) of joints between tiles, planks and panels."""
    x, y = points[:, 0], points[:, 1]
    tiles = (style == TILES) & (stripes(x, 0.33, 0.012) | stripes(y, 0.33, 0.012))
    board = np.floor(x / 0.12)
    planks = (style == PARQUET) & (stripes(x, 0.12, 0.006) | stripes(y + 0.37 * board, 1.1, 0.006))
    panels = (style == PANELS) & (stripes(x, 0.6, 0.01) | stripes(y, 0.6, 0.01))
    lines = np.where(tiles, 0.72, 1.0) * np.where(planks, 0.6, 1.0) * np.where(panels, 0.88, 1.0)
    # Blend a line that is thinner than a pixel.
    share = np.clip(0.012 / np.maximum(footprint, 1e-6), 0, 1)
    return 1 - (1 - lines) * share


def _paint_solids(solids: Solids, points: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    """Colours (N, 3) of world points, one solid per point, before lighting."""
    color, local = solids.color.copy(), solids.to_local(points)
    style, half = solids.style, solids.half_size
    for number, rough, size in _GRAIN:
        at = style == number
        grain = fading_noise(local[at] / size, 1.0, footprint[at] / min(size))
        color[at] *= (1 + rough * grain + 0.4 * rough * value_noise(local[at], 0.8))[:, None]
    color *= _paint_lines(style, points, footprint)[:, None]
    for number, paint in (
        (DOORS, _paint_fronts), (WINDOW, _paint_panes), (SCREEN, _paint_screen),
    ):  # fmt: skip
        at = style == number
        color[at] = paint(local[at], half[at], color[at])
    at = style == BOOKS
    color[at] = _paint_books(local[at], color[at])
    at = style == PICTURE
    color[at] = _paint_picture(local[at], half[at], color[at], points[at])
    return np.clip(color, 0, 1)


def paint_room(
    room: Room,
    camera: PinholeRays,
    depth: np.ndarray,
    index: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Light and colour a rendered view.

    Args:
        room: The scene; its walls close it on all sides.
        camera: Its rays.
        depth: (H, W) metres, finite.
        index: (H, W) visible solid.
        rng: Generator of the sensor noise.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    points = camera.points(depth).reshape(-1, 3)
    seen = room.solids.take(index.reshape(-1))
    footprint = depth.reshape(-1) / camera.cam2img[0, 0]
    color = _paint_solids(seen, points, footprint)
    normal = surface_normals(seen, points)
    towards = room.light - points
    distance = np.linalg.norm(towards, axis=1)
    facing = np.maximum((normal * towards).sum(1) / np.maximum(distance, 1e-6), 0)
    lit = look_from_lamp(room).sees(points + 0.01 * normal, 0.03)
    lamp = _LAMP * facing * lit / (1 + (distance / _FALL_OFF) ** 2)
    light = np.where(seen.style == WINDOW, 1.0, _AMBIENT + 0.1 * normal[:, 2] + lamp)
    gloss = np.where(seen.style == SHINY, 0.25 * lamp, 0.0)
    image = (color * light[:, None] + gloss[:, None]) * room.tint
    image += rng.normal(0, 0.008, image.shape)
    image = (np.clip(image, 0, 1) ** 0.85 * 255 + 0.5).astype(np.uint8)
    return image.reshape(*depth.shape, 3)
