"""A pinhole camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mmssc.errors import DataError

from .camera_checks import as_intrinsics, as_pose
from .numbers_given import positive_wholes

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
        DataError: ``cam2img`` is not a pinhole camera, ``ref2cam`` is not rigid, or a matrix has
            the wrong shape or is not finite, or ``image_size`` is not two whole numbers above 0.
    """

    cam2img: np.ndarray
    ref2cam: np.ndarray
    image_size: tuple[int, int]

    # Not generated, because the arguments have wider types than the attributes.
    def __init__(self, cam2img: ArrayLike, ref2cam: ArrayLike, image_size: tuple[int, int]) -> None:
        object.__setattr__(self, 'cam2img', as_intrinsics(cam2img, 'camera', 'cam2img'))
        object.__setattr__(self, 'ref2cam', as_pose(ref2cam, 'camera', 'ref2cam'))
        for name, given, shape in (('cam2img', cam2img, (3, 3)), ('ref2cam', ref2cam, (4, 4))):
            if np.shape(given) != shape:
                raise DataError('camera', name, f'shape {shape}', np.shape(given))
        size = positive_wholes(image_size, 2, 'camera', 'image_size')
        object.__setattr__(self, 'image_size', size)
