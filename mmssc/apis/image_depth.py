"""Depth of images that come without it: from the right image of a stereo pair, or from a model."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from mmssc.errors import DataError
from mmssc.geometry.stereo import MAX_DISPARITY, stereo_depth
from mmssc.preparation.driving.camera_check import check_baseline
from mmssc.user_functions import call_on_image, check_takes_image, load_function

from .base_inferencer import warn_about

__all__ = [
    'DepthModel', 'EstimatedDepth', 'StereoSettings', 'load_depth_model', 'model_depth',
    'pair_depth',
]  # fmt: skip

#: (H, W, 3) uint8 RGB -> (H, W) metres along the optical axis, 0 or masked = none. If it has a
#: parameter ``focal_length``, it gets that of the image, in pixels.
DepthModel = Callable[..., Any]
# What a pair has at least; exchanged images have fewer matches.
_FEWEST_MATCHES = 0.15
# Pairs of KITTI have 82 to 88 %, a right image of the next frame has 33 to 37 %.
_FEW_MATCHES = 0.5
_STEREO_REMEDY = (
    'Check the baseline (--baseline, or P2 and P3), the focal length, and that the pair is '
    'rectified'
)
_MODEL_REMEDY = 'The depth model must return metres along the optical axis (--depth-model)'


@dataclass(frozen=True)
class EstimatedDepth:
    """Depth that was computed from images.

    Args:
        values: (H, W) float32, metres along the optical axis, 0 = none.
        is_stereo: From a pair; else from a model.
    """

    values: np.ndarray
    is_stereo: bool

    @property
    def remedy(self) -> str:
        """What to do if the scale is wrong."""
        return _STEREO_REMEDY if self.is_stereo else _MODEL_REMEDY


@dataclass(frozen=True)
class StereoSettings:
    """How to compute depth from pairs.

    Args:
        baseline: Distance of the two cameras, metres.
        max_disparity: Search range in pixels, a multiple of 16. Nothing is found nearer than
            ``baseline * focal length / max_disparity``.

    Raises:
        DataError: No pair of cameras has this baseline.
    """

    baseline: float | None = None
    max_disparity: int = MAX_DISPARITY

    def __post_init__(self) -> None:
        if self.baseline is not None:
            check_baseline(self.baseline, 'stereo', 'baseline')


def pair_depth(
    left: np.ndarray, right: np.ndarray, focal_length: float, stereo: StereoSettings, name: str
) -> EstimatedDepth:
    """Depth of the left image of a rectified pair, as the converters compute it.

    Args:
        left: (H, W, 3) uint8 RGB.
        right: The right image, same shape.
        focal_length: Pixels.
        stereo: Baseline and search range.
        name: The frame, for errors.

    Raises:
        DataError: The baseline is missing, the images differ in size, or hardly a pixel has a
            match.
    """
    if stereo.baseline is None:
        hint = 'Give baseline=METRES (--baseline METRES)'
        raise DataError(name, 'baseline', 'the distance of the two cameras', 'none', hint)
    if left.shape != right.shape:
        expected = f'{left.shape[:2]} as the left image'
        raise DataError(name, 'right image size', expected, right.shape[:2])
    depth = stereo_depth(left, right, stereo.baseline * focal_length, stereo.max_disparity)
    share = float((depth > 0).mean())
    if share < _FEWEST_MATCHES:
        hint = 'Are left and right exchanged, is the pair rectified, and of one moment?'
        expected = f'a match for {_FEWEST_MATCHES:.0%} of the pixels'
        raise DataError(name, 'right image', expected, f'{share:.1%}', hint)
    if share < _FEW_MATCHES:
        hint = 'Is the right image of the same moment, and is the pair rectified?'
        remark = f'only {share * 100:.0f} % of the pixels have a match in the right image. {hint}'
        warn_about(name, [remark])
    return EstimatedDepth(depth, is_stereo=True)


def model_depth(
    model: DepthModel, image: np.ndarray, focal_length: float, name: str
) -> EstimatedDepth:
    """Depth of an image from a model of the user's.

    Args:
        model: See :data:`DepthModel`.
        image: (H, W, 3) uint8 RGB.
        focal_length: Pixels.
        name: The frame, for errors.

    Raises:
        DataError: The model does not take an image, fails, or returns something else than (H, W)
            finite metres.
    """
    keywords = dict(focal_length=focal_length) if _takes_focal_length(model) else {}
    check_takes_image(model, 'depth model', keywords, _MODEL_REMEDY)
    values = call_on_image(model, image, name, 'depth model', 'the depth of the image', keywords)
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().float().numpy()
    if isinstance(values, np.ma.MaskedArray):
        values = values.filled(0)
    size = image.shape[:2]
    expected = f'{size} floating-point metres, 0 = none'
    if not isinstance(values, np.ndarray) or values.dtype.kind != 'f' or values.shape != size:
        is_array = isinstance(values, np.ndarray)
        found = f'{values.dtype} {values.shape}' if is_array else type(values).__name__
        raise DataError(name, 'depth model', expected, found, _MODEL_REMEDY)
    with np.errstate(over='ignore'):
        values = values.astype(np.float32)
    if not np.isfinite(values).all() or (values < 0).any():
        hint = 'Let the depth model return 0 where there is no depth, as in the sky'
        raise DataError(name, 'depth model', expected, 'NaN, infinity or negative', hint)
    return EstimatedDepth(values, is_stereo=False)


def _takes_focal_length(model: DepthModel) -> bool:
    try:
        return 'focal_length' in inspect.signature(model).parameters
    except (TypeError, ValueError):  # Some callables of C have no signature.
        return False


def load_depth_model(text: str) -> DepthModel:
    """Import a depth model that the user names. It runs the code of that module.

    Args:
        text: ``'package.module:function'``; also ``'module:object.method'``.

    Raises:
        DataError: There is no such module or function, or the module ends the process.
    """
    return load_function(text, '--depth-model')
