"""A small SGN and a small SemanticKITTI tree, shared by the tests of the interfaces."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image
from small_scene import BASELINE, DISPARITY, GRID, LIDAR2CAM, P2, make_config, write_video

from mmssc.datasets import SemanticKITTIDataset
from mmssc.datasets.driving_list import write_driving_list
from mmssc.formats.kitti import write_calib, write_depth, write_poses
from mmssc.registry import MODELS


@pytest.fixture(scope='session')
def small_config() -> Config:
    """Config of the small model; copy it before changing it."""
    return make_config()


@pytest.fixture(scope='session')
def checkpoint(small_config, tmp_path_factory) -> Path:
    """Weights of the small model, as the Runner writes them."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'small.pth'
    classes = SemanticKITTIDataset.METAINFO['classes']
    meta = dict(dataset_meta=dict(classes=classes, voxel_grid=GRID), epoch=1)
    torch.save(dict(meta=meta, state_dict=MODELS.build(small_config.model).state_dict()), path)
    return path


@pytest.fixture(scope='session')
def scene() -> dict[str, np.ndarray]:
    """Three frames of 70 x 100 pixels: images, depth maps, camera poses."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 70, 100, 3), dtype=np.uint8)
    depth = (1 + 5 * rng.random((3, 70, 100))).astype(np.float32)
    depth[:, :10] = 0
    poses = np.stack([np.eye(4)] * 3)
    poses[:, 2, 3] = (0, 0.4, 0.9)
    poses[1:, 0, 3] = (0.05, 0.12)
    return dict(images=images, depth=depth, poses=poses)


@pytest.fixture(scope='session')
def tree(scene, tmp_path_factory) -> Path:
    """The scene as a prepared SemanticKITTI tree; frame 2 is the sample."""
    root = tmp_path_factory.mktemp('kitti')
    raw = root / 'dataset/sequences/08'
    (raw / 'image_2').mkdir(parents=True)
    for number, (image, depth) in enumerate(zip(scene['images'], scene['depth'])):
        Image.fromarray(image).save(raw / f'image_2/{number:06d}.png')
        write_depth(root / f'dataset/depth/08/{number:06d}.npy', depth)
    write_calib(raw / 'calib.txt', dict(P2=P2, Tr=LIDAR2CAM[:3]))
    write_poses(raw / 'poses.txt', scene['poses'])
    sequence = dict(P2=P2, lidar2cam=LIDAR2CAM, poses=scene['poses'])
    info = dict(
        metainfo=dict(dataset='SemanticKITTI', split='val', format_version=1, voxel_grid=GRID),
        sequences={'08': sequence},
        data_list=[dict(sequence='08', frame_id='000002', labelled=False)],
    )
    write_driving_list(root / 'semantickitti_infos_val.json', info)
    return root


@pytest.fixture(scope='session')
def config(small_config, tmp_path_factory):
    """The small temporal model in a file."""
    path = tmp_path_factory.mktemp('config') / 'config.py'
    small_config.dump(path)
    return path


@pytest.fixture(scope='session')
def drive(scene, tmp_path_factory):
    """Four frames: folders image, right, depth; calib.txt with P3, poses.txt, a video."""
    root = tmp_path_factory.mktemp('drive')
    images = [*scene['images'], scene['images'][0]]
    right = P2.copy()
    right[0, 3] -= BASELINE * P2[0, 0]
    write_calib(root / 'calib.txt', dict(P2=P2, P3=right, Tr=LIDAR2CAM[:3]))
    poses = np.concatenate([scene['poses'], scene['poses'][2:]])
    poses[3, 2, 3] += 0.4
    write_poses(root / 'poses.txt', poses)
    for folder in ('image', 'right', 'depth'):
        (root / folder).mkdir()
    for number, (image, depth) in enumerate(zip(images, chain(scene['depth'], scene['depth']))):
        # Without zeros in front: 10 comes after 9.
        Image.fromarray(image).save(root / f'image/{number + 8}.png')
        moved = np.roll(image, -DISPARITY, axis=1)
        Image.fromarray(moved).save(root / f'right/{number + 8}.png')
        np.save(root / f'depth/{number + 8}.npy', depth)
    (root / 'image/notes.txt').write_text('no image')
    write_video(root / 'my.drive.avi', images)
    write_video(root / 'right.avi', [np.roll(image, -DISPARITY, axis=1) for image in images])
    return root


@pytest.fixture
def infer(config, checkpoint, drive, tmp_path, tool_in_process):
    """Run the tool on the drive; returns the exit status and what it printed."""
    run = tool_in_process('infer.py')

    def call(*options, weights=checkpoint):
        arguments = (config, weights, '--calib', drive / 'calib.txt', '--out', tmp_path / 'out')
        return run(*arguments, '--device', 'cpu', *options)

    return call
