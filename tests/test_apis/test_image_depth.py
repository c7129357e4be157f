"""Depth of images that come without it: stereo pairs, and models of the user's."""

from __future__ import annotations

import copy
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_scene import LIDAR2CAM, P2

from mmssc.apis import DrivingInferencer, load_depth_model
from mmssc.apis.image_depth import StereoSettings
from mmssc.errors import DataError
from mmssc.formats.ground_checks import DepthView
from mmssc.formats.kitti import baseline_focal_of, read_calib, read_depth
from mmssc.formats.matrices import to_homogeneous
from mmssc.preparation.driving.tasks import StereoDepthTask
from mmssc.structures import VoxelGrid

#: Focal length 60, 8 pixels of disparity: 4.05 m.
BASELINE, DISPARITY = 0.54, 8
MODULE = """
import numpy as np
seen = []
class metric:
    def infer(image, focal_length):
        seen.append(focal_length)
        return np.full(image.shape[:2], 0.025 * focal_length)
def plain(image):
    return np.full(image.shape[:2], 1.5, np.float32)
number = 3
"""


@pytest.fixture(scope='module')
def alone_config(small_config):
    cfg = copy.deepcopy(small_config)
    cfg.test_dataloader.dataset.frame_offsets = ()
    return cfg


@pytest.fixture(scope='module')
def inferencer(alone_config, checkpoint) -> DrivingInferencer:
    return DrivingInferencer(alone_config, checkpoint, 'cpu')


@pytest.fixture(scope='module')
def pair(scene) -> tuple[np.ndarray, np.ndarray]:
    """A left image, and the same as a camera sees it that is 0.54 m to the right of a wall."""
    left = scene['images'][2]
    return left, np.roll(left, -DISPARITY, axis=1)


def logits(samples):
    return samples[0].voxel_logits


def test_a_pair_gives_the_depth_of_its_disparity(inferencer, pair):
    left, right = pair
    settings = StereoSettings(BASELINE)
    frame = inferencer.with_depth(dict(img=left, img_right=right), P2, settings, 'a')
    depth = frame['depth'].values
    assert depth.dtype == np.float32 and depth.shape == left.shape[:2]
    assert abs(np.median(depth[depth > 0]) - 4.05) < 0.1
    expected = inferencer(left, P2, LIDAR2CAM, depth=depth)
    found = inferencer(left, P2, LIDAR2CAM, img_right=right, baseline=BASELINE)
    assert torch.equal(logits(found), logits(expected))
    both = inferencer(
        [left, left], P2, LIDAR2CAM, img_right=[right, right], baseline=BASELINE, batch_size=2
    )
    assert len(both) == 2


def test_a_right_image_can_be_a_file(inferencer, pair, tmp_path):
    left, right = (tmp_path / f'{name}.png' for name in ('left', 'right'))
    for path, image in zip((left, right), pair):
        Image.fromarray(image).save(path)
    found = inferencer(left, P2, LIDAR2CAM, img_right=right, baseline=BASELINE)
    expected = inferencer(pair[0], P2, LIDAR2CAM, img_right=pair[1], baseline=BASELINE)
    assert torch.equal(logits(found), logits(expected))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pair[1]).save(tmp_path / 'right.jpg', exif=exif)
    with pytest.raises(DataError, match='right.jpg: orientation: .*side by side'):
        inferencer(left, P2, LIDAR2CAM, img_right=tmp_path / 'right.jpg', baseline=BASELINE)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(baseline=None), r'baseline: expected .* found none. Give baseline=METRES'),
        (dict(baseline=54.0), 'baseline: expected a baseline of 0.02 to 4 m, found 54 m.*centim'),
        (dict(max_disparity=100), 'max_disparity: expected a positive multiple of 16'),
        (dict(img_right=np.zeros((9, 9, 3), np.uint8)), 'right image size'),
        (dict(img_right=np.zeros((70, 100, 3), np.uint8)), 'right image: expected a match for'),
        (dict(depth=np.ones((70, 100), np.float32)), 'one of them, found depth and img_right'),
    ],
)
def test_wrong_pairs_are_named(inferencer, pair, change, message):
    arguments = dict(img_right=pair[1], baseline=BASELINE) | change
    with pytest.raises(DataError, match=message):
        inferencer(pair[0], P2, LIDAR2CAM, **arguments)


