"""Camera refuses what is not a pinhole camera."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from mmssc.errors import DataError
from mmssc.structures import Camera

INTRINSICS = np.array([[700.0, 0, 600], [0, 700, 180], [0, 0, 1]])


def test_matrices_become_float64():
    camera = Camera(INTRINSICS.astype(np.float32), np.eye(4, dtype=np.float32), (370, 1220))
    assert camera.cam2img.dtype == camera.ref2cam.dtype == np.float64


def test_lists_are_accepted_and_replace_and_pickle_keep_the_rest():
    camera = Camera(INTRINSICS.tolist(), np.eye(4).tolist(), (370, 1220))
    for copy in (pickle.loads(pickle.dumps(camera)), replace(camera, image_size=(370, 1220))):
        assert np.array_equal(copy.cam2img, INTRINSICS)
        assert np.array_equal(copy.ref2cam, np.eye(4))
        assert copy.image_size == (370, 1220)


@pytest.mark.parametrize(
    ('arguments', 'field'),
    [
        ((np.eye(4), np.eye(4), (4, 4)), 'cam2img'),
        ((INTRINSICS, np.eye(3), (4, 4)), 'ref2cam'),
        ((INTRINSICS, np.full((4, 4), np.nan), (4, 4)), 'ref2cam'),
        ((INTRINSICS, np.diag([1.0, 1, -1, 1]), (4, 4)), 'ref2cam'),
        ((INTRINSICS, np.diag([2.0, 2, 2, 1]), (4, 4)), 'ref2cam'),
        ((INTRINSICS, np.eye(4), (0, 4)), 'image_size'),
        ((INTRINSICS, np.eye(4), (2.9, 4)), 'image_size'),
        ((INTRINSICS, np.eye(4), (True, 4)), 'image_size'),
        ((INTRINSICS, np.eye(4), ('4', '4')), 'image_size'),
        ((INTRINSICS, np.eye(4), (float('nan'), 4)), 'image_size'),
        ((INTRINSICS, np.eye(4), (10**400, 4)), 'image_size'),
        ((INTRINSICS, np.eye(4), (4, 4, 3)), 'image_size'),
        ((INTRINSICS, np.eye(4), 4), 'image_size'),
        ((INTRINSICS, np.eye(4), None), 'image_size'),
        ((INTRINSICS.astype(str), np.eye(4), (4, 4)), 'cam2img'),
        (([[1, 2], [3]], np.eye(4), (4, 4)), 'cam2img'),
        (([[10**400] * 3] * 3, np.eye(4), (4, 4)), 'cam2img'),
        ((None, np.eye(4), (4, 4)), 'cam2img'),
        ((INTRINSICS, np.eye(4, dtype=bool), (4, 4)), 'ref2cam'),
        ((INTRINSICS, np.eye(4)[:3], (4, 4)), 'ref2cam'),
    ],
)
def test_wrong_camera_is_named(arguments, field):
    with pytest.raises(DataError, match=field):
        Camera(*arguments)
