from __future__ import annotations

import warnings

import numpy as np

from mmssc.visualization import add_depth_bar, draw_depth


def test_pixels_without_depth_are_black():
    depth = np.array([[1.0, 2.0, 0.0, -1.0, np.nan, np.inf]], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        picture = draw_depth(depth)
    assert picture[0, :2].any(-1).all() and not picture[0, 2:].any()


def test_the_bar_of_a_depth_map_has_its_colours():
    depth = np.tile(np.linspace(0.5, 4.0, 100, dtype=np.float32)[:, None], 60)
    picture = add_depth_bar(depth)
    assert picture.shape[0] == 100 and picture.shape[1] > 60
    bar = picture[:, 60:]
    for row in (10, 50, 99):
        assert (np.abs(bar.astype(int) - picture[row, 0]).max(-1) < 12).any()
    assert add_depth_bar(np.zeros((8, 8))).shape[0] == 8
