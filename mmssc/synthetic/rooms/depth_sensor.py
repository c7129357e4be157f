"""Simulation of a structured-light depth sensor (Kinect) on a perfect depth image."""

from __future__ import annotations

import numpy as np

from mmssc.formats.sscnet import NYU_CAMERAS
from mmssc.synthetic.textures import value_noise

__all__ = ['pixel_noise', 'sense_depth']

# Distance of the projector from the camera (metres, to the right) and steps per pixel of disparity.
_BASELINE, _STEPS = 0.075, 8
# Focal length at which the sensor measures disparities, for any image size.
_FOCAL = NYU_CAMERAS['nyu'][0]
_NEAREST, _FARTHEST = 0.5, 9.0
_BORDER = 0.012


def pixel_noise(shape: tuple[int, int], cell: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise (H, W) in -1..1, correlated over ``cell`` of the image's height."""
    rows, columns = np.indices(shape).reshape(2, -1)
    points = np.stack((rows, columns), 1) / shape[0] + rng.uniform(0, 100, 2)
    return value_noise(points, cell).reshape(shape)


def _shadow(depth: np.ndarray, focal: float) -> np.ndarray:
    """Pixels that the camera sees but the projector does not: left of nearer surfaces."""
    column = np.arange(depth.shape[1]) - focal * _BASELINE / depth
    first = np.minimum.accumulate(column[:, ::-1], axis=1)[:, ::-1]
    return column > first + 0.5


def sense_depth(
    depth: np.ndarray,
    focal: float,
    facing: np.ndarray,
    reflecting: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Add noise, steps and holes to a depth image.

    Disparity has steps of 1/8 pixel (3 cm at 3 m) and noise of about half a step. There is no
    depth in the shadow of the projector, on surfaces at a grazing angle, on patches of glass,
    screens and mirrors, nearer than 0.5 m, beyond 9 m, and along the border of the image.

    Args:
        depth: (H, W) float, metres along the optical axis, finite.
        focal: Focal length in pixels of this image.
        facing: (H, W) cosine between the ray and the surface normal, 1 = frontal.
        reflecting: (H, W) bool, surfaces that reflect the pattern away.
        rng: Generator of the noise.

    Returns:
        (H, W) float32, 0 = none.
    """
    shape = depth.shape
    rows, columns = np.indices(shape)
    # Make edges ragged: a pixel may get the depth of a neighbour.
    jitter = np.round(rng.normal(0, 0.45, (2, *shape))).astype(np.int64)
    sensed = depth[
        np.clip(rows + jitter[0], 0, shape[0] - 1), np.clip(columns + jitter[1], 0, shape[1] - 1)
    ]
    disparity = _STEPS * _BASELINE * _FOCAL / sensed
    disparity += rng.normal(0, 0.35, shape) + 0.45 * pixel_noise(shape, 0.015, rng)
    disparity = np.round(disparity)
    sensed = _STEPS * _BASELINE * _FOCAL / np.maximum(disparity, 1)
    holes = _shadow(depth, focal) | (sensed < _NEAREST) | (sensed > _FARTHEST)
    holes |= facing < rng.uniform(0.05, 0.2, shape)
    holes |= reflecting & (pixel_noise(shape, 0.06, rng) > -0.15)
    holes |= pixel_noise(shape, 0.02, rng) > 0.88
    border = _BORDER * shape[0] * (1 + pixel_noise(shape, 0.3, rng))
    edge = np.minimum(np.minimum(rows, shape[0] - 1 - rows),
                      np.minimum(columns, shape[1] - 1 - columns))  # fmt: skip
    return np.where(holes | (edge < border), 0, sensed).astype(np.float32)
