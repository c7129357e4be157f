"""Where a camera stands: inverse poses, other axes, millimetres; no alarm on real calibrations."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from mmssc.datasets.sscbench_kitti360 import kitti360_calibration
from mmssc.errors import DataError
from mmssc.formats.kitti import read_calib
from mmssc.formats.matrices import to_homogeneous
from mmssc.formats.sscnet import read_sscnet_header
from mmssc.geometry import field_of_view_mask, turn_camera
from mmssc.geometry.floor import tilted_camera
from mmssc.structures import VoxelGrid
from mmssc.structures.camera_causes import camera_angles
from mmssc.structures.camera_checks import as_pose
from mmssc.structures.camera_placement import (
    check_road_camera,
    check_room_camera,
    drive_remarks,
    seen_share,
)

GRID = VoxelGrid((0, -25.6, -2), 0.2, (256, 256, 32))
P2 = np.array([[707.0912, 0, 601.8873, 46.88783], [0, 707.0912, 183.1104, 0.1178601],
               [0, 0, 1, 0.006203223]])  # fmt: skip
OPENGL = np.diag([1.0, -1, -1, 1])


def with_shift(pose: np.ndarray, factor: float) -> np.ndarray:
    pose = pose.copy()
    pose[:3, 3] *= factor
    return pose


def with_turn(pose: np.ndarray, turn: np.ndarray) -> np.ndarray:
    pose = pose.copy()
    pose[:3, :3] = turn
    return pose


def test_right_calibrations_give_no_alarm(kitti_lidar2cam):
    projection, lidar2cam = kitti360_calibration()
    for camera in ((lidar2cam, projection), (kitti_lidar2cam, P2)):
        assert check_road_camera(*camera, GRID, 'file') == []


def test_the_share_is_that_of_the_whole_grid(kitti_lidar2cam):
    matrices = (torch.from_numpy(kitti_lidar2cam), torch.from_numpy(P2[:, :3]))
    mask = field_of_view_mask(GRID, *matrices, (370, 1220))
    share = seen_share(GRID, kitti_lidar2cam, P2[:, :3], (370, 1220))
    assert share == pytest.approx(float(mask.double().mean()), abs=0.02)
    # The order of the array axes does not matter.
    other = VoxelGrid((0, -2, -25.6), 0.2, (256, 32, 256), ('x', 'z', 'y'))
    assert seen_share(other, kitti_lidar2cam, P2[:, :3], (370, 1220)) == share


WRONG_VIEWS = dict(
    inverse=(np.linalg.inv, 'sees 3.1% of the box .*the inverse'),
    turned=(lambda pose: with_turn(pose, pose[:3, :3].T), 'transposed rotation'),
    opengl=(lambda pose: OPENGL @ pose, 'upside down, .*OpenGL axes'),
    inverse_opengl=(lambda pose: np.linalg.inv(OPENGL @ pose), 'the inverse, in OpenGL axes'),
    millimetres=(lambda pose: with_shift(pose, 1000), 'sees 0.0% .*shift in millimetres'),
    lidar_axes=(lambda pose: with_turn(pose, np.eye(3)), 'x forward, y left, z up$'),
    upside_down=(lambda pose: np.diag([-1.0, -1, 1, 1]) @ pose, 'upside down'),
    backwards=(lambda pose: np.diag([-1.0, 1, -1, 1]) @ pose, 'sees 0.0% of the box'),
)


@pytest.mark.parametrize(('spoil', 'text'), WRONG_VIEWS.values(), ids=WRONG_VIEWS)
def test_wrong_views(kitti_lidar2cam, spoil, text):
    with pytest.raises(DataError, match=f'^file: lidar2cam: .*{text}'):
        check_road_camera(spoil(kitti_lidar2cam), P2, GRID, 'file')


def test_a_fourth_column_in_millimetres(kitti_lidar2cam):
    projection = P2 * (1, 1, 1, 1000)
    with pytest.raises(DataError, match='file: P2: .*pixels times metres'):
        check_road_camera(kitti_lidar2cam, projection, GRID, 'file')


def test_suspicious_views_are_said(kitti_lidar2cam):
    telephoto = P2 * ((10, 1, 1, 1), (1, 10, 1, 1), (1, 1, 1, 1))
    (remark,) = check_road_camera(kitti_lidar2cam, telephoto, GRID, 'file')
    assert 'the camera sees' in remark


TO_AIRCRAFT = np.array([[0.0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
NUSCENES = np.array([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
# What a user may give instead of lidar2cam -> the words that name it.
CAUSES = dict(
    centimetres=(lambda pose: with_shift(pose, 100), 'a shift in centimetres$'),
    millimetres=(lambda pose: with_shift(pose, 1000), 'a shift in millimetres$'),
    kilometres=(lambda pose: with_shift(pose, 0.001), 'mm from the lidar: is it .* in metres'),
    clockwise=(lambda pose: TURN.T @ pose, 'rolled by 9.* clockwise by 90 degrees.$'),
    anticlockwise=(lambda pose: TURN @ pose, 'rolled by [89].* clockwise by 270 degrees.$'),
    upside_down=(lambda pose: TURN @ TURN @ pose, 'a rolled camera .*by 180 degrees'),
    aircraft=(lambda pose: TO_AIRCRAFT @ pose, 'camera axes x forward, y right, z down$'),
    nuscenes=(lambda pose: pose @ np.linalg.inv(NUSCENES), 'lidar axes x right, y forward'),
)
# From the camera of an upright image to that of the image turned clockwise by 90 degrees.
TURN = np.array([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


@pytest.mark.parametrize(('spoil', 'text'), CAUSES.values(), ids=CAUSES)
def test_the_likeliest_cause_is_named(kitti_lidar2cam, spoil, text):
    projection, kitti360 = kitti360_calibration()
    for lidar2cam, camera in ((kitti_lidar2cam, P2), (kitti360, projection)):
        try:
            (said,) = check_road_camera(spoil(lidar2cam), camera, GRID, 'file')
        except DataError as error:
            said = str(error)
        assert re.search(text, said), said


def test_a_crop_of_unknown_size_is_judged_by_its_direction(kitti_lidar2cam):
    for left, top in ((1300, 0), (601, 183), (0, 400)):
        crop = P2 - np.outer([left, top, 0], P2[2])
        remarks = check_road_camera(kitti_lidar2cam, crop, GRID, 'file')
        assert all('sees' in remark for remark in remarks)
        with pytest.raises(DataError, match='upside down'):
            check_road_camera(OPENGL @ kitti_lidar2cam, crop, GRID, 'file')


@pytest.mark.parametrize('tilt', [-20, 0, 35, 89])
def test_right_stands_give_no_alarm(tilt):
    pose = tilted_camera(1.3, np.radians(tilt), np.radians(-20)).double().numpy()
    assert check_room_camera(as_pose(pose, 'file', 'pose'), 'file', 'pose') == []
    expected = (tilt, 0 if tilt > 75 else -20)
    assert camera_angles(pose) == pytest.approx(expected, abs=0.01)


def stand(height: float = 1.3) -> np.ndarray:
    """A camera at x = 0.4, y = 0.7 that looks 20 degrees down."""
    pose = tilted_camera(height, np.radians(20)).double().numpy()
    pose[:2, 3] = 0.4, 0.7
    return as_pose(pose, 'file', 'pose')


Y_UP = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
WRONG_STANDS = dict(
    opengl=(stand() @ OPENGL, 'upside down. It looks like OpenGL axes'),
    inverse=(np.linalg.inv(stand()), 'It looks like the inverse'),
    millimetres=(with_shift(stand(), 1000), '1300.00 m above the floor. .*millimetres'),
    below=(stand(-0.4), '0.40 m below the floor'),
    upside_down=(stand() @ TURN @ TURN, r'a rolled camera \(turn its images .* 180 degrees\)'),
    centimetres=(with_shift(stand(), 100), 'a shift in centimetres'),
    unity=(
        np.linalg.inv(Y_UP) @ stand() @ OPENGL,
        'It looks like a world and a camera with y up \\(OpenGL, Unity\\)',
    ),
    y_up=(np.linalg.inv(Y_UP) @ stand(), 'It looks like a world with y up'),
    first_camera=(np.eye(4), 'It looks like a world with y down'),
)


@pytest.mark.parametrize(('pose', 'text'), WRONG_STANDS.values(), ids=WRONG_STANDS)
def test_wrong_stands(pose, text):
    with pytest.raises(DataError, match=f'^file: pose: .*{text}'):
        check_room_camera(pose, 'file', 'pose')


def test_suspicious_stands_are_said():
    world_of_first_camera = np.eye(4)
    world_of_first_camera[2, 3] = 0.3
    (remark,) = check_room_camera(world_of_first_camera, 'file', 'pose')
    assert 'looks up by 90 degrees' in remark
    (remark,) = check_room_camera(stand(0.05), 'file', 'pose')
    assert '0.05 m above the floor' in remark
    for yaw in (0.0, 0.9, 2.0):
        turned = np.eye(4)
        turned[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
        for rolled, turn in ((TURN, 90), (TURN.T, 270)):
            pose = turned @ stand() @ rolled
            (remark,) = check_room_camera(pose, 'file', 'pose')
            # --rotate makes such images upright.
            _, rotate = turn_camera(torch.eye(3), (1, 1), turn)
            assert check_room_camera(pose @ rotate.numpy().T, 'file', 'pose') == []
            assert f'like a rolled camera (turn its images clockwise by {turn} degrees)' in remark
    to_vehicle = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    (remark,) = check_room_camera(stand() @ np.linalg.inv(to_vehicle), 'file', 'pose')
    assert 'It looks like camera axes x forward, y left, z up' in remark
    # A world without a floor at 0.
    assert check_room_camera(stand(-0.4), 'file', 'pose', has_floor=False) == []


def drive(direction: tuple[float, float, float], count: int = 40) -> np.ndarray:
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, 3] = np.outer(np.arange(count), direction)
    return poses


def test_the_motion_of_a_car():
    frames = np.arange(40)
    assert drive_remarks(drive((1, 0.1, 0)), frames) == []
    assert 'all are equal' in drive_remarks(drive((0, 0, 0)), frames)[0]
    assert drive_remarks(drive((0, 0, 0), 1), frames[:1]) == []
    assert 'backwards' in drive_remarks(np.linalg.inv(drive((1, 0, 0))), frames)[0]
    assert 'sideways' in drive_remarks(drive((0, 1, 0)), frames)[0]
    assert 'metres?' in drive_remarks(drive((900, 0, 0)), frames)[0]
    assert 'in centimetres, not' in drive_remarks(drive((90, 0, 0)), frames)[0]
    assert 'kilometres?' in drive_remarks(drive((9e-4, 0, 0)), frames)[0]
    trembling = drive((0, 0, 0))
    trembling[:, :3, 3] = np.random.default_rng(0).normal(0, 0.002, (40, 3))
    assert drive_remarks(trembling, frames) == []
    # Poses with gaps: 60 m between two of them is no haste.
    assert drive_remarks(drive((60, 0, 0)), 50 * frames) == []


def test_real_frames_give_no_alarm(real_frames):
    for folder in (real_frames / 'dataset/sequences').iterdir():
        calib = read_calib(folder / 'calib.txt')
        assert check_road_camera(to_homogeneous(calib['Tr']), calib['P2'], GRID, folder) == []


def test_real_nyu_gives_no_alarm(raw_nyu):
    (path,) = raw_nyu.rglob('NYU0001_0000.bin')
    assert check_room_camera(as_pose(read_sscnet_header(path)[1], path, 'pose'), path, 'pose') == []
