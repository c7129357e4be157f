"""Own images take the same way through transforms and model as the data set's samples."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from small_scene import CAM2IMG, LIDAR2CAM, P2, SIZE

from mmssc.apis import DrivingInferencer
from mmssc.datasets.transforms.load_driving import lift_depth
from mmssc.errors import DataError
from mmssc.registry import DATASETS
from mmssc.structures import VoxelGrid


@pytest.fixture(scope='module')
def inferencer(small_config, checkpoint):
    return DrivingInferencer(small_config, checkpoint, 'cpu')


@pytest.fixture(scope='module')
def cropping(small_config, checkpoint):
    return DrivingInferencer(small_config, checkpoint, 'cpu', crop=True)


@pytest.fixture(scope='module')
def alone(inferencer, scene):
    """The prediction of frame 2 alone."""
    return inferencer(scene['images'][2], P2, LIDAR2CAM, depth=scene['depth'][2])[0]


def earlier_frames(scene, kind='depth'):
    """Frames 0 and 1 as a user gives them, by the lidar poses of KITTI."""
    lidar = np.linalg.inv(LIDAR2CAM) @ scene['poses'] @ LIDAR2CAM
    frames = []
    for n in (0, 1):
        frame = dict(img=scene['images'][n], frame2ref=np.linalg.inv(lidar[2]) @ lidar[n])
        depth = scene['depth'][n]
        frame[kind] = depth if kind == 'depth' else lift_depth(depth, P2, LIDAR2CAM)
        frames.append(frame)
    return frames


def test_is_found_by_its_registry(small_config):
    from mmssc.registry import INFERENCERS

    built = INFERENCERS.build(
        dict(type='mmssc.DrivingInferencer', config=small_config, device='cpu')
    )
    assert isinstance(built, DrivingInferencer) and built.num_frames == 3 and built.needs_points


def logits_are_close(one, other, atol=1e-4):
    torch.testing.assert_close(one.voxel_logits, other.voxel_logits, rtol=1e-4, atol=atol)


@pytest.mark.parametrize('kind', ['depth', 'points'])
def test_equals_the_data_set(small_config, cropping, scene, tree, kind):
    dataset = copy.deepcopy(small_config.test_dataloader.dataset)
    sample = DATASETS.build({**dataset, 'data_root': str(tree)})[0]
    expected = cropping.model.test_step(pseudo_collate([copy.deepcopy(sample)]))[0]
    assert sample['inputs']['img'].shape == (3, 3, *SIZE)
    own = scene['depth'][2] if kind == 'depth' else lift_depth(scene['depth'][2], P2, LIDAR2CAM)
    found = cropping(
        scene['images'][2], P2, LIDAR2CAM, earlier_frames=earlier_frames(scene, kind), **{kind: own}
    )[0]
    np.testing.assert_allclose(found.lidar2cam, sample['data_samples'].lidar2cam, atol=1e-12)
    assert found.img_shape == sample['data_samples'].img_shape == SIZE
    logits_are_close(found, expected)
    assert torch.equal(found.pred_voxels, expected.pred_voxels)


def test_result(alone):
    assert alone.pred_voxels.shape == (16, 16, 8) and alone.pred_voxels.dtype == torch.uint8
    assert alone.pred_voxels.device.type == 'cpu' and not alone.voxel_logits.requires_grad
    assert alone.img_shape == (70, 100) and alone.voxel_grid.shape == (16, 16, 8)
    assert len(alone.pred_voxels.unique()) > 1


def test_another_camera_image_size_and_box(small_config, checkpoint):
    box = VoxelGrid((1.0, -4.8, -1.2), 0.4, (32, 24, 8))
    options = {'test_dataloader.dataset.frame_offsets': ()}
    inferencer = DrivingInferencer(
        small_config, checkpoint, 'cpu', voxel_grid=box, cfg_options=options
    )
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (720, 1280, 3), dtype=np.uint8)
    cam2img = [[900.0, 0, 640], [0, 910, 360], [0, 0, 1]]
    depth = np.full((720, 1280), 5.0, np.float32)
    result = inferencer(image, cam2img, LIDAR2CAM[:3], depth=depth)[0]
    assert result.pred_voxels.shape == (32, 24, 8) and result.voxel_grid == box
    assert result.img_shape == (720, 1280)


def test_the_image_and_the_camera_matter(inferencer, alone, scene):
    image, depth = scene['images'][2], scene['depth'][2]
    other_image = inferencer(255 - image, P2, LIDAR2CAM, depth=depth)[0]
    other_camera = inferencer(image, P2 * [[2], [2], [1]], LIDAR2CAM, depth=depth)[0]
    for other in (other_image, other_camera):
        assert (other.voxel_logits - alone.voxel_logits).abs().max() > 0.01


def test_only_the_fourth_column_of_the_projection_shifts_the_points(inferencer, scene):
    results = []
    for number, projection in enumerate((P2, CAM2IMG)):
        frame = dict(img=scene['images'][2], cam2img=projection, lidar2cam=LIDAR2CAM)
        frame.update(depth=scene['depth'][2], points=None, earlier_frames=())
        results.append(inferencer.pipeline(inferencer._results(number, frame)))
    cameras = [result['data_samples'].cam2img for result in results]
    np.testing.assert_array_equal(*cameras)
    shift = [result['inputs']['points'][:100].mean(0) for result in results]
    # -P2[0, 3] / f along the camera's x, which is -y of the lidar.
    assert abs(float(shift[0][1] - shift[1][1]) - 3 / 60) < 0.02


@pytest.mark.parametrize('batch_size', [1, 3])
def test_several_scenes_of_different_sizes(inferencer, alone, scene, batch_size):
    images = [scene['images'][2], scene['images'][1], scene['images'][1][:48, :80]]
    depths = [scene['depth'][2], scene['depth'][1], scene['depth'][1][:48, :80]]
    results = inferencer(images, P2, LIDAR2CAM, depth=depths, batch_size=batch_size)
    assert [result.img_shape for result in results] == [(70, 100), (70, 100), (48, 80)]
    assert [result.frame_id for result in results] == ['000000', '000001', '000002']
    logits_are_close(results[0], alone)
    last = inferencer(images[2], P2, LIDAR2CAM, depth=depths[2])[0]
    logits_are_close(results[2], last)


def test_missing_earlier_frames_are_the_current_one(inferencer, alone, scene):
    own = dict(img=scene['images'][2], depth=scene['depth'][2], frame2ref=np.eye(4))
    filled = inferencer(
        own['img'], P2, LIDAR2CAM, depth=own['depth'], earlier_frames=[own]
    )[0]  # fmt: skip
    logits_are_close(filled, alone)
    moved = inferencer(
        own['img'], P2, LIDAR2CAM, depth=own['depth'], earlier_frames=earlier_frames(scene)[:1]
    )[0]
    assert (moved.voxel_logits - alone.voxel_logits).abs().max() > 0.01


def test_files_equal_arrays(inferencer, alone, tree):
    image = tree / 'dataset/sequences/08/image_2/000002.png'
    depth = str(tree / 'dataset/depth/08/000002.npy')
    result = inferencer(image, P2, LIDAR2CAM, depth=depth)[0]
    assert torch.equal(result.voxel_logits, alone.voxel_logits)
    assert result.img_paths[0] == str(image)


IMAGE, DEPTH = np.zeros((64, 96, 3), np.uint8), np.ones((64, 96), np.float32)
WRONG = {
    'no depth': (dict(), 'depth or points: expected one of them, found neither'),
    'both': (
        dict(depth=DEPTH, points=np.zeros((9, 3))),
        'expected one of them, found depth and points. Leave out the others$',
    ),
    'depth size': (dict(depth=DEPTH[:5]), r'depth size: expected \(64, 96\)'),
    'depth NaN': (dict(depth=DEPTH * np.nan), 'expected finite metres'),
    'depth file': (dict(depth='nowhere.npy'), 'nowhere.npy'),
    'points shape': (dict(points=np.zeros(5)), r'points: expected \(M, 3\)'),
    'image type': (dict(img=IMAGE / 255.0, depth=DEPTH), r'img: expected .* found float64'),
    'image file': (dict(img='nowhere.png', depth=DEPTH), 'nowhere.png'),
    'cam2img': (dict(cam2img=np.eye(4), depth=DEPTH), r'cam2img: expected \(3, 3\)'),
    'focal length': (dict(cam2img=np.zeros((3, 3)), depth=DEPTH), 'positive focal lengths'),
    'lidar2cam': (dict(lidar2cam=2 * np.eye(4), depth=DEPTH), 'expected a rotation and a shift'),
    'no motion': (
        dict(depth=DEPTH, earlier_frames=[dict(img=IMAGE, depth=DEPTH)]),
        r'earlier frame 0: frame2ref: expected \(4, 4\)',
    ),
    'earlier size': (
        dict(depth=DEPTH, earlier_frames=[dict(img=IMAGE[:9], depth=DEPTH, frame2ref=np.eye(4))]),
        'earlier frame 0: image size',
    ),
    'too many frames': (
        dict(depth=DEPTH, earlier_frames=3 * [dict(img=IMAGE, depth=DEPTH, frame2ref=np.eye(4))]),
        'earlier_frames: expected at most 2',
    ),
    'list length': (dict(img=[IMAGE, IMAGE], depth=[DEPTH]), 'depth: expected 2, one per image'),
}


@pytest.mark.parametrize('case', WRONG)
def test_wrong_input_is_named(inferencer, case):
    change, message = WRONG[case]
    arguments = {**dict(img=IMAGE, cam2img=CAM2IMG, lidar2cam=LIDAR2CAM), **change}
    with pytest.raises(DataError, match=message):
        inferencer(**arguments)


def test_depth_for_a_model_without_points_is_refused(small_config, checkpoint):
    cfg = copy.deepcopy(small_config)
    cfg.test_dataloader.dataset.pipeline = [
        step for step in cfg.test_dataloader.dataset.pipeline if step.type != 'LoadDrivingPoints'
    ]
    inferencer = DrivingInferencer(cfg, checkpoint, 'cpu')
    with pytest.raises(DataError, match='takes images only'):
        inferencer(IMAGE, CAM2IMG, LIDAR2CAM, depth=DEPTH)


def test_an_image_smaller_than_the_crop_is_named(cropping):
    with pytest.raises(DataError, match='at least 64 x 96'):
        cropping(IMAGE[:50], CAM2IMG, LIDAR2CAM, depth=DEPTH[:50])
