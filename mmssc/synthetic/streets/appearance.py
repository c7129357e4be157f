"""Colours of synthetic street scenes: the appearance of surfaces in a camera image."""

from __future__ import annotations

import numpy as np

from mmssc.synthetic.ray_casting import ParallelRays, PinholeRays, cast_rays
from mmssc.synthetic.solids import Solids, surface_normals
from mmssc.synthetic.textures import fading_noise, stripes, value_noise

from .layout import BAY_LENGTH, Street
from .objects import BARK, FACADE, GLASS, LEAVES, PLANKS, RAW_IDS, SIGN

__all__ = ['cast_shadow', 'paint_image']

_GROUND_COLORS = {
    'road': (0.27, 0.27, 0.29), 'parking': (0.40, 0.38, 0.39), 'sidewalk': (0.62, 0.57, 0.52),
    'terrain': (0.33, 0.42, 0.14), 'other-ground': (0.60, 0.50, 0.36),
}  # fmt: skip
_HORIZON, _ZENITH = np.array((0.84, 0.89, 0.94)), np.array((0.36, 0.56, 0.86))
_CLOUD = np.array((0.96, 0.96, 0.96))
_HAZE, _AMBIENT, _SUN = 260.0, 0.52, 0.62
_LIT_FROM_ABOVE = 0.12
# Pattern, strength, and size (m) of its fine and coarse grain.
_GRAIN = (
    (LEAVES, 0.8, 0.14, 0.45), (BARK, 0.35, 0.08, 0.3), (PLANKS, 0.2, 0.15, 0.6),
    (FACADE, 0.1, 0.2, 1.5),
)  # fmt: skip


def cast_shadow(
    street: Street, step: float = 0.25, margin: float = 45.0
) -> tuple[ParallelRays, np.ndarray]:
    """Shadow of the solids on the ground.

    Returns:
        The raster of ground points and a bool array over it, True in the shadow.
    """
    low, high = street.span
    shape = (int((high - low) / step), int(2 * margin / step))
    raster = ParallelRays(np.array((low, -margin)), shape, step, street.sun)
    return raster, np.isfinite(cast_rays(raster, street.solids, np.inf)[0])


def _paint_ground(
    street: Street, points: np.ndarray, label: np.ndarray, footprint: np.ndarray
) -> np.ndarray:
    s, d = street.to_street(points[:, 0], points[:, 1])
    away, (road, strip, _) = np.abs(d), street.edges
    color = np.zeros((len(points), 3))
    for name, base in _GROUND_COLORS.items():
        color[label == RAW_IDS[name]] = base
    flat = points[:, :2]
    rough = np.where(label == RAW_IDS['terrain'], 0.26, 0.07)
    grain = 0.5 * fading_noise(flat, 0.12, footprint) + 0.5 * fading_noise(flat, 0.45, footprint)
    color *= (1 + rough * grain + 0.8 * rough * value_noise(flat, 3.0))[:, None]
    dry = (label == RAW_IDS['terrain']) & (value_noise(flat, 5.0) > 0.35)
    color[dry] = color[dry] * (1.2, 0.95, 0.95)
    tiles = (label == RAW_IDS['sidewalk']) & (footprint < 0.25)
    color[tiles & (stripes(s, 0.75, 0.05) | stripes(d, 0.75, 0.05))] *= 0.78
    on_road = (label == RAW_IDS['road']) & (away < road)
    dashes = (away < 0.09) & stripes(s, 7.0, 3.0)
    paint = on_road & (dashes | (np.abs(away - road + 0.25) < 0.07))
    bays = (label == RAW_IDS['parking']) & (away < strip) & (
        stripes(s + 0.06, BAY_LENGTH, 0.14) | (away < road + 0.12))  # fmt: skip
    color[paint | bays] = (0.82, 0.82, 0.80)
    kerb = np.abs(away - np.where(label == RAW_IDS['parking'], strip, road)) < 0.13
    color[kerb & (label == RAW_IDS['sidewalk'])] = (0.72, 0.71, 0.69)
    return color


def _paint_facade(local: np.ndarray, size: np.ndarray, color: np.ndarray) -> np.ndarray:
    side = np.where(np.abs(local[:, 0]) / size[:, 0] > np.abs(local[:, 1]) / size[:, 1],
                    local[:, 1], local[:, 0])  # fmt: skip
    height = local[:, 2] + size[:, 2]
    across, up = np.mod(side, 2.4), np.mod(height, 2.9)
    window = (across > 0.7) & (across < 1.8) & (up > 0.9) & (up < 2.4)
    frame = (across > 0.58) & (across < 1.92) & (up > 0.78) & (up < 2.52) & ~window
    color[frame] = 0.5 * color[frame] + 0.42
    color[window] = (0.16, 0.20, 0.27)
    color[height < 0.6] *= 0.7
    return color


