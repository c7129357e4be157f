"""RGBDInferencer with a segmenter: turned images, files of all kinds, what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pixel_segmenter import by_colour, squares

from mmssc.apis import RGBDInferencer, build_inferencer
from mmssc.errors import DataError
from mmssc.formats.numpy_arrays import read_npz

ROOT = Path(__file__).resolve().parents[2]
CAMERA = (259.42895, 259.42895, 160.0, 120.0)
POSE = dict(height=1.4, tilt=0.1)


@pytest.fixture(scope='module')
def depth() -> np.ndarray:
    """(240, 320) metres of a made-up room."""
    stored = read_npz(ROOT / 'tests/data/light/room.npz', ['depth_mm'])['depth_mm']
    return stored.astype(np.float32) / 1000


@pytest.fixture(scope='module')
def inferencer():
    return build_inferencer('light_seg_nyu', device='cpu', segmenter=by_colour)


@pytest.fixture(scope='module')
def expected(inferencer, depth) -> torch.Tensor:
    """The prediction with the true segmentation."""
    ids = squares((240, 320), 40)[1]
    return inferencer(depth, CAMERA, segmentation=ids, **POSE).pred_voxels


def test_a_given_segmentation_comes_first(inferencer, depth, expected):
    image, ids = squares((240, 320), 40)
    assert torch.equal(inferencer(depth, CAMERA, img=image, **POSE).pred_voxels, expected)
    found = inferencer(depth, CAMERA, img=255 - image, segmentation=ids, **POSE)
    assert torch.equal(found.pred_voxels, expected)


@pytest.mark.parametrize('degrees', [90, 180, 270])
def test_the_segmenter_sees_the_upright_image(inferencer, depth, expected, degrees):
    upright, _ = squares((240, 320), 40)
    stored, image = (np.rot90(one, degrees // 90) for one in (depth, upright))
    width, height = 320, 240
    fx, fy, cx, cy = CAMERA
    camera = {
        90: (fy, fx, cy, width - 1 - cx),
        180: (fx, fy, width - 1 - cx, height - 1 - cy),
        270: (fy, fx, height - 1 - cy, cx),
    }[degrees]
    seen = []

    def look(image):
        seen.append(image)
        return by_colour(image)

    look.classes = by_colour.classes
    user = RGBDInferencer('light_seg_nyu', device='cpu', segmenter=look)
    found = user(stored, camera, img=image, rotate=degrees, **POSE)
    assert (seen[0] == upright).all()
    assert (found.pred_voxels != expected).float().mean() < 1e-3, 'rounding of the camera only'


@pytest.mark.parametrize('mode', ['RGB', 'P', 'RGBA'])
def test_images_of_all_kinds(inferencer, depth, expected, tmp_path, mode):
    image = Image.fromarray(squares((240, 320), 40)[0])
    path = tmp_path / 'image.png'
    (image.quantize(4) if mode == 'P' else image.convert(mode)).save(path)
    assert torch.equal(inferencer(depth, CAMERA, img=path, **POSE).pred_voxels, expected)


def test_an_image_that_would_turn_is_refused(inferencer, depth, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(squares((240, 320), 40)[0]).save(tmp_path / 'a.jpg', exif=exif)
    with pytest.raises(DataError, match='a.jpg: orientation: .*depth image does not turn with it'):
        inferencer(depth, CAMERA, img=tmp_path / 'a.jpg', **POSE)


def test_what_is_missing_is_named(inferencer, depth):
    with pytest.raises(DataError, match='img: expected an image: the segmenter reads it.*Give img'):
        inferencer(depth, CAMERA, **POSE)
    with pytest.raises(DataError, match='segmenter: expected none: this model reads no segmentati'):
        RGBDInferencer('light_depth_nyu', device='cpu', segmenter=by_colour)
