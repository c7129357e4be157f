"""Frames of a drive are completed with earlier ones, as the data set does it."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from small_scene import GRID, LIDAR2CAM, OFFSETS, P2

from mmssc.apis import Drive, DrivingInferencer
from mmssc.datasets.driving_list import write_driving_list
from mmssc.errors import DataError
from mmssc.registry import DATASETS


@pytest.fixture(scope='module')
def inferencer(small_config, checkpoint) -> DrivingInferencer:
    return DrivingInferencer(small_config, checkpoint, 'cpu', crop=True)


def frames_of(scene):
    return [dict(img=i, depth=d, name=f'f{n}') for n, (i, d) in
            enumerate(zip(scene['images'], scene['depth']))]  # fmt: skip


@pytest.fixture(scope='module')
def expected(small_config, inferencer, scene, tree):
    """Predictions of the model for the items of the data set: frames 0, 1 and 2."""
    sequence = dict(P2=P2, lidar2cam=LIDAR2CAM, poses=scene['poses'])
    info = dict(
        metainfo=dict(dataset='SemanticKITTI', split='val', format_version=1, voxel_grid=GRID),
        sequences={'08': sequence},
        data_list=[dict(sequence='08', frame_id=f'{n:06d}', labelled=False) for n in range(3)],
    )
    write_driving_list(tree / 'three.json', info)
    options = copy.deepcopy(small_config.test_dataloader.dataset)
    options.update(data_root=str(tree), ann_file='three.json')
    dataset = DATASETS.build(options)
    with torch.no_grad():
        return [inferencer.model.test_step(pseudo_collate([dataset[n]]))[0] for n in range(3)]


@pytest.mark.parametrize('batch_size', [1, 2, 3])
def test_every_frame_is_that_of_the_data_set(inferencer, expected, scene, batch_size):
    drive = Drive(
        inferencer, iter(frames_of(scene)), P2, LIDAR2CAM, scene['poses'], batch_size=batch_size
    )
    groups = [range(3)[n : n + batch_size] for n in range(0, 3, batch_size)]
    found = [sample for group in groups for sample in drive.predict(group)]
    assert [sample.frame_id for sample in found] == ['f0', 'f1', 'f2']
    for sample, wanted in zip(found, expected):
        np.testing.assert_allclose(sample.lidar2cam, wanted.lidar2cam, atol=1e-12)
        torch.testing.assert_close(sample.voxel_logits, wanted.voxel_logits, rtol=0, atol=1e-3)
        assert torch.equal(sample.pred_voxels, wanted.pred_voxels)
    assert not drive.has_frame(3) and not drive.has_frame(-1)


def test_iteration_gives_all_frames_and_image_that_of_one(inferencer, scene):
    drive = Drive(inferencer, frames_of(scene), P2, LIDAR2CAM, scene['poses'])
    assert len([*drive]) == 3
    np.testing.assert_array_equal(drive.image(2), scene['images'][2])


def test_depth_is_computed_once_for_each_frame(small_config, checkpoint, scene):
    calls = []

    def model(image):
        calls.append(image)
        return np.full(image.shape[:2], 1.5, np.float32)

    user = DrivingInferencer(small_config, checkpoint, 'cpu', depth_model=model)
    frames = [dict(img=image) for image in scene['images']]
    assert len([*Drive(user, frames, P2, LIDAR2CAM, scene['poses'])]) == 3
    assert len(calls) == 3


def test_only_frames_that_can_be_needed_are_kept(inferencer, scene):
    many = (dict(img=scene['images'][0], depth=scene['depth'][0]) for _ in range(20))
    drive = Drive(inferencer, many, P2, LIDAR2CAM, np.tile(np.eye(4), (20, 1, 1)))
    assert drive.has_frame(19) and len(drive._kept) == -min(OFFSETS) + 1
    with pytest.raises(DataError, match='rising order'):
        drive.predict([3])


def test_a_bad_frame_spoils_only_the_scenes_that_read_it(inferencer, scene, tmp_path):
    frames = frames_of(scene) * 2
    path = tmp_path / 'bad.png'
    path.write_bytes(b'no image')
    frames[1] = dict(img=path, depth=scene['depth'][1])
    poses = np.concatenate([scene['poses']] * 2)
    drive = Drive(inferencer, frames, P2, LIDAR2CAM, poses)
    assert drive.predict([0])
    for number in (1, 2, 3):  # OFFSETS are -2 and -1.
        with pytest.raises(DataError, match='bad.png'):
            drive.predict([number])
    assert drive.predict([4])


@pytest.mark.parametrize(
    ('poses', 'message'),
    [
        (None, 'drive: poses: expected a pose for each frame'),
        (np.tile(np.eye(4), (2, 1, 1)), 'frame 2 is there'),
        (np.zeros((3, 4, 4)), 'poses'),
    ],
)
def test_missing_poses_are_refused(inferencer, scene, poses, message):
    with pytest.raises(DataError, match=message):
        [*Drive(inferencer, frames_of(scene), P2, LIDAR2CAM, poses)]


@pytest.mark.parametrize(
    ('step', 'message'), [(-1.0, 'starts backwards'), (1e-3, 'kilometres'), (1000.0, 'millimetres')]
)
def test_wrong_poses_are_said_once_for_the_drive(inferencer, scene, recwarn, step, message):
    poses = np.tile(np.eye(4), (30, 1, 1))
    poses[:, 2, 3] = step * np.arange(30)
    frames = [dict(img=scene['images'][0], depth=scene['depth'][0])] * 4
    assert len([*Drive(inferencer, frames, P2, LIDAR2CAM, poses)]) == 4
    said = [str(one.message) for one in recwarn if 'poses' in str(one.message)]
    assert len(said) == 1 and said[0].startswith('drive: poses: ') and message in said[0]


def test_a_car_may_turn_back_in_the_middle_of_a_drive(inferencer, scene, recwarn):
    poses = np.tile(np.eye(4), (30, 1, 1))
    poses[:, 2, 3] = np.concatenate([3.0 * np.arange(20), 57 - 3.0 * np.arange(1, 11)])
    frames = [dict(img=scene['images'][0], depth=scene['depth'][0])] * 30
    Drive(inferencer, frames, P2, LIDAR2CAM, poses).predict([29])
    assert not [one for one in recwarn if 'poses' in str(one.message)]


def test_a_model_that_raises_stop_iteration_does_not_end_the_drive(small_config, checkpoint, scene):
    user = DrivingInferencer(
        small_config, checkpoint, 'cpu', depth_model=lambda image: next(iter(()))
    )
    frames = [dict(img=image) for image in scene['images']]
    with pytest.raises(DataError, match='frame 0: depth model .*lambda.*StopIteration'):
        Drive(user, frames, P2, LIDAR2CAM, scene['poses']).predict([0])


def test_a_model_without_earlier_frames_needs_no_poses(small_config, checkpoint, scene):
    options = {'test_dataloader.dataset.frame_offsets': ()}
    alone = DrivingInferencer(small_config, checkpoint, 'cpu', cfg_options=options)
    found = [*Drive(alone, frames_of(scene), P2, LIDAR2CAM)]
    wanted = alone(scene['images'][1], P2, LIDAR2CAM, depth=scene['depth'][1])[0]
    assert torch.equal(found[1].voxel_logits, wanted.voxel_logits)


def test_a_missing_earlier_frame_is_the_current_one(inferencer, scene):
    """None stands for it, wherever it is; its motion does not look like a car that turns back."""
    images, depth = scene['images'], scene['depth']
    motion = np.eye(4)
    motion[0, 3] = -6.0  # 6 m behind: a drive long enough to be judged.
    last = dict(img=images[1], depth=depth[1], frame2ref=motion)
    own = dict(img=images[2], depth=depth[2], frame2ref=np.eye(4))
    found, wanted = (
        inferencer(images[2], P2, LIDAR2CAM, depth=depth[2], earlier_frames=[first, last])[0]
        for first in (None, own)
    )
    torch.testing.assert_close(found.voxel_logits, wanted.voxel_logits)


def test_video_frames_have_names_in_messages(inferencer, scene):
    frame = dict(img=scene['images'][0], name='v_000000')
    drive = Drive(inferencer, [frame], P2, LIDAR2CAM, scene['poses'])
    with pytest.raises(DataError, match='v_000000: depth or points'):
        drive.predict([0])
