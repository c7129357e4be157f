"""Scans from memory: any height, orientation and box; what the result says; a loop for a robot."""

from __future__ import annotations

import copy
import resource
import warnings

import numpy as np
import pytest
import torch
from mmengine.config import Config
from scan_model import GRID, street_scan, write_config
from scipy.spatial.transform import Rotation

from mmssc.apis import DrivingInferencer, LidarInferencer, build_inferencer, is_lidar_config
from mmssc.datasets import SemanticKITTIDataset
from mmssc.errors import DataError
from mmssc.geometry import OCCLUDED, UNOBSERVED, VISIBLE, scan_to_occupancy
from mmssc.registry import INFERENCERS
from mmssc.structures import VoxelGrid

SCAN = street_scan()
BOX = VoxelGrid(**GRID)
METAINFO = SemanticKITTIDataset.METAINFO


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    return Config.fromfile(write_config(tmp_path_factory.mktemp('config') / 'lidar.py'))


@pytest.fixture(scope='module')
def inferencer(config):
    torch.manual_seed(0)
    inferencer = LidarInferencer(config, 'untrained', 'cpu')
    inferencer.model.test_cfg['keep_logits'] = True
    return inferencer


def occupancy(points):
    return scan_to_occupancy(torch.as_tensor(points), BOX)


def logits_of(inferencer, points, reflectance):
    """The logits of the model for points in the frame of the grid."""
    inputs = dict(points=[torch.as_tensor(points)], reflectance=[torch.as_tensor(reflectance)])
    return inferencer.model.predict_logits(inputs)[0]


def test_equals_the_model_on_the_same_points(inferencer):
    sample = inferencer(SCAN)
    inside = ((SCAN[:, :3] > BOX.origin) & (SCAN[:, :3] < BOX.upper)).all(1)
    expected = logits_of(inferencer, SCAN[inside, :3], SCAN[inside, 3])
    torch.testing.assert_close(sample.voxel_logits, expected, rtol=1e-5, atol=1e-6)
    assert sample.pred_voxels.shape == (32, 32, 8) and sample.pred_voxels.dtype == torch.uint8
    assert sample.voxel_grid == BOX and sample.pred_voxels.device.type == 'cpu'
    np.testing.assert_array_equal(sample.scan2grid, np.eye(4))
    assert sample.sensor_height == pytest.approx(1.73, abs=0.05)


@pytest.mark.parametrize('kind', ['double', 'bytes', 'tensor', 'five columns', 'file'])
def test_scans_of_every_kind(inferencer, tmp_path, kind):
    scan = SCAN.copy()
    if kind == 'double':
        scan = scan.astype(np.float64)
    elif kind == 'bytes':
        scan[:, 3] *= 255
    elif kind == 'tensor':
        scan = torch.from_numpy(scan)
    elif kind == 'five columns':
        scan = np.c_[scan, np.arange(len(scan))]
    else:
        scan.tofile(tmp_path / 'scan.bin')
        scan = tmp_path / 'scan.bin'
    found, expected = inferencer(scan), inferencer(SCAN)
    torch.testing.assert_close(found.voxel_logits, expected.voxel_logits, rtol=1e-4, atol=1e-5)
    assert found.frame_id == ('scan' if kind == 'file' else '000000')


def test_rays_without_return_do_not_matter(inferencer):
    with_gaps = np.r_[SCAN, np.zeros((5, 4)), np.full((5, 4), np.nan)].astype(np.float32)
    found, expected = inferencer(with_gaps), inferencer(SCAN)
    torch.testing.assert_close(found.voxel_logits, expected.voxel_logits)


def test_what_was_seen(inferencer):
    sample = inferencer(SCAN)
    seen = sample.visibility
    assert seen.dtype == torch.uint8 and seen.shape == (32, 32, 8)
    hit = occupancy(SCAN[:, :3])
    assert (seen[hit] == VISIBLE).all()
    centers = BOX.centers().view(32, 32, 8, 3)
    behind = (centers[..., 1].abs() > 5.8) & (centers[..., 2].abs() < 0.6)
    behind &= centers[..., 0] > 2
    assert (seen[behind] == OCCLUDED).all()
    street = (centers[..., 1].abs() < 4) & (centers[..., 0] > 5) & (centers[..., 0] < 12)
    between = street & (centers[..., 2] > -1.2) & (centers[..., 2] < 0.2)
    assert (seen[between] == VISIBLE).all()
    above = street & (centers[..., 2] > 0.9) & (centers[..., 0] < 6.5)
    assert above.any() and (seen[above] == UNOBSERVED).all()


