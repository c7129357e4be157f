"""Scans of a data set: past scans, flips with points, and changes for training."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from tiny_tree import GRID, NUM_POSES, write_tree

from mmssc.datasets import SemanticKITTIDataset
from mmssc.datasets.transforms import (
    DropLidarPoints,
    FlipDrivingScene,
    FlipLidarScene,
    JitterLidarPoints,
    LoadDrivingPoints,
    ThinLidarBeams,
)
from mmssc.errors import DataError
from mmssc.formats.kitti import write_velodyne
from mmssc.geometry import floor_points, scan_to_occupancy

RNG = np.random.default_rng(5)
#: Scan of each frame: (M, 4), some points outside of the grid.
SCANS = [
    RNG.uniform((-4, -30, -3, 0), (60, 30, 6, 1), (300 + n, 4)).astype(np.float32)
    for n in range(NUM_POSES)
]


@pytest.fixture(scope='module')
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp('kitti')
    write_tree(root)
    for sequence in ('00', '08'):
        (root / f'dataset/sequences/{sequence}/velodyne').mkdir()
        for frame, scan in enumerate(SCANS):
            write_velodyne(root / f'dataset/sequences/{sequence}/velodyne/{frame:06d}.bin', scan)
    return root


@pytest.fixture
def items(tree):
    def build(**options):
        dataset = SemanticKITTIDataset(
            'semantickitti_infos_val.json', str(tree), pipeline=[], serialize_data=False, **options
        )
        samples = [dataset.get_data_info(number) for number in range(len(dataset))]
        return {(sample['sequence'], sample['frame_id']): sample for sample in samples}

    return build


def test_past_scans_are_moved_by_the_poses(items):
    item = items(frame_offsets=(-3,))['08', '000005']
    results = LoadDrivingPoints(source='velodyne')(dict(item))
    past = np.c_[SCANS[2][:, :3].astype(np.float64), np.ones(len(SCANS[2]))]
    expected = np.concatenate([SCANS[5][:, :3], (past @ item['frame2ref'][1].T)[:, :3]])
    np.testing.assert_allclose(results['points'], expected, atol=1e-4)
    assert not np.allclose(results['points'][len(SCANS[5]) :], SCANS[2][:, :3], atol=0.1)
    np.testing.assert_array_equal(
        results['reflectance'], np.concatenate([SCANS[5][:, 3], SCANS[2][:, 3]])
    )


def test_a_mirrored_scene_keeps_points_and_occupancy_together(items):
    item = items()['08', '000005']
    results = LoadDrivingPoints(source='velodyne')(dict(item))
    results['img_shape'] = (32, 48)
    results['occupancy'] = occupancy(results['points'])
    before = dict(results)
    flipped = FlipDrivingScene().flip(results)
    assert flipped['occupancy'].any() and (flipped['occupancy'] != before['occupancy']).any()
    np.testing.assert_array_equal(flipped['occupancy'], occupancy(flipped['points']))
    assert flipped['reflectance'] is before['reflectance']


def occupancy(points):
    return scan_to_occupancy(torch.from_numpy(points), GRID).numpy()


def sample():
    scan = SCANS[0].copy()
    return dict(points=scan[:, :3].copy(), reflectance=scan[:, 3].copy())


def test_jitter_is_small_and_differs():
    results = JitterLidarPoints(0.02, 0.03)(sample())
    moved = np.abs(results['points'] - SCANS[0][:, :3])
    assert 0.01 < moved.mean() < 0.02 and moved.max() < 0.0301
    assert results['points'].dtype == np.float32
    assert (results['points'] != JitterLidarPoints(0.02, 0.03)(sample())['points']).any()


def test_dropped_points_take_their_reflectance_with_them():
    results = DropLidarPoints((0.3, 0.3))(sample())
    count = len(results['points'])
    assert 150 < count < 260 and len(results['reflectance']) == count
    kept = np.isin(SCANS[0][:, 0], results['points'][:, 0])
    np.testing.assert_array_equal(results['reflectance'], SCANS[0][kept, 3])
    assert len(DropLidarPoints((0.0, 0.0))(sample())['points']) == len(SCANS[0])


def beams(count=64, columns=50):
    """A scan in the order of KITTI: each beam turns once from azimuth 0."""
    azimuth = np.linspace(0.01, 6.27, columns)[None]
    elevation = np.deg2rad(np.linspace(2, -24.8, count))[:, None]
    flat = 10 * np.cos(elevation)
    points = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth),
                       10 * np.sin(elevation) + 0 * azimuth], -1)  # fmt: skip
    return points.reshape(-1, 3).astype(np.float32)


@pytest.mark.parametrize('keep', [1, 16, 32, 64])
def test_thinned_beams(keep):
    points = beams()
    results = ThinLidarBeams(keep)(dict(points=points, reflectance=np.arange(len(points))))
    assert len(results['points']) == keep * 50
    assert len(np.unique(np.round(results['points'][:, 2], 4))) == keep
    np.testing.assert_array_equal(points[results['reflectance']], results['points'])


@pytest.mark.parametrize('count', [0, 1])
@pytest.mark.parametrize(
    'change', [ThinLidarBeams(64), DropLidarPoints((0.0, 0.0)), JitterLidarPoints()]
)
def test_a_scan_of_no_or_one_point(change, count):
    results = change(dict(points=np.ones((count, 3), np.float32), reflectance=np.ones(count)))
    assert results['points'].shape == (count, 3) and len(results['reflectance']) == count


@pytest.mark.parametrize('seed', range(5))
def test_all_changes_together_keep_scans_whole(items, seed):
    """Past scan, jitter, dropout, flips: points, reflectance, occupancy and targets stay together.

    The label of each voxel says which of its points is the brightest one, so it names its voxel.
    """
    random.seed(seed)
    results = LoadDrivingPoints(source='velodyne')(dict(items(frame_offsets=(-3,))['08', '000005']))
    for change in (JitterLidarPoints(0.02), DropLidarPoints((0.1, 0.6))):
        results = change(results)
    results['occupancy'] = occupancy(results['points'])
    results['gt_voxels'] = brightest(results)
    results['eval_masks'] = dict(visible=results['occupancy'].copy())
    before = results['gt_voxels']
    flipped = FlipLidarScene(prob=1.0)(results)
    np.testing.assert_array_equal(flipped['occupancy'], occupancy(flipped['points']))
    np.testing.assert_array_equal(flipped['gt_voxels'], brightest(flipped))
    np.testing.assert_array_equal(flipped['eval_masks']['visible'], flipped['occupancy'])
    np.testing.assert_array_equal(flipped['gt_voxels'][::-1, ::-1], before)


def brightest(results):
    """(X, Y, Z) uint8: the largest reflectance of the points of each voxel."""
    cells, inside = floor_points(torch.from_numpy(results['points']), GRID)
    volume = np.zeros(GRID.shape, np.uint8)
    bright = (results['reflectance'][inside.numpy()] * 250 + 1).astype(np.uint8)
    np.maximum.at(volume, tuple(cells.T.numpy()), bright)
    return volume


@pytest.mark.parametrize(
    'make, text',
    [
        (lambda: ThinLidarBeams(24), 'divisors of 64 beams, found .24.'),
        (lambda: DropLidarPoints((0.5, 0.2)), 'the lower one first'),
        (lambda: JitterLidarPoints(-1), 'distances of 0 or more'),
        (lambda: JitterLidarPoints(float('nan')), 'distances of 0 or more'),
        (lambda: ThinLidarBeams(16)(sample()), 'points in the order of the beams'),
    ],
)
def test_wrong_settings(make, text):
    with pytest.raises(DataError, match=text):
        make()
