"""Checks of the numbers of camera matrices and poses from outside.

Readers, converters and inferencers call these functions, once per file or calibration. What cannot
be a camera raises a :class:`~mmssc.errors.DataError` that names the likely cause.
:mod:`.camera_placement` checks where the camera stands.
"""

from __future__ import annotations

import math
from itertools import permutations
from os import PathLike

import numpy as np
from numpy.typing import ArrayLike

from mmssc.errors import DataError, join_sentences

__all__ = ['as_intrinsics', 'as_pose', 'check_image_size']

# Pose files have 6 significant digits, so rotations are orthonormal to about 1e-5. With three
# digits after the point they are orthonormal to 2e-3, which moves a point at 25 m by 5 cm at most.
_RIGID_TOLERANCE = 2e-3
# Rotations with two digits are worse than that, but nothing else looks like them.
_FEW_DIGITS = 0.03
_ROUNDING = 1e-6
# Skew below this share of the focal length moves no pixel by more than about half a pixel.
_SKEW = 1e-3
# Focal lengths in pixels are larger; in image sides they are smaller.
_NORMALISED = 50
# The principal point of a whole image is near its centre (KITTI-360: 64 % of the height). That of
# an image of twice the size is at the border.
_CENTRAL, _INSIDE = (0.35, 0.65), (0.03, 0.97)
# Focal length in image sides: fields of view from 1 to 157 degrees.
_FOCAL_LENGTHS = (0.1, 50)
# fx / fy of an image that was not stretched.
_SQUARE = (0.8, 1.25)


def as_pose(matrix: ArrayLike, source: str | PathLike[str], field: str) -> np.ndarray:
    """Check rigid transforms.

    Args:
        matrix: (..., 4, 4), or (..., 3, 4) without the last row.
        source: The file or option, for the error.
        field: Name of the matrix, for the error.

    Returns:
        (..., 4, 4) float64 with the exact last row 0 0 0 1.

    Raises:
        DataError: The shape is wrong, a number is not finite, the last row is not 0 0 0 1, or the
            rotation part is not a rotation.
    """
    given = _finite_numbers(matrix, source, field)
    if given.shape[-2:] not in ((4, 4), (3, 4)):
        raise DataError(source, field, 'shape (4, 4) or (3, 4)', given.shape)
    poses = np.zeros((*given.shape[:-2], 4, 4))
    poses[..., 3, 3] = 1
    poses[..., : given.shape[-2], :] = given
    stack = poses.reshape(-1, 4, 4)
    wrong = np.flatnonzero(~_are_rigid(stack))
    if wrong.size:
        name = f'{field}, entry {wrong[0]}' if given.ndim > 2 else field
        raise _pose_error(stack[wrong[0]], source, name)
    poses[..., 3, :] = 0, 0, 0, 1
    return poses


def _finite_numbers(matrix: ArrayLike, source: str | PathLike[str], field: str) -> np.ndarray:
    first = matrix[0] if isinstance(matrix, (list, tuple)) and matrix else matrix
    if isinstance(first, (str, PathLike)):
        hint = 'Read the file first, for example with numpy.loadtxt'
        found = f'a path: {first}' if first is matrix else f'a list of text: {first} ...'
        raise DataError(source, field, 'a matrix (an array of numbers)', found, hint)
    try:
        given = np.asarray(matrix)
    except (TypeError, ValueError) as error:
        found = 'rows of different lengths, or values that NumPy cannot read'
        raise DataError(source, field, 'a matrix of numbers', found) from error
    if given.dtype.kind not in 'fiu':
        kinds = {'U': 'text', 'S': 'text', 'b': 'True or False', 'c': 'complex numbers'}
        found = kinds.get(given.dtype.kind, 'none' if matrix is None else 'other values')
        raise DataError(source, field, 'a matrix of numbers', found)
    numbers = given.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise DataError(source, field, 'finite numbers', 'NaN or infinity')
    return numbers


