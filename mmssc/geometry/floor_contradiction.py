"""Compare a given camera pose with the floor that its depth image shows."""

from __future__ import annotations

import math

from torch import Tensor

from mmssc.errors import DataError

from .camera_pose import describe_camera
from .floor import find_floor

__all__ = ['floor_contradiction']

# A clear floor that differs by more than this from a given pose contradicts it (degrees, metres).
_CLEAR, _SAME_ANGLE, _SAME_HEIGHT = 0.8, 15, 0.4


def floor_contradiction(
    depth: Tensor, cam2img: Tensor, cam2world: Tensor, has_floor: bool
) -> str | None:
    """What the floor in a depth image says against a given pose, if the floor is clear.

    Args:
        depth: (H, W) float32 of the upright image, metres, 0 = none.
        cam2img: (3, 3) its intrinsics, pixels.
        cam2world: (4, 4) the given pose of the upright image, to a world with z up.
        has_floor: Whether the floor of the world is at z = 0.
    """
    try:
        floor = find_floor(depth, cam2img.float(), upright=True)
    except DataError:
        return None
    seen = floor.cam2world
    angle = math.degrees(math.acos(min(1.0, float(seen[2, :3] @ cam2world[2, :3].float()))))
    is_near = not has_floor or abs(float(seen[2, 3] - cam2world[2, 3])) < _SAME_HEIGHT
    if floor.confidence < _CLEAR or (angle < _SAME_ANGLE and is_near):
        return None
    return (
        'the floor in the image does not fit the given pose: it looks like a '
        f'{describe_camera(seen)}'
    )
