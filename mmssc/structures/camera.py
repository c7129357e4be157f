"""A pinhole camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mmssc.errors import DataError

__all__ = ['Camera']


@dataclass(frozen=True, init=False)
class Camera:
    """Pinhole camera: frame x right, y down, z forward; right-handed; metres; pixels.

    Args:
        cam2img: (3, 3) intrinsic matrix in pixels; the attribute is float64.
        ref2cam: (4, 4) rigid transform from the reference frame (lidar or world) to the camera
            frame, in metres; the attribute is float64.
        image_size: (height, width) in pixels.

    Raises:
        DataError: A matrix has the wrong shape, is not finite, or ``ref2cam`` is not rigid.
    """

    cam2img: np.ndarray
    ref2cam: np.ndarray
    image_size: tuple[int, int]

    # Not generated, because the arguments have wider types than the attributes.
    def __init__(self, cam2img: ArrayLike, ref2cam: ArrayLike, image_size: tuple[int, int]) -> None:
        for name, given, shape in (('cam2img', cam2img, (3, 3)), ('ref2cam', ref2cam, (4, 4))):
            matrix = np.asarray(given, dtype=np.float64)
            if matrix.shape != shape:
                raise DataError('camera', name, f'shape {shape}', matrix.shape)
            if not np.isfinite(matrix).all():
                raise DataError('camera', name, 'finite numbers', matrix.tolist())
            object.__setattr__(self, name, matrix)
        object.__setattr__(self, 'image_size', image_size)
        rotation = self.ref2cam[:3, :3]
        if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3) or (
            np.linalg.det(rotation) < 0
        ):
            raise DataError('camera', 'ref2cam', 'a rotation and a shift', self.ref2cam.tolist())
        if min(self.image_size) <= 0:
            raise DataError('camera', 'image_size', 'positive (height, width)', self.image_size)