def test_a_real_pair_gives_the_depth_of_the_converter(inferencer, real_frames, tmp_path):
    folder = real_frames / 'dataset/sequences/08'
    left, right = (folder / f'image_{n}/000000.png' for n in (2, 3))
    calib = read_calib(folder / 'calib.txt')
    baseline_focal = baseline_focal_of(calib, 'calib.txt')
    cam2lidar = np.linalg.inv(to_homogeneous(calib['Tr']))
    grid = VoxelGrid((0, -25.6, -2), 0.2, (256, 256, 32))
    view = DepthView(calib['P2'], cam2lidar, grid)
    StereoDepthTask(
        '08', '000000', left, right, tmp_path / 'depth.npy', baseline_focal, 128, view
    ).make()
    expected = read_depth(tmp_path / 'depth.npy')
    settings = StereoSettings(baseline_focal / calib['P2'][0, 0])
    frame = dict(img=left, img_right=right)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        found = inferencer.with_depth(frame, calib['P2'], settings, 'a')['depth'].values
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert (found > 0).mean() > 0.8
    exchanged = dict(img=right, img_right=left)
    with pytest.raises(DataError, match='Are left and right exchanged'):
        inferencer.with_depth(exchanged, calib['P2'], settings, 'a')
    later = dict(img=left, img_right=folder / 'image_3/000001.png')
    with pytest.warns(UserWarning, match='only 33 % .* Is the right image of the same moment'):
        inferencer.with_depth(later, calib['P2'], settings, 'a')


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A module with depth models that can be imported."""
    Path(tmp_path, 'own_depth_models.py').write_text(MODULE)
    Path(tmp_path, 'own_depth_program.py').write_text('import sys\nsys.exit(0)\n')
    monkeypatch.syspath_prepend(tmp_path)
    yield 'own_depth_models'
    sys.modules.pop('own_depth_models', None)


def test_a_model_gives_depth_and_gets_the_focal_length(
    alone_config, checkpoint, inferencer, scene, models
):
    image = scene['images'][2]
    expected = inferencer(image, P2, LIDAR2CAM, depth=np.full((70, 100), 1.5, np.float32))
    for name in ('plain', 'metric.infer'):
        model = load_depth_model(f'{models}:{name}')
        user = DrivingInferencer(alone_config, checkpoint, 'cpu', depth_model=model)
        assert torch.equal(logits(user(image, P2, LIDAR2CAM)), logits(expected))
    assert sys.modules[models].seen == [60.0]
    # Depth that is given comes first.
    user.depth_model = None
    assert user(image, P2, LIDAR2CAM, depth=np.full((70, 100), 1.5, np.float32))


def test_a_model_of_torch_is_taken(alone_config, checkpoint, scene):
    class Network(torch.nn.Module):
        def forward(self, image):
            return torch.full(image.shape[:2], 1.5, requires_grad=True)

    user = DrivingInferencer(alone_config, checkpoint, 'cpu', depth_model=Network())
    assert user(scene['images'][2], P2, LIDAR2CAM)


def test_masked_depth_is_none(alone_config, checkpoint, scene):
    depth = np.full((70, 100), 1.5, np.float32)
    depth[:, 60:] = 0
    masked = np.ma.array(np.full_like(depth, 1.5), mask=depth == 0)
    user = DrivingInferencer(alone_config, checkpoint, 'cpu', depth_model=lambda image: masked)

    def logits(given):
        (sample,) = user([scene['images'][2]], P2, LIDAR2CAM, depth=[given])
        return sample.voxel_logits

    expected = logits(depth)
    assert torch.equal(logits(masked), expected) and torch.equal(logits(None), expected)
    assert not torch.equal(logits(masked.data), expected)


@pytest.mark.parametrize(
    ('output', 'message'),
    [
        (None, 'found NoneType'),
        (np.zeros((70, 100), np.uint8), 'found uint8'),
        (np.zeros((100, 70), np.float32), r'found float32 \(100, 70\)'),
        (np.full((70, 100), np.inf, np.float32), 'found NaN, infinity or negative. Let the depth'),
        (np.zeros((70, 100), np.float32), 'depth: expected at least one pixel with depth'),
        (np.linspace(0, 1, 7000, dtype=np.float32).reshape(70, 100), 'must return metres'),
    ],
)
def test_wrong_depth_of_a_model_is_named(alone_config, checkpoint, scene, output, message):
    user = DrivingInferencer(alone_config, checkpoint, 'cpu', depth_model=lambda image: output)
    with pytest.raises(DataError, match=message):
        user(scene['images'][2], P2, LIDAR2CAM)


def test_a_model_that_takes_no_image_is_named(alone_config, checkpoint, scene):
    def twice(image, scale, *, focal_length):
        return image

    user = DrivingInferencer(alone_config, checkpoint, 'cpu', depth_model=twice)
    match = r'expected a function of an image.*, found twice\(image, scale, \*, focal_length\)'
    with pytest.raises(DataError, match=match):
        user(scene['images'][2], P2, LIDAR2CAM)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('numpy', 'expected package.module:function, found numpy'),
        (':full', 'expected package.module:function'),
        ('.a:b', 'expected package.module:function'),
        ('no_such_package:infer', 'PYTHONPATH'),
        ('own_depth_models:no_such', 'found no no_such in it'),
        ('own_depth_models:number', 'found int number'),
        ('own_depth_models:metric', 'found the class metric. Make an object'),
        ('own_depth_program:infer', 'own_depth_program: one that ends itself'),
    ],
)
def test_a_model_that_cannot_be_imported_is_named(models, text, message):
    with pytest.raises(DataError, match=message) as caught:
        load_depth_model(text)
    assert str(caught.value).startswith('--depth-model: ')


def test_a_model_of_images_only_takes_no_depth_model(alone_config, checkpoint):
    cfg = copy.deepcopy(alone_config)
    cfg.test_dataloader.dataset.pipeline = [
        step for step in cfg.test_dataloader.dataset.pipeline if step.type != 'LoadDrivingPoints'
    ]
    with pytest.raises(DataError, match='depth_model: expected none: this model takes images'):
        DrivingInferencer(cfg, checkpoint, 'cpu', depth_model=lambda image: image)


def test_an_array_beside_an_image_file_holds_metres(inferencer, scene, tmp_path):
    """The ending of the image says nothing about an array."""
    path = tmp_path / 'a.png'
    Image.fromarray(scene['images'][2]).save(path)
    too_far = scene['depth'][2] * 1000
    with pytest.raises(DataError, match='The array must hold metres'):
        inferencer(path, P2, LIDAR2CAM, depth=too_far)
