"""tools/infer.py on scans: files of every format, folders, past scans, wrong options."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scan_files import write_las, write_pcd, write_ply
from scan_model import street_scan, write_config
from small_scene import LIDAR2CAM, P2

from mmssc.apis import PREDICTION_FORMATS, LidarInferencer, init_model
from mmssc.formats.kitti import write_calib, write_poses

SCAN = street_scan()
COUNT = 4


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Config, weights, and a drive: scans, poses of the LiDAR and of the camera."""
    root = tmp_path_factory.mktemp('scans')
    torch.manual_seed(0)
    model = init_model(write_config(root / 'config.py'))
    torch.save(dict(state_dict=model.state_dict(), meta={}), root / 'weights.pth')
    (root / 'velodyne').mkdir()
    poses = np.stack([np.eye(4)] * COUNT)
    poses[:, 0, 3] = np.arange(COUNT) * 0.8
    for number in range(COUNT):
        (SCAN - np.float32((0.8 * number, 0, 0, 0))).tofile(root / f'velodyne/{number + 8}.bin')
    write_poses(root / 'lidar_poses.txt', poses)
    write_poses(root / 'poses.txt', LIDAR2CAM @ poses @ np.linalg.inv(LIDAR2CAM))
    write_calib(root / 'calib.txt', dict(P2=P2, Tr=LIDAR2CAM[:3]))
    return root


@pytest.fixture
def infer(folder, tmp_path, tool_in_process):
    run = tool_in_process('infer.py')

    def call(*options, weights=folder / 'weights.pth'):
        out = tmp_path / 'out'
        return run(folder / 'config.py', weights, '--out', out, '--device', 'cpu', *options)

    return call


@pytest.fixture
def predict(folder):
    return LidarInferencer(folder / 'config.py', folder / 'weights.pth', 'cpu')


def labels_of(tmp_path, name):
    return torch.from_numpy(np.load(tmp_path / f'out/{name}.npy'))


def test_a_scan_to_every_format(folder, infer, predict, tmp_path):
    scan = folder / 'velodyne/8.bin'
    status, printed = infer('--points', scan, '--formats', *PREDICTION_FORMATS)
    assert status == 0, printed
    assert torch.equal(labels_of(tmp_path, '8'), predict(scan).pred_voxels)
    suffixes = {'.npy', '.label', '.png', '.ply', '.glb', '.html'}
    assert {path.suffix for path in (tmp_path / 'out').glob('8*')} == suffixes
    assert 'above the ground (from the ground); voxels: ' in printed and '% hidden' in printed


@pytest.mark.parametrize('name', ['a.npy', 'a.pcd', 'a.ply', 'a.las'])
def test_other_formats(infer, predict, tmp_path, name):
    path = tmp_path / name
    writers = dict(npy=np.save, pcd=lambda p, s: write_pcd(p, rows=s),
                   ply=lambda p, s: write_ply(p, rows=s), las=write_las)  # fmt: skip
    writers[path.suffix[1:]](path, SCAN)
    status, printed = infer('--points', path, '--formats', 'npy')
    assert status == 0, printed
    assert torch.equal(labels_of(tmp_path, 'a'), predict(path).pred_voxels)


def test_a_folder_in_the_order_of_its_numbers(folder, infer, tmp_path):
    options = ('--points', folder / 'velodyne', '--formats', 'npy', 'mp4', 'html', '--one-page')
    status, printed = infer(*options, '--frame-step', 2)
    assert status == 0, printed
    assert printed.index('8.bin') < printed.index('10.bin') and '9.bin' not in printed
    assert {path.name for path in (tmp_path / 'out').glob('[s1-9]*')} >= {'8.npy', '10.npy',
                                                                         'scenes.html'}  # fmt: skip
    status, printed = infer('--points', folder / 'velodyne', '--formats', 'npy', '--max-frames', 1,
                            '--overwrite')  # fmt: skip
    assert status == 0 and 'takes the first 1 scan only (--max-frames' in printed


@pytest.mark.parametrize('kind', ['lidar', 'camera'])
def test_past_scans(folder, infer, predict, tmp_path, kind):
    poses = ['--poses', folder / 'lidar_poses.txt']
    if kind == 'camera':
        poses = ['--poses', folder / 'poses.txt', '--calib', folder / 'calib.txt']
    scans = [folder / f'velodyne/{number}.bin' for number in (10, 9, 8)]
    status, printed = infer('--points', scans[0], '--earlier-points', *scans[1:], *poses,
                            '--frames', 2, 1, 0, '--formats', 'npy')  # fmt: skip
    assert status == 0, printed
    moves = [np.eye(4), np.eye(4)]
    moves[0][0, 3], moves[1][0, 3] = -0.8, -1.6
    expected = predict(scans[0], [*zip(scans[1:], moves)]).pred_voxels
    assert (labels_of(tmp_path, '10') != expected).float().mean() < 0.002  # rounding
    other_way = predict(scans[0], [*zip(scans[1:], map(np.linalg.inv, moves))]).pred_voxels
    assert (other_way != expected).float().mean() > 0.01