def _are_rigid(poses: np.ndarray, tolerance: float = _RIGID_TOLERANCE) -> np.ndarray:
    """(N,) bool of (N, 4, 4)."""
    # Entries of a rotation are at most 1: clipping keeps products of wrong values finite.
    rotation = np.clip(poses[:, :3, :3], -2, 2)
    error = np.abs(rotation @ rotation.transpose(0, 2, 1) - np.eye(3)).max((1, 2))
    is_rotation = (error <= tolerance) & (np.linalg.det(rotation) > 0)
    return is_rotation & (np.abs(poses[:, 3] - (0, 0, 0, 1)).max(1) <= _ROUNDING)


def _pose_error(pose: np.ndarray, source: str | PathLike[str], field: str) -> DataError:
    """The error of a (4, 4) matrix that is not rigid, with the likely cause."""
    rotation = pose[:3, :3]
    is_rotation, transposed, by_columns = _are_rigid(
        np.stack([_rigid_part(pose), pose.T, _rigid_part(pose[:3].reshape(4, 3).T)])
    )
    mirrored = _are_rigid(_rigid_part(-pose)[None])[0]
    with np.errstate(over='ignore', invalid='ignore'):
        scale = float(np.sqrt((rotation**2).sum() / 3))
        scaled = 0 < scale < np.inf and _are_rigid(_rigid_part(pose / scale)[None])[0]
    few_digits = _are_rigid(_rigid_part(pose)[None], _FEW_DIGITS)[0]
    if transposed:
        hint = 'The matrix looks transposed (columns first, as in OpenGL or MATLAB): transpose it'
    elif by_columns:
        hint = 'The 12 numbers look like columns one after the other: write them row by row'
    elif mirrored:
        hint = 'It mirrors space: one axis is flipped (left-handed axes, as in Unity or Unreal)'
    elif scaled and abs(scale - 1) > _RIGID_TOLERANCE:
        hint = f'The rotation is scaled by {scale:.4g}: divide its nine numbers by that'
    elif few_digits and not is_rotation:
        hint = 'It is nearly a rotation: write its numbers with six digits or more'
    else:
        hint = None
    if is_rotation or transposed:
        return DataError(source, field, 'a last row 0 0 0 1', pose[3].tolist(), hint)
    return DataError(source, field, 'a rotation and a shift', rotation.tolist(), hint)


def _rigid_part(pose: np.ndarray) -> np.ndarray:
    """The rotation and shift of a (3 or 4, 4) matrix as (4, 4)."""
    return np.concatenate([pose[:3], [[0, 0, 0, 1]]])


def as_intrinsics(matrix: ArrayLike, source: str | PathLike[str], field: str) -> np.ndarray:
    """Check the intrinsics of a pinhole camera; :func:`check_image_size` compares them with images.

    Args:
        matrix: (3, 3) in pixels, or KITTI's projection (3, 4), whose fourth column holds the shift
            of the camera.
        source: The file or option, for the error.
        field: Name of the matrix, for the error.

    Returns:
        The matrix as float64. Skew up to 0.1 % of the focal length stays as it is.

    Raises:
        DataError: The matrix is transposed, skewed, normalised or otherwise no pinhole camera.
    """
    given = _finite_numbers(matrix, source, field)
    if given.shape not in ((3, 3), (3, 4)):
        hint = 'Take its first three rows and columns' if given.shape == (4, 4) else None
        raise DataError(source, field, '(3, 3), or (3, 4) as P2 of KITTI', given.shape, hint)
    (fx, skew, cx), (lower, fy, cy), last = given[:, :3].tolist()
    if min(fx, fy) <= 0:
        hint = 'Use the axes x right, y down, z forward' if min(fx, fy) < 0 else None
        raise DataError(source, field, 'positive focal lengths', given.tolist(), hint)
    if np.abs(np.subtract(last, (0, 0, 1))).max() > _ROUNDING:
        hint = 'The matrix looks transposed (columns first, as in MATLAB): transpose it'
        hint = hint if cx == cy == 0 else None
        raise DataError(source, field, 'a third row 0 0 1', last, hint)
    if max(abs(skew), abs(lower)) > _SKEW * fx:
        hint = 'Undistort the images first: only fx, fy, cx and cy are used'
        raise DataError(source, field, 'no skew (0 beside fx and fy)', [skew, lower], hint)
    if max(abs(cx), abs(cy)) <= 1 and max(fx, fy) <= _NORMALISED:
        hint = 'The matrix looks normalised: multiply fx and cx by the width, fy and cy by the '
        hint += 'height of the image'
        found = f'fx = {fx:g}, fy = {fy:g}, cx = {cx:g}, cy = {cy:g}'
        raise DataError(source, field, 'intrinsics in pixels', found, hint)
    return given


