from __future__ import annotations

import cv2
import numpy as np
import pytest

from mmssc.errors import DataError
from mmssc.geometry.stereo import stereo_disparity


def shifted_pair(disparity: int, height: int = 64, width: int = 192) -> tuple:
    texture = np.random.default_rng(0).integers(0, 256, (height, width + disparity, 3), np.uint8)
    # right(u - d) == left(u)
    return texture[:, :width].copy(), texture[:, disparity:].copy()


@pytest.mark.parametrize('disparity', [3, 20])
def test_a_shifted_texture_has_that_disparity(disparity: int) -> None:
    estimate = stereo_disparity(*shifted_pair(disparity), max_disparity=32)
    assert estimate.dtype == np.float32
    inner = estimate[:, disparity + 8 : -8]
    assert (inner > 0).mean() > 0.98
    # The matcher works in steps of 1/16 pixel.
    assert (np.abs(inner[inner > 0] - disparity) <= 1 / 16).mean() > 0.97


def test_no_match_lies_outside_the_right_image() -> None:
    estimate = stereo_disparity(*shifted_pair(20), max_disparity=32)
    columns = np.arange(estimate.shape[1])
    assert (estimate <= columns).all()
    assert (estimate[:, :10] == 0).mean() > 0.9


def test_grey_and_colour_give_the_same() -> None:
    left, right = shifted_pair(5)
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (left, right)]
    np.testing.assert_array_equal(stereo_disparity(*grey), stereo_disparity(left, right))


def test_the_number_of_threads_does_not_matter() -> None:
    left, right = shifted_pair(9, 200, 400)
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        one = stereo_disparity(left, right)
        cv2.setNumThreads(2)
        np.testing.assert_array_equal(stereo_disparity(left, right), one)
    finally:
        cv2.setNumThreads(before)


def test_a_flat_scene_without_texture_has_no_depth() -> None:
    flat = np.full((64, 96, 3), 128, np.uint8)
    assert not stereo_disparity(flat, flat).any()


def test_bad_input_is_named() -> None:
    left, right = shifted_pair(5)
    with pytest.raises(DataError, match='right image: shape'):
        stereo_disparity(left, right[:, 1:])
    with pytest.raises(DataError, match='left image: pixels'):
        stereo_disparity(left.astype(np.float32), right)
    with pytest.raises(DataError, match='multiple of 16'):
        stereo_disparity(left, right, max_disparity=100)
    with pytest.raises(DataError, match='at most the width of the image'):
        stereo_disparity(left, right, max_disparity=2**20)
    with pytest.raises(DataError, match='odd'):
        stereo_disparity(left, right, block_size=4)
