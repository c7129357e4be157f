"""Images cut out of larger ones: their principal point can be anywhere, if the user says so."""

from __future__ import annotations

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image
from small_scene import CAM2IMG, LIDAR2CAM, ROOT

from mmssc.apis import DrivingInferencer, RGBDInferencer
from mmssc.errors import DataError
from mmssc.formats.numpy_arrays import read_npz

OPTION = r'give --cropped-images \(in Python: cropped_images=True\)$'


def cut(matrix: np.ndarray, left: int, top: int) -> np.ndarray:
    """The intrinsics of an image without its first columns and rows."""
    return matrix - [[0, 0, left], [0, 0, top], [0, 0, 0]]


@pytest.mark.parametrize(('left', 'top'), [(60, 0), (0, 40), (48, 32)])
def test_a_crop_for_the_inferencer_of_drives(small_config, checkpoint, scene, left, top):
    inferencer = DrivingInferencer(small_config, checkpoint, 'cpu')
    image, depth = (scene[key][2][top:, left:] for key in ('images', 'depth'))
    camera = cut(CAM2IMG, left, top), LIDAR2CAM
    with pytest.raises(DataError, match=f'scene 0: cam2img: .*inside the image.*{OPTION}'):
        inferencer(image, *camera, depth=depth)
    (sample,) = inferencer(image, *camera, depth=depth, cropped_images=True)
    assert np.array_equal(sample.cam2img, camera[0])


@pytest.fixture(scope='module')
def room():
    return read_npz(ROOT / 'tests/data/light/room.npz', ['depth_mm', 'cam2world'])


CAMERA = np.array([[259.42895, 0, 160], [0, 259.42895, 120], [0, 0, 1]])


def test_a_crop_of_a_depth_image_sees_what_the_whole_image_saw(room):
    cfg = Config.fromfile(ROOT / 'configs/light/light_depth_nyu.py')
    cfg.model.stem.out_channels = 8
    cfg.model.head.update(channels=(8, 12, 12), hidden_channels=8)
    inferencer = RGBDInferencer(cfg, device='cpu')
    depth, pose = room['depth_mm'].astype(np.float32) / 1000, room['cam2world']
    with pytest.raises(DataError, match='found cx = -40, cy = 120.*give cropped_images=True$'):
        inferencer(depth[:, 200:], cut(CAMERA, 200, 0), pose)
    part = inferencer(depth[:, 200:], cut(CAMERA, 200, 0), pose, cropped_images=True)
    whole = inferencer(depth, CAMERA, pose)
    assert part.voxel_grid == whole.voxel_grid
    # What one camera sees to be empty is empty in both.
    assert 0 < (part.pred_voxels > 0).sum() < part.pred_voxels.numel()


def test_the_command(tool_in_process, room, tmp_path):
    Image.fromarray(room['depth_mm'][:, 200:].astype(np.uint16)).save(tmp_path / 'depth.png')
    np.savetxt(tmp_path / 'pose.txt', room['cam2world'])
    command = [
        ROOT / 'configs/light/light_depth_nyu.py', ROOT / 'checkpoints/light_depth_nyu.pth',
        '--depth', tmp_path / 'depth.png', '--cam2world', tmp_path / 'pose.txt', '--device', 'cpu',
        '--formats', 'npy', '--out', tmp_path / 'out',
    ]  # fmt: skip
    infer = tool_in_process('infer.py')
    camera = ('--cam2img', CAMERA[0, 0], CAMERA[1, 1], -40, 120)
    status, text = infer(*command, *camera)
    assert status == 2 and text.strip().endswith('larger image: give --cropped-images')
    # Intrinsics of a 4K image.
    status, text = infer(*command, '--cam2img', 2500, 2500, 1920, 1080)
    assert status == 2 and 'intrinsics of an image of another size' in text
    assert infer(*command, *camera, '--cropped-images')[0] == 0
