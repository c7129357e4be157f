"""Comparison of a depth map with the lidar."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mmssc.geometry.lidar_depth import project_lidar

__all__ = ['DepthErrors', 'compare_depth', 'draw_depth_check', 'project_lidar']

_CLOSE, _FAR = 0.05, 0.10
# RGB of a lidar point, by the error of the depth map there.
_GOOD, _FAIR, _BAD, _NO_DEPTH = (0, 200, 0), (255, 200, 0), (230, 0, 0), (150, 150, 150)


@dataclass(frozen=True)
class DepthErrors:
    """Agreement at the lidar points.

    Args:
        num_points: Lidar points in the image.
        valid: Share of them where the map has a depth.
        median_relative: Median of |depth / lidar - 1| over the valid points.
        median_signed: Median of depth / lidar - 1; far from 0 if the baseline is wrong.
        within_10_percent: Share of the valid points with a relative error below 0.1.
    """

    num_points: int
    valid: float
    median_relative: float
    median_signed: float
    within_10_percent: float


def _relative_errors(depth: np.ndarray, pixels: np.ndarray, lidar_depth: np.ndarray) -> np.ndarray:
    """Signed relative error per lidar point, NaN where the map has no depth."""
    estimate = depth[pixels[:, 1], pixels[:, 0]].astype(np.float64)
    return np.where(estimate > 0, estimate / lidar_depth - 1, np.nan)


def compare_depth(depth: np.ndarray, pixels: np.ndarray, lidar_depth: np.ndarray) -> DepthErrors:
    """Compare a depth map with projected lidar points.

    Args:
        depth: (H, W) metres, 0 = none.
        pixels: (N, 2) (u, v) of the lidar points.
        lidar_depth: (N,) metres.

    Returns:
        The figures; NaN if there is nothing to compare.
    """
    errors = _relative_errors(depth, pixels, lidar_depth)
    valid = errors[~np.isnan(errors)]
    if len(valid) == 0:
        share = 0.0 if len(errors) else np.nan
        return DepthErrors(len(errors), share, np.nan, np.nan, np.nan)
    return DepthErrors(
        len(errors),
        len(valid) / len(errors),
        float(np.median(np.abs(valid))),
        float(np.median(valid)),
        float((np.abs(valid) < _FAR).mean()),
    )


def _colour_depth(depth: np.ndarray, max_depth: float) -> np.ndarray:
    # Colour by inverse depth, so that near parts have distinct colours.
    near = (
        np.clip(2.0 / np.maximum(depth, 2.0), 0, 1) ** 0.5 * (depth > 0) * (depth < 4 * max_depth)
    )
    colours = cv2.applyColorMap((near * 255).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]
    return np.where(depth[..., None] > 0, colours, np.uint8(0))


def draw_depth_check(
    image: np.ndarray,
    depth: np.ndarray,
    pixels: np.ndarray,
    lidar_depth: np.ndarray,
    max_depth: float,
) -> np.ndarray:
    """Draw a picture to judge a depth map.

    Args:
        image: (H, W, 3) uint8 RGB.
        depth: (H, W) metres, 0 = none.
        pixels: (N, 2) (u, v) of the lidar points, far points first.
        lidar_depth: (N,) metres.
        max_depth: Range of the colours, metres.

    Returns:
        (2H, W, 3) uint8 RGB. Above: the image with the lidar points: green if the depth map is
        within 5 %, yellow within 10 %, red beyond, grey if it has no depth. Below: the depth map,
        near red, far blue, black = none.
    """
    errors = np.abs(_relative_errors(depth, pixels, lidar_depth))
    colours = np.full((len(errors), 3), _BAD, np.uint8)
    colours[errors < _FAR] = _FAIR
    colours[errors < _CLOSE] = _GOOD
    colours[np.isnan(errors)] = _NO_DEPTH
    overlay = image.copy()
    # Points are two pixels wide; the pixel of the point is drawn last.
    for du in (1, 0):
        for dv in (1, 0):
            u = np.minimum(pixels[:, 0] + du, image.shape[1] - 1)
            v = np.minimum(pixels[:, 1] + dv, image.shape[0] - 1)
            overlay[v, u] = colours
    return np.concatenate((overlay, _colour_depth(depth, max_depth)))