@pytest.mark.parametrize('height', [0.8, 3.0])
@pytest.mark.parametrize('is_given', [True, False])
def test_another_height(inferencer, height, is_given):
    given = dict(sensor_height=height) if is_given else {}
    sample = inferencer(street_scan(height, noise=0), **given)
    assert sample.sensor_height == pytest.approx(height, abs=0.06)
    shift = sample.scan2grid[2, 3]
    assert shift == pytest.approx(height - 1.73, abs=1e-9 if is_given else 0.06)
    # The ground is where that of the training data is.
    points = torch.from_numpy(street_scan(height, noise=0)[:, :3]) + torch.tensor([0, 0, shift])
    ground = points[points[:, 1].abs() < 3, 2]
    assert ground.median().item() == pytest.approx(-1.73, abs=0.06)


@pytest.mark.parametrize('turn', [20.0, -12.0])
def test_a_tilted_sensor_is_levelled(inferencer, turn):
    a = np.deg2rad(turn)
    tilt = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    tilted = np.c_[SCAN[:, :3] @ tilt.T, SCAN[:, 3]].astype(np.float32)
    with pytest.warns(UserWarning, match='scan: the ground is tilted.*--sensor-rotation'):
        found = inferencer(tilted)
    np.testing.assert_allclose(found.scan2grid[:3, :3] @ tilt, np.eye(3), atol=0.02)
    exact = inferencer(tilted, rotation=tilt.T, sensor_height=1.73)
    expected = inferencer(SCAN, sensor_height=1.73)
    differing = (exact.pred_voxels != expected.pred_voxels).float().mean()
    assert differing < 0.01  # Rounding moves a point over a face of its voxel.


def test_a_sensor_that_looks_back(inferencer):
    turned = SCAN * np.float32((-1, -1, 1, 1))
    back = np.diag([-1.0, -1, 1])
    found, expected = inferencer(turned, rotation=back), inferencer(SCAN)
    torch.testing.assert_close(found.voxel_logits, expected.voxel_logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    'axes, kind',
    [
        ([[1, 0, 0], [0, -1, 0], [0, 0, -1]], 'upside down'),
        ([[0, -1, 0], [0, 0, -1], [1, 0, 0]], 'in camera axes'),
        ([[0, -1, 0], [0, 0, 1], [-1, 0, 0]], 'in axes with y up'),
    ],
)
def test_a_scan_in_other_axes_is_told_with_its_rotation(inferencer, axes, kind):
    turned = np.c_[SCAN[:, :3] @ np.array(axes).T, SCAN[:, 3]].astype(np.float32)
    with pytest.warns(UserWarning, match=f'no clear ground.*it is {kind}') as caught:
        assert inferencer(turned).sensor_height is None
    angles = str(caught[0].message).rpartition('--sensor-rotation ')[2].split()
    rotation = Rotation.from_euler('xyz', [float(angle) for angle in angles], degrees=True)
    with warnings.catch_warnings():
        warnings.simplefilter('error')  # With the rotation of the message, all is well.
        found = inferencer(turned, rotation=rotation.as_matrix())
    np.testing.assert_allclose(found.scan2grid[:3, :3] @ axes, np.eye(3), atol=1e-9)
    assert found.sensor_height == pytest.approx(1.73, abs=0.06)


def test_past_scans_are_moved_by_their_poses(inferencer):
    past = SCAN - np.float32((2, 0, 0, 0))  # the sensor was 2 m behind
    pose = np.eye(4)
    pose[0, 3] = 2
    found = inferencer(SCAN, [(past, pose)])
    assert torch.equal(found.pred_voxels, inferencer(SCAN).pred_voxels)
    far = np.float32([[8, 1, 0, 0.5]])
    found = inferencer(SCAN, [(far, pose)])
    voxel = ((torch.tensor([10, 1, 0]) - torch.tensor(BOX.origin)) / 0.4).long()
    assert found.visibility[tuple(voxel)] == VISIBLE
    assert (found.pred_voxels != inferencer(SCAN).pred_voxels).any()


def test_another_box(config):
    box = dict(GRID, origin=[-6.4, -6.4, -2.0], shape=[40, 32, 16])
    inferencer = LidarInferencer(config, 'untrained', 'cpu', voxel_grid=box)
    sample = inferencer(SCAN)
    assert sample.pred_voxels.shape == sample.visibility.shape == (40, 32, 16)
    assert sample.voxel_grid == VoxelGrid(**box)
    assert (sample.visibility[:10] == VISIBLE).any()  # behind the sensor, too


def test_a_model_of_occupancy(config):
    changed = copy.deepcopy(config)
    changed.test_dataloader.dataset.pipeline[0] = dict(type='TinyScanOccupancy')
    changed.model.reads_reflectance = False
    torch.manual_seed(0)
    inferencer = LidarInferencer(changed, 'untrained', 'cpu')
    sample = inferencer(SCAN[:, :3])
    inputs = dict(occupancy=occupancy(SCAN[:, :3])[None])
    expected = inferencer.model.predict_logits(inputs)[0].argmax(0)
    assert torch.equal(sample.pred_voxels.long(), expected)


