"""Colour jitter."""

from __future__ import annotations

import random

import numpy as np
import pytest

from mmssc.datasets.transforms import JitterDrivingColors


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)


def test_all_frames_change_alike_and_the_seed_decides(image):
    random.seed(3)
    changed = JitterDrivingColors()(dict(img=[image, image]))['img']
    np.testing.assert_array_equal(changed[0], changed[1])
    assert changed[0].dtype == np.uint8 and (changed[0] != image).any()
    random.seed(3)
    np.testing.assert_array_equal(JitterDrivingColors()(dict(img=[image]))['img'][0], changed[0])


def test_no_change(image):
    changed = JitterDrivingColors(0, 0, 0)(dict(img=[image]))['img'][0]
    np.testing.assert_array_equal(changed, image)


def test_brightness_scales_the_values():
    image = np.full((4, 4, 3), 100, np.uint8)
    found = set()
    random.seed(0)
    for _ in range(200):
        values = np.unique(JitterDrivingColors(0.4, 0, 0)(dict(img=[image]))['img'][0])
        assert len(values) == 1
        found.add(int(values[0]))
    assert min(found) in range(60, 65) and max(found) in range(135, 141)


def test_saturation_keeps_grey_and_contrast_keeps_the_mean():
    grey = np.random.default_rng(0).integers(100, 150, (8, 8, 1), np.uint8).repeat(3, 2)
    random.seed(0)
    np.testing.assert_array_equal(JitterDrivingColors(0, 0, 0.4)(dict(img=[grey]))['img'][0], grey)
    contrast = JitterDrivingColors(0, 0.4, 0)(dict(img=[grey]))['img'][0]
    assert contrast.std() != grey.std() and abs(contrast.mean() - grey.mean()) < 1.5
