"""Camera methods that read the LiDAR by a line of the config: in memory as from the data set."""

from __future__ import annotations

import copy
import shutil

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from scan_files import write_ply
from small_scene import GRID, LIDAR2CAM, P2
from tiny_symphonies import tiny_config

from mmssc.apis import DrivingInferencer, build_inferencer, is_lidar_config
from mmssc.errors import DataError
from mmssc.formats.kitti import write_calib, write_velodyne
from mmssc.registry import DATASETS


def scan_of(frame: int) -> np.ndarray:
    """(M, 4): points in front of the car, their reflectance."""
    rng = np.random.default_rng(frame)
    return rng.uniform((1, -3, -1, 0), (6.4, 3, 1.5, 1), (400, 4)).astype(np.float32)


@pytest.fixture(scope='module')
def scans(tree, tmp_path_factory):
    """The small tree with a scan of each frame."""
    root = tmp_path_factory.mktemp('scans') / 'tree'
    shutil.copytree(tree, root)
    for frame in range(3):
        path = root / f'dataset/sequences/08/velodyne/{frame:06d}.bin'
        write_velodyne(path, scan_of(frame))
    return root


@pytest.fixture(scope='module')
def depth_config(small_config, scans) -> Config:
    """A model of an image and its depth, which comes from the scan."""
    cfg = copy.deepcopy(small_config)
    cfg.model = tiny_config(voxel_grid=GRID, test_cfg=dict(keep_logits=True))
    dataset = cfg.test_dataloader.dataset
    dataset.frame_offsets, dataset.data_root = (), str(scans)
    images, crop, _, *others = dataset.pipeline
    dataset.pipeline = [images, dict(type='LoadScanDepth'), crop, *others]
    return cfg


@pytest.fixture(scope='module')
def points_config(small_config, scans) -> Config:
    """SGN with three frames, whose points are those of the scans."""
    cfg = copy.deepcopy(small_config)
    dataset = cfg.test_dataloader.dataset
    dataset.data_root = str(scans)
    dataset.pipeline[2].source = 'velodyne'
    return cfg


def from_the_dataset(inferencer):
    """Item and prediction of the sample of the tree, as tools/test.py makes it."""
    item = DATASETS.build(inferencer.model.cfg.test_dataloader.dataset)[0]
    with torch.no_grad():
        (sample,) = inferencer.model.test_step(pseudo_collate([item]))
    return item, sample


def test_a_scan_becomes_the_depth_of_its_image(depth_config, scans):
    torch.manual_seed(0)
    inferencer = build_inferencer(depth_config, 'untrained', 'cpu', crop=True)
    assert isinstance(inferencer, DrivingInferencer) and not is_lidar_config(depth_config)
    item, expected = from_the_dataset(inferencer)
    assert (item['inputs']['depth'] > 0).sum() > 50
    raw = scans / 'dataset/sequences/08'
    image = raw / 'image_2/000002.png'
    for points in (raw / 'velodyne/000002.bin', scan_of(2), scan_of(2)[:, :3]):
        (found,) = inferencer(image, P2, LIDAR2CAM, points=points)
        torch.testing.assert_close(found.voxel_logits, expected.voxel_logits.cpu())
    behind = scan_of(2) * np.float32([-1, 1, 1, 1])
    with pytest.raises(DataError, match='000002.png: points: expected points in the image'):
        inferencer(image, P2, LIDAR2CAM, points=behind)


def test_points_of_scans_of_several_frames(points_config, scans):
    torch.manual_seed(0)
    assert not is_lidar_config(points_config)
    inferencer = build_inferencer(points_config, 'untrained', 'cpu', crop=True)
    item, expected = from_the_dataset(inferencer)
    assert len(item['inputs']['points']) == len(item['inputs']['reflectance']) > 600
    dataset = DATASETS.build(inferencer.model.cfg.test_dataloader.dataset)
    motions = dataset.get_data_info(0)['frame2ref']
    raw = scans / 'dataset/sequences/08'
    earlier = [
        dict(img=raw / f'image_2/{frame:06d}.png', points=raw / f'velodyne/{frame:06d}.bin',
             frame2ref=motion)
        for frame, motion in zip((0, 1), motions[1:])
    ]  # fmt: skip
    (found,) = inferencer(raw / 'image_2/000002.png', P2, LIDAR2CAM,
                          points=raw / 'velodyne/000002.bin', earlier_frames=earlier)  # fmt: skip
    torch.testing.assert_close(found.voxel_logits, expected.voxel_logits.cpu())


def test_the_reflectance_comes_with_the_points(points_config, scene):
    inferencer = DrivingInferencer(points_config, 'untrained', 'cpu')
    scan = scan_of(2)
    frame = dict(img=scene['images'][2], cam2img=P2, lidar2cam=LIDAR2CAM, earlier_frames=())
    results = inferencer._results(0, dict(frame, points=scan * np.float32([1, 1, 1, 255])))
    bright = results['given']['reflectance']
    assert results['given']['points'].shape == (3 * 400, 3)
    np.testing.assert_allclose(bright, np.tile(scan[:, 3], 3), atol=1e-6)
    results = inferencer._results(0, dict(frame, depth=scene['depth'][2]))
    assert not results['given']['reflectance'].any()


def test_the_command_with_a_line_of_the_config(depth_config, scans, tool_in_process, tmp_path):
    depth_config.dump(tmp_path / 'scan.py')
    write_calib(tmp_path / 'calib.txt', dict(P2=P2, Tr=LIDAR2CAM[:3]))
    (tmp_path / 'scans').mkdir()
    write_ply(tmp_path / 'scans/000002.ply', rows=scan_of(2))
    image = scans / 'dataset/sequences/08/image_2/000002.png'
    command = ('untrained', '--image', image, '--points', tmp_path / 'scans', '--device', 'cpu',
               '--calib', tmp_path / 'calib.txt', '--formats', 'npy')  # fmt: skip
    run = tool_in_process('infer.py')
    status, printed = run(tmp_path / 'scan.py', *command, '--out', tmp_path / 'out')
    assert status == 0, printed
    expected = build_inferencer(depth_config, 'untrained', 'cpu')(
        image, P2, LIDAR2CAM, points=scan_of(2)
    )[0].pred_voxels
    assert (np.load(tmp_path / 'out/000002.npy') == expected.numpy()).mean() > 0.99

    # A config that reads depth maps says the line that is missing, which then works.
    cfg = copy.deepcopy(depth_config)
    dataset = cfg.test_dataloader.dataset
    dataset.pipeline[1].type = 'LoadDrivingDepth'
    for name, line in {
        'maps.py': 'test_dataloader.dataset.pipeline.1.type=LoadScanDepth',
        'wrapped.py': 'test_dataloader.dataset.dataset.pipeline.2.type=LoadScanDepth',
    }.items():
        cfg.dump(tmp_path / name)
        other = (tmp_path / name, *command, '--out', tmp_path / f'out_{name}')
        status, printed = run(*other)
        assert status == 2 and f'--cfg-options {line}' in printed
        status, printed = run(*other, '--cfg-options', line)
        assert status == 0, printed
        # The same reader at another place.
        dataset.pipeline = [dict(type='Compose', transforms=[]), *dataset.pipeline]
        cfg.test_dataloader.dataset = dict(type='RepeatDataset', times=1, dataset=dataset)
