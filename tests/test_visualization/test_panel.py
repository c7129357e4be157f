from __future__ import annotations

import warnings

import numpy as np

from mmssc.visualization import draw_depth


def test_pixels_without_depth_are_black():
    depth = np.array([[1.0, 2.0, 0.0, -1.0, np.nan, np.inf]], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        picture = draw_depth(depth)
    assert picture[0, :2].any(-1).all() and not picture[0, 2:].any()
