"""Own images for a model that takes depth maps instead of points."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image
from small_scene import GRID, LIDAR2CAM, P2
from tiny_symphonies import tiny_config

from mmssc.apis import DrivingInferencer
from mmssc.errors import DataError


@pytest.fixture(scope='module')
def depth_config(small_config) -> Config:
    cfg = copy.deepcopy(small_config)
    cfg.model = tiny_config(voxel_grid=GRID, test_cfg=dict(keep_logits=True))
    dataset = cfg.test_dataloader.dataset
    dataset.frame_offsets = ()
    pipeline = [step for step in dataset.pipeline if step.type != 'LoadDrivingPoints']
    dataset.pipeline = [pipeline[0], dict(type='LoadDrivingDepth'), *pipeline[1:]]
    return cfg


def test_depth_reaches_the_model_and_points_are_refused(depth_config, scene):
    torch.manual_seed(0)
    inferencer = DrivingInferencer(depth_config, None, 'cpu')
    image, depth = scene['images'][0], scene['depth'][0]
    found = inferencer(image, P2, LIDAR2CAM, depth=depth)[0].voxel_logits
    assert found.shape[1:] == tuple(GRID['shape'])
    again = inferencer(image, P2, LIDAR2CAM, depth=depth)[0].voxel_logits
    other = inferencer(image, P2, LIDAR2CAM, depth=depth + 1)[0].voxel_logits
    assert torch.equal(found, again) and not torch.equal(found, other)
    with pytest.raises(DataError, match='this model takes no points'):
        inferencer(image, P2, LIDAR2CAM, points=np.ones((5, 3)))
    with pytest.raises(DataError, match='depth or points: expected one of them'):
        inferencer(image, P2, LIDAR2CAM)


def test_an_image_that_turns_is_refused_without_a_warning(depth_config, scene, tmp_path):
    exif, path = Image.Exif(), tmp_path / 'a.jpg'
    exif[0x0112] = 6
    Image.fromarray(scene['images'][0]).save(path, exif=exif)
    inferencer = DrivingInferencer(depth_config, None, 'cpu')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        with pytest.raises(DataError, match='a.jpg: orientation: .*does not turn .*exiftool'):
            inferencer(path, P2, LIDAR2CAM, depth=scene['depth'][0])
    # The remedy of the message: the same pixels without the metadata.
    with Image.open(path) as image:
        image.save(path, exif=b'')
    assert inferencer(path, P2, LIDAR2CAM, depth=scene['depth'][0])


def test_every_call_warns_of_its_files(depth_config, scene, tmp_path):
    inferencer = DrivingInferencer(depth_config, None, 'cpu')
    image, depth = scene['images'][0], scene['depth'][0]
    files = [tmp_path / f'{name}.npy' for name in 'ab']
    for file in files:
        np.save(file, depth)
    for file in files:  # The ground of this scene is far below the grid.
        with pytest.warns(UserWarning, match=f'{file.name}: depth: expected ground'):
            inferencer(image, P2, LIDAR2CAM, depth=file)
    with pytest.warns(UserWarning) as caught:
        inferencer([image, image], P2, LIDAR2CAM, depth=files)
    assert sum('expected ground' in str(one.message) for one in caught) == 1
