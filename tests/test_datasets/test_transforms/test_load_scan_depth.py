"""Depth maps from lidar scans."""

import shutil

import numpy as np
import pytest

from mmssc.datasets import SemanticKITTIDataset
from mmssc.datasets.transforms import (
    CropDrivingImages,
    LoadDrivingDepth,
    LoadDrivingImages,
    LoadScanDepth,
    PackSSCInputs,
)
from mmssc.errors import DataError
from mmssc.formats.kitti import read_calib, read_velodyne, write_velodyne
from mmssc.formats.matrices import to_homogeneous
from mmssc.geometry.lidar_depth import project_lidar, scan_to_depth


@pytest.fixture
def item(tree):
    """A sample of three frames whose scans are the clouds of their depth maps."""
    for cloud in (tree / 'dataset/pseudo_lidar').rglob('*.bin'):
        scan = tree / 'dataset/sequences' / cloud.parent.name / 'velodyne' / cloud.name
        scan.parent.mkdir(exist_ok=True)
        shutil.copyfile(cloud, scan)
    dataset = SemanticKITTIDataset(
        'semantickitti_infos_val.json', data_root=str(tree), frame_offsets=(-3, 1), pipeline=[]
    )
    return dataset.get_data_info(2)


def test_the_scan_of_a_depth_map_gives_the_depth_map(item):
    expected = LoadDrivingDepth()(LoadDrivingImages()(dict(item)))['depth']
    results = LoadScanDepth()(LoadDrivingImages()(dict(item)))
    assert len(results['depth']) == 3 and results['depth_is_read']
    for found, wanted in zip(results['depth'], expected):
        assert found.dtype == np.float32 and found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol=1e-5)
    results = PackSSCInputs()(CropDrivingImages((30, 44))(results))
    assert results['inputs']['depth'].shape == (3, 30, 44)


def test_the_nearest_point_of_a_pixel_wins_and_far_ones_can_be_left_out(item):
    camera = item['lidar2cam'][0], item['P2'], (32, 48)
    points = np.array([(20.0, 0, 0), (10.0, 0, 0), (30.0, 0, 0), (-5.0, 0, 0)], np.float32)
    depth = scan_to_depth(points, *camera)
    assert (depth > 0).sum() == 1 and depth.max() == pytest.approx(9.7, abs=1e-4)
    assert not scan_to_depth(points, *camera, max_depth=9.0).any()
    far = LoadScanDepth(max_depth=20)(LoadDrivingImages()(dict(item)))['depth']
    assert 0 < far[0].max() < 20


def test_faults_name_the_scan_or_the_order(item):
    with pytest.raises(DataError, match='Put LoadDrivingImages before it'):
        LoadScanDepth()(dict(item))
    with pytest.raises(DataError, match='max_depth'):
        LoadScanDepth(max_depth=0)
    scan = item['frames'][0]['scan_path']
    write_velodyne(scan, np.array([(-10.0, 0, 0)]))
    with pytest.raises(DataError, match='no|none') as error:
        LoadScanDepth()(LoadDrivingImages()(dict(item)))
    assert error.value.file == str(scan)


def test_real_scans_fill_the_lower_part_of_the_image(real_frames):
    for sequence, frame, points_in_view in (('00', '000000', 19_000), ('08', '000005', 20_000)):
        folder = real_frames / 'dataset/sequences' / sequence
        calib = read_calib(folder / 'calib.txt')
        points = read_velodyne(folder / f'velodyne/{frame}.bin')
        camera = to_homogeneous(calib['Tr']), calib['P2'], (370, 1220)
        depth = scan_to_depth(points, *camera)
        pixels, found = project_lidar(points, *camera, np.inf)
        assert len(found) == pytest.approx(points_in_view, rel=0.1)
        # No pixel is farther than any of its points, and each is the depth of one.
        assert (depth[pixels[:, 1], pixels[:, 0]] <= found.astype(np.float32)).all()
        assert np.isin(depth[depth > 0], found.astype(np.float32)).all()
        assert 0.03 < (depth > 0).mean() < 0.06 and not depth[:90].any()