def test_a_left_handed_model_gets_the_scan_as_it_is(config):
    changed = copy.deepcopy(config)
    changed.model.voxel_grid.frame = 'carla'
    torch.manual_seed(0)
    other = LidarInferencer(changed, 'untrained', 'cpu')
    torch.manual_seed(0)
    usual = LidarInferencer(config, 'untrained', 'cpu')
    sample = other(SCAN)
    assert torch.equal(sample.pred_voxels, usual(SCAN).pred_voxels)
    assert sample.voxel_grid.frame == 'lidar'


def test_no_intensity(inferencer):
    with pytest.warns(UserWarning, match='scan: no intensity: the model reads it'):
        sample = inferencer(SCAN[:, :3])
    zeros = inferencer(SCAN * np.float32((1, 1, 1, 0)))
    assert torch.equal(sample.voxel_logits, zeros.voxel_logits)


def test_no_clear_ground(inferencer):
    wall = np.float32([[8, y, z, 0] for y in np.linspace(-5, 5, 40) for z in np.linspace(0, 3, 20)])
    with pytest.warns(UserWarning, match='no clear ground.*--sensor-height'):
        sample = inferencer(wall)
    assert sample.sensor_height is None and (sample.scan2grid == np.eye(4)).all()
    assert inferencer(wall, sensor_height=1.0).sensor_height == 1.0


WRONG = {
    'shape': (np.zeros(4), {}, r'points: expected a file, or \(N, 3 or 4\) numbers'),
    'columns': (np.zeros((5, 9)), {}, r'found float64 \(5, 9\)'),
    'text': (np.array([['a', 'b', 'c']]), {}, 'numbers: x, y, z, intensity'),
    'empty': (np.zeros((0, 3)), {}, 'at least one return, found no point'),
    'outside': (SCAN[:, :3] + np.float32((500, 0, 0)), {}, 'inside the box.*Are these metres'),
    'height': (SCAN, dict(sensor_height=-1), 'sensor_height: expected metres above the ground'),
    'rotation': (SCAN, dict(rotation=np.eye(4)), r'rotation: expected shape \(3, 3\)'),
    'mirror': (SCAN, dict(rotation=np.diag([1, -1, 1])), 'rotation'),
    'pose': (SCAN, dict(past_scans=[(SCAN, np.zeros((4, 4)))]), 'past scan 0: pose'),
    'intensity': (SCAN, dict(largest_intensity=0.1), 'intensity: expected 0 to 0.1'),
}  # fmt: skip


@pytest.mark.parametrize('name', WRONG)
def test_wrong_arguments(inferencer, name):
    points, options, text = WRONG[name]
    with pytest.raises(DataError, match=text) as caught:
        inferencer(points, **options)
    assert str(caught.value).startswith('scan')


def test_a_height_without_that_of_the_training_data(config):
    changed = copy.deepcopy(config)
    changed.test_dataloader.dataset.metainfo = dict(sensor_height=None)
    inferencer = LidarInferencer(changed, 'untrained', 'cpu')
    sample = inferencer(SCAN)
    assert sample.sensor_height is None and (sample.scan2grid == np.eye(4)).all()
    with pytest.raises(
        DataError, match='--cfg-options.: test_dataloader.dataset.metainfo.sensor_height=METRES'
    ):
        inferencer(SCAN, sensor_height=1.5)


def test_is_built_for_its_configs(config):
    assert is_lidar_config(config) and not is_lidar_config('sgn-S')
    assert isinstance(build_inferencer(config, 'untrained', 'cpu'), LidarInferencer)
    built = INFERENCERS.build(
        dict(type='mmssc.LidarInferencer', config=config, checkpoint='untrained', device='cpu')
    )
    assert built.inputs == {'points', 'reflectance'}
    with pytest.raises(DataError, match='picks the inferencer.*LidarInferencer'):
        DrivingInferencer(config, 'untrained', 'cpu')


@pytest.mark.parametrize('frame', ['00/velodyne/000000.bin', '08/velodyne/000005.bin'])
def test_real_scans_stay_where_they_are(config, real_frames, frame):
    inferencer = LidarInferencer(config, 'untrained', 'cpu', voxel_grid=METAINFO['voxel_grid'])
    sample = inferencer(real_frames / 'dataset/sequences' / frame)
    assert (sample.scan2grid == np.eye(4)).all()
    assert sample.sensor_height == pytest.approx(1.73, abs=0.15)
    shares = [float((sample.visibility == state).float().mean()) for state in range(3)]
    assert min(shares) > 0.1 and shares[VISIBLE] < 0.5


def test_a_loop_keeps_no_memory(inferencer):
    def run(count):
        for number in range(count):
            inferencer(street_scan(1.73 + 0.001 * number))
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with warnings.catch_warnings():
        warnings.simplefilter('error')
        before = run(20)
        assert run(60) - before < 8 * 1024  # kB
