"""The pose of a camera above a floor: height, tilt, roll, and images that are not upright."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mmssc.errors import DataError
from mmssc.structures.camera_causes import camera_angles

__all__ = ['camera_tilt', 'describe_camera', 'tilted_camera', 'turn_camera']


def tilted_camera(height: float, tilt: float = 0.0, roll: float = 0.0) -> Tensor:
    """Pose of a camera above the floor.

    Args:
        height: Metres above the floor.
        tilt: How far the optical axis points below the horizon, radians.
        roll: Clockwise turn about the optical axis as seen from behind the camera, radians.

    Returns:
        (4, 4) float32, camera (x right, y down, z forward) to a world with z up, the floor at
        z = 0, the camera at (0, 0, height) and the optical axis above +y.
    """
    cos_t, sin_t, cos_r, sin_r = (
        function(angle) for angle in (tilt, roll) for function in (math.cos, math.sin)
    )
    pose = torch.eye(4, dtype=torch.float64)
    level = [[1, 0, 0], [0, -sin_t, cos_t], [0, -cos_t, -sin_t]]
    turn = [[cos_r, -sin_r, 0], [sin_r, cos_r, 0], [0, 0, 1]]
    pose[:3, :3] = torch.tensor(level, dtype=torch.float64) @ torch.tensor(turn).double()
    pose[2, 3] = height
    return pose.to(torch.float32)


def camera_tilt(cam2world: Tensor) -> tuple[float, float, float]:
    """Height (metres), tilt and roll (radians) of a pose, as :func:`tilted_camera` takes them.

    A camera that looks steeply up or down has no roll: 0.

    Args:
        cam2world: (4, 4) rigid, camera to a world with z up and the floor at z = 0.
    """
    tilt, roll = camera_angles(cam2world.numpy())
    return float(cam2world[2, 3]), math.radians(tilt), math.radians(roll)


def describe_camera(cam2world: Tensor) -> str:
    """Height, tilt and roll of a pose in words, with the arguments of :func:`camera_tilt`."""
    height, *angles = camera_tilt(cam2world)
    # Adding 0 turns -0.0 into 0.0.
    tilt, roll = (round(math.degrees(angle), 1) + 0 for angle in angles)
    side = 'up' if tilt < 0 else 'down'
    return (
        f'camera {height:.2f} m above the floor, {abs(tilt):.1f} degrees {side}, '
        f'rolled by {roll:.1f} degrees'
    )


def turn_camera(
    cam2img: Tensor, image_size: tuple[int, int], degrees: int
) -> tuple[Tensor, Tensor]:
    """The camera of an image that is turned clockwise, as by ``torch.rot90(image, -degrees / 90)``.

    Args:
        cam2img: (3, 3) intrinsics of the image as stored, pixels.
        image_size: (height, width) as stored.
        degrees: 0, 90, 180 or 270.

    Returns:
        (3, 3) intrinsics of the turned image, and (4, 4) float64 from the camera frame as stored
        to that of the turned image.

    Raises:
        DataError: Another angle.
    """
    if degrees not in (0, 90, 180, 270):
        raise DataError('rotate', None, '0, 90, 180 or 270 degrees', degrees)
    height, width = image_size
    quarter = torch.eye(4, dtype=torch.float64)
    quarter[:2, :2] = torch.tensor([[0.0, -1], [1, 0]])
    turn = torch.eye(4, dtype=torch.float64)
    for _ in range(degrees // 90):
        fx, fy, cx, cy = cam2img[0, 0], cam2img[1, 1], cam2img[0, 2], cam2img[1, 2]
        cam2img = cam2img.clone()
        cam2img[0, 0], cam2img[1, 1], cam2img[0, 2], cam2img[1, 2] = fy, fx, height - 1 - cy, cx
        turn, height, width = quarter @ turn, width, height
    return cam2img, turn
