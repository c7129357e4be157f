"""A depth image turned upright, with its camera: the pose is given, or comes from the floor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from mmssc.errors import DataError
from mmssc.formats.depth_units import unit_hint
from mmssc.formats.matrices import camera_matrix
from mmssc.geometry import floor_contradiction, pose_above_floor, turn_camera
from mmssc.structures.camera_checks import as_intrinsics, as_pose, check_image_size
from mmssc.structures.camera_placement import check_room_camera
from mmssc.structures.numbers_given import finite_numbers

from .base_inferencer import warn_about

__all__ = ['UprightView', 'as_arguments', 'turn_image', 'upright_view']

_FLOOR_REMEDY = (
    'Say how the image must be turned to be upright (--rotate 90, 180 or 270; --rotate 0 if it '
    'is), or give --height and --tilt, or the pose with --cam2world'
)
_UPRIGHT_REMEDY = 'Check --rotate; or give --height and --tilt, or the pose with --cam2world'


class UprightView(NamedTuple):
    """A depth image that is upright, and its camera.

    Args:
        depth: (H, W) float32 metres, 0 = none.
        cam2img: (3, 3) float64 intrinsics, pixels.
        cam2world: (4, 4) float32, camera (x right, y down, z forward) to a world with z up.
        floor_confidence: See :func:`~mmssc.geometry.find_floor`; None: the floor was not searched.
        is_contradicted: A clear floor in the image does not fit the given pose.
    """

    depth: np.ndarray
    cam2img: np.ndarray
    cam2world: torch.Tensor
    floor_confidence: float | None
    is_contradicted: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.depth.shape[0], self.depth.shape[1]

    @property
    def world2cam(self) -> np.ndarray:
        """(4, 4) float64, the world to the camera."""
        return np.linalg.inv(self.cam2world.double().numpy())


def as_arguments(text: str) -> str:
    """Text with options of a command as arguments: ``--depth-kind nyu`` is ``depth_kind='nyu'``."""

    def argument(option: re.Match[str]) -> str:
        name, value = option[1].replace('-', '_'), option[2]
        name = 'img' if name == 'image' else name
        if value is None:
            return f'{name}=True' if name == 'cropped_images' else name
        return f'{name}={value}' if value[0].isdigit() else f'{name}={value!r}'

    return re.sub(r'--([a-z][a-z0-9-]*)(?: (\d+|nyu))?', argument, text)


def turn_image(image: np.ndarray, degrees: int) -> np.ndarray:
    """Turn an image (H, W, ...) clockwise by a multiple of 90 degrees."""
    return np.ascontiguousarray(np.rot90(image, -degrees // 90))


def upright_view(
    name: str,
    depth: np.ndarray,
    cam2img: Any,
    cam2world: Any,
    angles: tuple[float | None, float, float],
    rotate: int | None,
    has_floor: bool,
    units: Mapping[str, float],
    cropped_images: bool,
) -> UprightView:
    """Check the camera of a depth image, turn both upright, and find the pose.

    Args:
        name: The depth image, for messages.
        depth: (H, W) float32 metres of the image as given, 0 = none.
        cam2img: (3, 3) in pixels, or ``fx, fy, cx, cy``, of the image as given.
        cam2world: (4, 4) of the image as given; None: from the angles.
        angles: Height above the floor (None: search the floor), tilt and roll of the upright image.
        rotate: Degrees by which the image must be turned clockwise to be upright; None: nobody
            said it, and a floor is refused that another turn shows as clearly.
        has_floor: Whether the floor of the world is at z = 0.
        units: Other readings of the depth, see :mod:`mmssc.formats.depth_units`.
        cropped_images: Whether the principal point can be anywhere.

    Raises:
        DataError: The camera cannot be right, there are two poses, an angle is out of range, or the
            floor is not found.
    """
    intrinsics = _intrinsics(name, cam2img)
    if not cropped_images:
        size = depth.shape[0], depth.shape[1]
        # The caller of the inferencer says this in its own words, see as_arguments.
        remarks = check_image_size(intrinsics, size, name, 'cam2img', 'give --cropped-images')
        warn_about(name, remarks)
    camera, turn = turn_camera(torch.from_numpy(intrinsics), depth.shape, rotate or 0)
    depth = turn_image(depth, rotate or 0)
    if cam2world is None:
        pose, confidence = _floor_pose(name, depth, camera, angles, units, rotate is not None)
    elif angles[0] is not None or angles[1] or angles[2]:
        raise DataError(name, 'pose', 'cam2world, or height, tilt and roll', 'both')
    else:
        pose, confidence = _given_pose(name, cam2world, turn, has_floor), None
    remark = None
    if confidence is None:
        remark = floor_contradiction(torch.from_numpy(depth), camera, pose, has_floor)
        warn_about(name, filter(None, [remark]))
    return UprightView(depth, camera.numpy(), pose, confidence, remark is not None)


def _intrinsics(name: str, cam2img: Any) -> np.ndarray:
    """Check intrinsics and return (3, 3) float64."""
    matrix = cam2img
    is_list = isinstance(cam2img, (list, tuple)) or getattr(cam2img, 'ndim', 0) > 0
    if is_list and len(cam2img) == 4 and np.ndim(cam2img[0]) == 0:
        matrix = camera_matrix(np.array(finite_numbers(cam2img, 4, name, 'cam2img')))
    return as_intrinsics(matrix, name, 'cam2img')


def _given_pose(name: str, cam2world: Any, turn: torch.Tensor, has_floor: bool) -> torch.Tensor:
    """Check the pose of the image as given, and turn it: (4, 4) float32 of the upright image."""
    given = as_pose(cam2world, name, 'cam2world')
    if np.shape(cam2world) != (4, 4):
        raise DataError(name, 'cam2world, shape', (4, 4), np.shape(cam2world))
    pose = torch.from_numpy(given) @ turn.T
    warn_about(name, check_room_camera(pose.numpy(), name, 'cam2world', has_floor))
    return pose.float()


def _floor_pose(
    name: str,
    depth: np.ndarray,
    camera: torch.Tensor,
    angles: tuple[float | None, float, float],
    units: Mapping[str, float],
    upright: bool,
) -> tuple[torch.Tensor, float | None]:
    """Pose (4, 4) float32 and confidence, see :func:`~mmssc.geometry.pose_above_floor`.

    ``upright``: the user said that the image is upright, or turned it.
    """
    try:
        return pose_above_floor(torch.from_numpy(depth), camera.float(), *angles, upright=upright)
    except DataError as error:
        if error.field != 'floor':
            raise
        hint = unit_hint(depth, units, _UPRIGHT_REMEDY if upright else _FLOOR_REMEDY)
        raise DataError(name, error.field, error.expected, error.found, hint) from error