def test_camera_poses_without_the_calibration_are_noticed(folder, infer, tmp_path, recwarn):
    poses = np.stack([np.eye(4)] * 5)
    poses[:, 0, 3] = np.arange(5) * 2
    write_poses(tmp_path / 'camera.txt', LIDAR2CAM @ poses @ np.linalg.inv(LIDAR2CAM))
    scans = ('--points', folder / 'velodyne/9.bin', '--earlier-points', folder / 'velodyne/8.bin')
    options = ('--poses', tmp_path / 'camera.txt', '--frames', 1, 0, '--formats', 'npy')
    with pytest.warns(UserWarning, match='camera.txt: poses: the car starts sideways'):
        assert infer(*scans, *options)[0] == 0
    recwarn.clear()
    calib = ('--calib', folder / 'calib.txt')
    assert infer(*scans, *options, *calib, '--overwrite')[0] == 0
    assert not any('poses' in str(one.message) for one in recwarn)


def test_height_and_rotation(folder, infer, predict, tmp_path):
    turned = SCAN * np.float32((-1, -1, 1, 1))
    turned.tofile(tmp_path / 'back.bin')
    status, printed = infer('--points', tmp_path / 'back.bin', '--formats', 'npy',
                            '--sensor-height', 1.93, '--sensor-rotation', 0, 0, 180)  # fmt: skip
    assert status == 0 and 'sensor 1.93 m above the ground (as given)' in printed
    assert 'scan moved by +0.20 m' in printed
    expected = predict(SCAN, sensor_height=1.93).pred_voxels
    assert (labels_of(tmp_path, 'back') != expected).float().mean() < 0.002  # rounding


def test_the_height_in_the_training_data_can_be_said(folder, infer):
    options = ('--points', folder / 'velodyne/8.bin', '--sensor-height', 1.5, '--formats', 'npy')
    key = 'test_dataloader.dataset.metainfo.sensor_height'
    status, printed = infer(*options, '--cfg-options', f'{key}=2.0')
    assert status == 0 and 'scan moved by -0.50 m' in printed
    status, printed = infer(*options, '--cfg-options', f'{key}=None', '--overwrite')
    assert status == 2 and f'--cfg-options): {key}=METRES' in printed


def test_a_pitch_looks_down(folder, infer, predict, tmp_path):
    a = np.deg2rad(15)
    forward = SCAN[:, :3] @ np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0],
                                      [np.sin(a), 0, np.cos(a)]]).T  # fmt: skip
    np.save(tmp_path / 'a.npy', np.c_[forward, SCAN[:, 3]])
    status, printed = infer('--points', tmp_path / 'a.npy', '--formats', 'npy',
                            '--sensor-rotation', 0, 15, 0)  # fmt: skip
    assert status == 0, printed
    expected = predict(SCAN).pred_voxels
    # The sensor looks down: the ground ahead is above its horizon.
    assert (labels_of(tmp_path, 'a') != expected).float().mean() < 0.01


def test_an_untrained_model(folder, infer):
    scan = folder / 'velodyne/8.bin'
    status, printed = infer('--points', scan, '--formats', 'png', weights='untrained')
    assert status == 0 and 'voxels that the network takes least for empty' in printed


def test_a_wrong_scan_does_not_stop_the_others(folder, infer, tmp_path):
    (tmp_path / 'wrong.bin').write_bytes(bytes(13))
    options = ('--points', tmp_path / 'wrong.bin', folder / 'velodyne/8.bin', '--formats', 'npy')
    status, printed = infer(*options)
    assert status == 1 and (tmp_path / 'out/8.npy').exists()
    assert 'wrong.bin: not predicted: size: expected float32 numbers' in printed


WRONG = {
    'nothing': ((), '--points, which this model needs, found none'),
    'image': (('--points', 'a.bin', '--image', 'a.png'),
              '--image: expected an option of models for scans, found one of models for images or '
              'depth cameras'),
    'batch': (('--points', 'a.bin', '--batch-size', 2), '--batch-size: expected 1: scans are'),
    'step': (('--points', 'a.bin', '--frame-step', 2), 'expected a folder of scans as --points'),
    'past': (('--points', 'a.bin', '--earlier-points', 'b.bin'),
             '--earlier-points, --poses and --frames together'),
    'missing': (('--points', 'a.bin'), 'a.bin: file: expected an existing file, found none'),
    'format': (('--points', __file__), '.py: file name: expected a scan: .bin, .npy, .pcd'),
}  # fmt: skip


@pytest.mark.parametrize('name', WRONG)
def test_wrong_options(infer, name):
    options, text = WRONG[name]
    status, printed = infer(*options)
    assert status == 2 and printed.count('\n') == 1 and text in printed


def test_an_empty_folder_and_frames_without_a_pose(folder, infer, tmp_path):
    (tmp_path / 'empty').mkdir()
    status, printed = infer('--points', tmp_path / 'empty')
    assert status == 2 and 'scans: expected files .bin, .npy' in printed
    scan = folder / 'velodyne/8.bin'
    status, printed = infer('--points', scan, '--earlier-points', scan, '--poses',
                            folder / 'poses.txt', '--frames', 9, 0)  # fmt: skip
    assert status == 2 and '--frames: expected 2 of 0..3' in printed


def test_options_of_scans_are_refused_for_images(tool_in_process, tmp_path):
    run = tool_in_process('infer.py')
    status, printed = run('sgn-S', 'untrained', '--image', 'a.png', '--sensor-height', 1.5, '--out',
                          tmp_path)  # fmt: skip
    assert status == 2
    assert (
        '--sensor-height: expected an option of models for images, found one of models for scans'
        in printed
    )
