"""Cameras that cannot be, in the inferencer for drives and in tools/infer.py."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from small_scene import CAM2IMG, LIDAR2CAM, P2

from mmssc.apis import DrivingInferencer
from mmssc.errors import DataError

OPENGL = np.diag([1.0, -1, -1, 1])


@pytest.fixture(scope='module')
def inferencer(small_config, checkpoint):
    return DrivingInferencer(small_config, checkpoint, 'cpu')


def shifted(matrix: np.ndarray, factor: float) -> np.ndarray:
    matrix = matrix.copy()
    matrix[:3, 3] *= factor
    return matrix


WRONG = {
    'cam2img transposed': (CAM2IMG.T, LIDAR2CAM, 'cam2img: .*looks transposed'),
    'cam2img of another size': (np.diag([4, 4, 1]) @ CAM2IMG, LIDAR2CAM, 'cam2img: .*another size'),
    'cam2img normalised': (np.diag([1 / 96, 1 / 64, 1]) @ CAM2IMG, LIDAR2CAM, 'normalised'),
    'cam2img skewed': (CAM2IMG + [[0, 5, 0], [0] * 3, [0] * 3], LIDAR2CAM, 'no skew'),
    'P2 in millimetres': (P2 * (1, 1, 1, 1000), LIDAR2CAM, 'cam2img: .*pixels times metres'),
    'lidar2cam transposed': (CAM2IMG, LIDAR2CAM.T, 'lidar2cam: .*looks transposed'),
    'lidar2cam by columns': (CAM2IMG, LIDAR2CAM[:3].T.reshape(3, 4), 'like columns'),
    'lidar2cam inverse': (CAM2IMG, np.linalg.inv(LIDAR2CAM), 'the inverse'),
    'lidar2cam in OpenGL axes': (CAM2IMG, OPENGL @ LIDAR2CAM, 'OpenGL axes'),
    'lidar2cam in millimetres': (CAM2IMG, shifted(LIDAR2CAM, 1000), 'shift in millimetres'),
    'identity': (CAM2IMG, np.eye(4), 'x forward, y left, z up$'),
}


@pytest.mark.parametrize('name', WRONG)
def test_the_inferencer_names_the_cause(inferencer, scene, name):
    *camera, text = WRONG[name]
    with pytest.raises(DataError, match=f'^scene 0: .*{text}'):
        inferencer(scene['images'][2], *camera, depth=scene['depth'][2])


def test_a_right_camera_gives_no_warning_and_half_the_intrinsics_do(inferencer, scene):
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        # The random depth of the scene has no ground.
        warnings.filterwarnings('ignore', 'scene 0: depth: expected ground')
        inferencer(scene['images'][2], P2, LIDAR2CAM, depth=scene['depth'][2])
    half = np.diag([0.5, 0.5, 1]) @ CAM2IMG
    with pytest.warns(UserWarning, match='scene 0: the principal point .* far from the centre'):
        inferencer(scene['images'][2], half, LIDAR2CAM, depth=scene['depth'][2])


def test_earlier_frames_ahead_of_the_car_are_said(inferencer, scene):
    motions = np.tile(np.eye(4), (2, 1, 1))
    motions[:, 0, 3] = -6, -3
    frames = dict(img=scene['images'][0], depth=scene['depth'][0])

    def run(motions):
        earlier = [dict(frames, frame2ref=motion) for motion in motions]
        camera = (P2, LIDAR2CAM)
        inferencer(scene['images'][2], *camera, depth=scene['depth'][2], earlier_frames=earlier)

    with warnings.catch_warnings():
        warnings.filterwarnings('error', 'scene 0: poses')
        run(motions)
    with pytest.warns(UserWarning, match='scene 0: poses: the car starts backwards'):
        run(np.linalg.inv(motions))


@pytest.fixture
def infer(small_config, checkpoint, tree, tmp_path, tool_in_process):
    """Run tools/infer.py on frame 2 with a camera; returns the exit status and the output."""
    small_config.dump(tmp_path / 'config.py')
    raw = tree / 'dataset/sequences/08'
    depth = tree / 'dataset/depth/08/000002.npy'

    command = [tmp_path / 'config.py', checkpoint, '--image', raw / 'image_2/000002.png',
               '--depth', depth, '--formats', 'npy', '--out', tmp_path / 'out']  # fmt: skip
    run = tool_in_process('infer.py')
    return lambda *options: run(*command, *options)


def test_the_command_refuses_wrong_numbers(infer):
    right = ('--lidar2cam', *LIDAR2CAM[:3].flatten())
    status, text = infer('--cam2img', *CAM2IMG.T.flatten(), *right)
    assert status == 2 and '.png: cam2img: expected a third row 0 0 1' in text
    inverse = np.linalg.inv(LIDAR2CAM)[:3].flatten()
    status, text = infer('--cam2img', *CAM2IMG.flatten(), '--lidar2cam', *inverse)
    assert status == 2 and 'the inverse' in text


def test_the_command_refuses_a_wrong_calib_file(infer, tmp_path):
    row = ' '.join(map(str, np.linalg.inv(LIDAR2CAM)[:3].flatten()))
    camera = ' '.join(map(str, P2.flatten()))
    (tmp_path / 'calib.txt').write_text(f'\r\nP2: {camera}\r\n\r\nTr: {row}\r\n\r\n')
    status, text = infer('--calib', tmp_path / 'calib.txt')
    assert status == 2 and 'lidar2cam: ' in text and 'the inverse' in text