def check_image_size(
    matrix: np.ndarray,
    image_size: tuple[int, int],
    source: str | PathLike[str],
    field: str,
    crop_option: str | None = None,
) -> list[str]:
    """Compare intrinsics with the size of the whole image that they belong to.

    The principal point of a crop can be anywhere, also outside. If the user says that images are
    crops, do not call this function.

    Args:
        matrix: (3, 3 or 4) in pixels, as :func:`as_intrinsics` returns it.
        image_size: (height, width) in pixels.
        source: The file or option, for the error.
        field: Name of the matrix, for the error.
        crop_option: How the user says that images are crops, for the error.

    Returns:
        Remarks about a principal point far from the centre, and about a stretched image.

    Raises:
        DataError: The principal point is outside the image or at its border, or the field of view
            is impossible.
    """
    height, width = image_size
    (fx, cx), (fy, cy) = matrix[0, [0, 2]].tolist(), matrix[1, [1, 2]].tolist()
    size, point = f'{width} x {height} pixels', f'cx = {cx:g}, cy = {cy:g}'
    cause = _size_cause((fx, fy, cx, cy), (width, height))
    if not _within(_INSIDE, cx / width, cy / height):
        if crop_option is not None:
            cause = join_sentences(cause, f'If it is cut out of a larger image: {crop_option}')
        raise DataError(
            source, field, f'a principal point inside the image of {size}', point, cause
        )
    if not _within(_FOCAL_LENGTHS, fx / width, fy / height):
        expected, found = f'fx and fy that fit an image of {size}', f'fx = {fx:g}, fy = {fy:g}'
        raise DataError(source, field, expected, found, cause)
    remarks = []
    if not _within(_CENTRAL, cx / width, cy / height):
        text = f'the principal point ({point}) is far from the centre of the image of {size}'
        remarks.append(f'{text}. {cause}')
    if not _within(_SQUARE, fx / fy):
        text = f'fx = {fx:g} and fy = {fy:g} fit only an image that was stretched'
        remarks.append(f'{text}: are they those of this image?')
    return remarks


def _within(limits: tuple[float, float], *values: float) -> bool:
    return all(limits[0] <= value <= limits[1] for value in values)


def _size_cause(numbers: tuple[float, float, float, float], size: tuple[int, int]) -> str:
    """Why the point of fx, fy, cx, cy may be far from the centre of an image (width, height)."""
    point = numbers[2:]
    if _within(_CENTRAL, point[1] / size[0], point[0] / size[1]):
        return 'Are cx and cy swapped, or is the image turned by 90 degrees?'
    text = 'Are they the intrinsics of an image of another size?'
    across, down = (2 * place / length for place, length in zip(point, size))
    if min(across, down) > 0 and abs(across / down - 1) < 0.2:
        action, factor = ('Divide', across) if across > 1 else ('Multiply', 1 / across)
        text += f' {action} fx, fy, cx, cy by about {factor:.3g}'
        return join_sentences(text, _other_order(numbers, size))
    return _other_order(numbers, size) or text


def _other_order(numbers: tuple[float, float, float, float], size: tuple[int, int]) -> str:
    """That the four numbers fit an image (width, height) in another order; empty if not."""
    if _within(_CENTRAL, numbers[2] / size[0], numbers[3] / size[1]):
        return ''
    fitting = [
        (max(fx / fy, fy / fx), (fx, fy, cx, cy))
        for fx, fy, cx, cy in permutations(numbers)
        if min(fx, fy) > 0 and _within(_CENTRAL, cx / size[0], cy / size[1])
    ]
    stretch, numbers = min(fitting, default=(math.inf, numbers))
    if stretch > _SQUARE[1]:
        return ''
    order = 'fx = {:g}, fy = {:g}, cx = {:g}, cy = {:g}'.format(*numbers)
    return f'Are the numbers in another order? They fit as {order}'
