"""Lidar points in an image, and the sparse depth map that they make; NumPy only."""

from __future__ import annotations

import numpy as np

__all__ = ['project_lidar', 'scan_to_depth']


def project_lidar(
    points: np.ndarray,
    lidar2cam: np.ndarray,
    projection: np.ndarray,
    image_shape: tuple[int, int],
    max_depth: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Lidar points in the image.

    Args:
        points: (N, 3+) metres, lidar frame.
        lidar2cam: (4, 4) lidar to rectified camera frame.
        projection: (3, 4) pixels.
        image_shape: (height, width).
        max_depth: Points beyond this depth are left out, metres.

    Returns:
        Pixels (M, 2) int64 (u, v), nearest pixel, and depths (M,) float64, far points first.
    """
    camera = points[:, :3].astype(np.float64) @ lidar2cam[:3, :3].T + lidar2cam[:3, 3]
    camera = camera[camera[:, 2] > 0]
    homogeneous = camera @ projection[:, :3].T + projection[:, 3]
    pixels = np.rint(homogeneous[:, :2] / homogeneous[:, 2:]).astype(np.int64)
    height, width = image_shape
    inside = ((pixels >= 0) & (pixels < (width, height))).all(1) & (camera[:, 2] < max_depth)
    pixels, depth = pixels[inside], camera[inside, 2]
    far_first = np.argsort(-depth, kind='stable')
    return pixels[far_first], depth[far_first]


def scan_to_depth(
    points: np.ndarray,
    lidar2cam: np.ndarray,
    projection: np.ndarray,
    image_shape: tuple[int, int],
    max_depth: float = np.inf,
) -> np.ndarray:
    """Project a scan to a sparse depth map; the nearest point of a pixel wins.

    Args:
        points: (N, 3+) metres, lidar frame.
        lidar2cam: (4, 4) lidar to rectified camera frame.
        projection: (3, 4) pixels.
        image_shape: (height, width).
        max_depth: Points beyond this depth are left out, metres.

    Returns:
        (H, W) float32 metres along the optical axis, 0 = no point.
    """
    pixels, found = project_lidar(points, lidar2cam, projection, image_shape, max_depth)
    depth = np.zeros(image_shape, np.float32)
    # Far points come first, so the nearest is written last.
    depth[pixels[:, 1], pixels[:, 0]] = found
    return depth
