"""A rendered lidar: range, noise, lost returns, and reflectance by material."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmssc.errors import DataError
from mmssc.synthetic.panorama import SIGHT
from mmssc.synthetic.solids import Solids, surface_normals

from .objects import BARK, FACADE, GLASS, LEAVES, PLANKS, RAW_IDS, SIGN

__all__ = ['LidarModel', 'reflectance_of', 'returned']

# Share of the light that a surface reflects, by the pattern of a solid; plain: by its colour.
_MATERIALS = {
    FACADE: 0.40, PLANKS: 0.35, LEAVES: 0.45, BARK: 0.30, GLASS: 0.04, SIGN: 0.95,
}  # fmt: skip
_DARKEST, _BY_COLOUR = 0.05, 0.75
_GROUND = {
    'road': 0.20, 'parking': 0.22, 'sidewalk': 0.32, 'other-ground': 0.28, 'terrain': 0.42,
}  # fmt: skip
# Standard deviation of the reflectance within a material, as a share of it.
_ROUGHNESS = 0.15
# Grazing light: a rough surface still returns this share.
_GRAZING = 0.1
# A lidar sees its full range on a surface of this reflectance, seen head-on.
_FULL_RANGE_AT = 0.1


@dataclass(frozen=True)
class LidarModel:
    """How a lidar measures the street.

    Args:
        elevations: Angle of the first and of the last row of beams, degrees.
        ranges: Nearest and farthest measurement, metres, up to 80. The farthest holds for a surface
            that reflects 10 % and is hit head-on: less light returns from dark, oblique and far
            surfaces, and below this limit there is no measurement.
        dropout: Share of measurements that get lost without a reason.
        noise: Standard deviation of the range, metres.
    """

    elevations: tuple[float, float] = (2.0, -24.8)
    ranges: tuple[float, float] = (2.0, 80.0)
    dropout: float = 0.02
    noise: float = 0.015

    def __post_init__(self) -> None:
        up, down = self.elevations
        near, far = self.ranges
        for name, valid, expected, found in (
            ('elevations', 90 >= up > down >= -90, 'two falling angles', self.elevations),
            ('ranges', 0 <= near < far <= SIGHT, f'two rising lengths up to {SIGHT:g} m',
             self.ranges),
            ('dropout', 0 <= self.dropout < 1, 'a share of 0 to 1', self.dropout),
            ('noise', 0 <= self.noise < np.inf, 'metres, 0 or more', self.noise),
        ):  # fmt: skip
            if not valid:
                raise DataError('synthetic drive', f'lidar {name}', expected, found)


def reflectance_of(solids: Solids, index: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Reflectance 0..1 of the surface at N points, by its material.

    Args:
        solids: All solids.
        index: (N,) solid of each point, -1 = ground.
        labels: (N,) raw id of each point.
    """
    table = np.full(max(RAW_IDS.values()) + 1, 0.3)
    for name, value in _GROUND.items():
        table[RAW_IDS[name]] = value
    found = table[labels]
    on_solid = index >= 0
    hit = solids.take(index[on_solid])
    material = _DARKEST + _BY_COLOUR * hit.color.mean(1)
    for style, value in _MATERIALS.items():
        material = np.where(hit.style == style, value, material)
    found[on_solid] = material
    return found


def returned(
    model: LidarModel,
    solids: Solids,
    points: np.ndarray,
    sensor: np.ndarray,
    index: np.ndarray,
    labels: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the lidar measures at the first surfaces of its beams.

    Args:
        model: The lidar.
        solids: All solids.
        points: (N, 3) world points, metres.
        sensor: (3,) place of the lidar in the world.
        index: (N,) solid of each point, -1 = ground.
        labels: (N,) raw id of each point.
        rng: Source of noise and losses.

    Returns:
        World points (M, 3) with noise along the beam, reflectance (M,) 0..1, and ``kept`` (N,)
        bool, the M points that are measured.
    """
    beam = points - sensor
    distance = np.linalg.norm(beam, axis=1)
    beam /= np.maximum(distance, 1e-9)[:, None]
    normals = np.tile((0.0, 0.0, 1.0), (len(points), 1))
    on_solid = index >= 0
    normals[on_solid] = surface_normals(solids.take(index[on_solid]), points[on_solid])
    facing = np.maximum(-(beam * normals).sum(1), _GRAZING)
    surface = reflectance_of(solids, index, labels)
    surface = np.clip(surface * rng.normal(1, _ROUGHNESS, len(points)), 0.01, 0.99)
    near, far = model.ranges
    light = surface * facing * (far / np.maximum(distance, 1e-9)) ** 2
    kept = (distance >= near) & (distance <= far) & (light >= _FULL_RANGE_AT)
    kept &= rng.random(len(points)) >= model.dropout
    shift = rng.normal(0, model.noise, len(points)) if model.noise else np.zeros(len(points))
    return (points + shift[:, None] * beam)[kept], surface[kept], kept