def _paint_solids(
    solids: Solids, points: np.ndarray, footprint: np.ndarray, far: np.ndarray
) -> np.ndarray:
    """Colours (N, 3) of world points on solids, one solid per point, before lighting."""
    color, local, style = solids.color.copy(), solids.to_local(points), solids.style
    for number, rough, fine, coarse in _GRAIN:
        at = style == number
        grain = fading_noise(points[at], fine, footprint[at])
        grain = 0.5 * grain + 0.7 * fading_noise(points[at], coarse, footprint[at])
        color[at] *= (1 + rough * grain)[:, None]
    at = style == FACADE
    color[at] = _paint_facade(local[at], solids.half_size[at], color[at])
    at = (style == PLANKS) & (footprint < 0.1) & stripes(local[:, 0], 0.22, 0.04)
    color[at] *= 0.55
    half = solids.half_size
    at = (style == GLASS) & ((np.abs(local) > 0.93 * half).sum(1) > 1)
    color[at] = (0.3, 0.3, 0.32)
    inner = (np.abs(local[:, 1:]) < 0.72 * half[:, 1:]).all(1)
    at = (style == SIGN) & inner & (far < 40)
    color[at] = 0.25 * color[at] + 0.7
    return np.clip(color, 0, 1)


def _paint_sky(direction: np.ndarray, sun: np.ndarray) -> np.ndarray:
    unit = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    up = np.clip(unit[:, 2:], 0, 1)
    color = _HORIZON + (_ZENITH - _HORIZON) * np.clip(up * 2.6, 0, 1) ** 0.7
    plane = unit[:, :2] / np.maximum(up, 0.06)
    cloud = value_noise(plane + sun[:2] * 31, 2.2) + 0.5 * value_noise(plane + sun[:2] * 77, 0.9)
    cover = np.clip(cloud * 0.9, 0, 0.85)[:, None]
    return color + (_CLOUD - color) * cover


def paint_image(
    street: Street,
    camera: PinholeRays,
    depth: np.ndarray,
    index: np.ndarray,
    shadow: tuple[ParallelRays, np.ndarray],
    rng: np.random.Generator,
) -> np.ndarray:
    """Light and colour a rendered view.

    Args:
        street: The scene.
        camera: Its rays.
        depth: (H, W) visible depth, infinite for the sky.
        index: (H, W) visible solid, -1 for ground and sky.
        shadow: Result of :func:`cast_shadow`.
        rng: Generator of the sensor noise.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    image = np.zeros((*depth.shape, 3))
    sky, solid = ~np.isfinite(depth), index >= 0
    ground = ~sky & ~solid
    image[sky] = _paint_sky(camera.direction[sky], street.sun)
    world = camera.points(np.where(sky, 0, depth))
    pixel = depth / camera.cam2img[0, 0]
    # A pixel on the ground is longer along the view than across; take the geometric mean.
    slant = np.sqrt(depth / np.maximum(camera.origin[2], 0.5))

    points = world[ground]
    label = street.ground_label(points[:, 0], points[:, 1])
    footprint = (pixel * np.maximum(slant, 1))[ground]
    lit = ~shadow[1][shadow[0].cells(points)]
    light = _AMBIENT + _SUN * street.sun[2] * lit
    image[ground] = _paint_ground(street, points, label, footprint) * (light * 1.05)[:, None]

    points, seen = world[solid], street.solids.take(index[solid])
    normal = surface_normals(seen, points)
    light = _AMBIENT + _SUN * np.maximum(normal @ street.sun, 0) + _LIT_FROM_ABOVE * normal[:, 2]
    light *= 0.82 + 0.18 * np.clip(points[:, 2] / 1.5, 0, 1)
    image[solid] = _paint_solids(seen, points, pixel[solid], depth[solid]) * light[:, None]

    fog = np.where(sky, 0, 1 - np.exp(-np.where(sky, 0, depth) / _HAZE))[..., None]
    image += (_HORIZON - image) * fog
    image += rng.normal(0, 0.006, image.shape)
    return (np.clip(image, 0, 1) ** 0.9 * 255 + 0.5).astype(np.uint8)
