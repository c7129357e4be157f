"""The transforms of a config say which inferencer it takes, and what that has to give."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from small_scene import CAM2IMG, GRID, LIDAR2CAM, P2

from mmssc.apis import DrivingInferencer, RGBDInferencer, build_inferencer, is_rgbd_config
from mmssc.datasets.transforms import ReadingTransform
from mmssc.errors import DataError
from mmssc.registry import TRANSFORMS

ROOT = Path(__file__).resolve().parents[2]
CAMERA = (40.0, 40.0, 20.0, 15.0)


class ReadSomething(ReadingTransform):
    """Of a project: its files are not there."""

    inputs = ()

    def files(self, results):
        raise AssertionError('the inferencer reads no file')

    transform = files


class ReadOwnImages(ReadSomething):
    inputs = ('img',)


class ReadRadar(ReadSomething):
    inputs = ('radar',)


class ReadOwnTSDF(ReadSomething):
    inputs = ('tsdf', 'voxel_to_pixel')


@pytest.fixture
def cfg(small_config) -> Config:
    return copy.deepcopy(small_config)


@pytest.fixture
def rgbd_cfg() -> Config:
    cfg = Config.fromfile(ROOT / 'configs/light/light_depth_nyu.py')
    cfg.model.stem.out_channels = 8
    cfg.model.head.update(channels=(8, 12, 12), hidden_channels=8)
    return cfg


def steps_of(cfg: Config) -> list:
    return cfg.test_dataloader.dataset.pipeline


def predict(inferencer, scene):
    image, depth = scene['images'][2], scene['depth'][2]
    return inferencer(image, P2, LIDAR2CAM, depth=depth)[0]


def test_the_class_follows_from_the_config(cfg, checkpoint, rgbd_cfg):
    driving = build_inferencer(cfg, checkpoint, device='cpu', crop=True)
    assert type(driving) is DrivingInferencer and driving.inputs == {'img', 'points'}
    box = {**GRID, 'shape': [8, 8, 8]}
    options = {'model.test_cfg.keep_logits': False}
    other = build_inferencer(cfg, checkpoint, 'cpu', cfg_options=options, voxel_grid=box)
    assert other.model.voxel_grid.shape == (8, 8, 8) and not other.model.test_cfg['keep_logits']
    rgbd = build_inferencer(rgbd_cfg, device='cpu')
    assert type(rgbd) is RGBDInferencer and rgbd.inputs == {'tsdf', 'voxel_to_pixel'}


def test_transforms_of_a_project_tell_the_class_by_what_they_read(cfg):
    steps_of(cfg)[:] = [dict(type=ReadOwnImages)]
    assert not is_rgbd_config(cfg)
    steps_of(cfg)[:] = [dict(type='RandomApply', transforms=[dict(type=ReadOwnTSDF)])]
    assert is_rgbd_config(cfg)


@pytest.mark.parametrize(
    'name, expected',
    [
        ('configs/symphonies/symphonies_nyu.py', True),
        ('configs/symphonies/symphonies_semantickitti.py', False),
        ('projects/monoscene/configs/monoscene_nyu.py', True),
        ('projects/monoscene/configs/monoscene_semantickitti.py', False),
    ],
)
def test_the_same_inputs_of_other_data(name, expected):
    cfg = Config.fromfile(ROOT / name, import_custom_modules=False)
    assert is_rgbd_config(cfg) == expected
    wrong = DrivingInferencer if expected else RGBDInferencer
    with pytest.raises(DataError, match='pipeline, Load.* expected a transform for .*build_inf'):
        wrong(cfg)


def test_targets_and_masks_are_left_out(cfg, checkpoint, scene):
    expected = predict(build_inferencer(cfg, checkpoint, device='cpu'), scene)
    targets = [
        dict(type='LoadDrivingLabels'),
        dict(type='LoadDrivingMasks'),
        dict(type='MaskVoxelRange', max_range=3.2),
        dict(type='RandomApply', prob=1.0, transforms=[dict(type=ReadSomething)]),
    ]
    steps_of(cfg)[3:4] = targets
    found = predict(build_inferencer(cfg, checkpoint, device='cpu'), scene)
    assert torch.equal(found.voxel_logits, expected.voxel_logits)


def test_a_reading_transform_of_a_project_gets_what_the_caller_gives(cfg, checkpoint, scene):
    expected = predict(build_inferencer(cfg, checkpoint, device='cpu'), scene)
    steps_of(cfg)[0] = dict(type='RandomApply', prob=1.0, transforms=[dict(type=ReadOwnImages)])
    found = predict(build_inferencer(cfg, checkpoint, device='cpu'), scene)
    assert torch.equal(found.voxel_logits, expected.voxel_logits)


class OneStep:
    """A wrapper of a project that holds one transform, or a tuple of them."""

    def __init__(self, step, several=False):
        step = TRANSFORMS.build(step)
        self.transforms = (step,) if several else step

    def __call__(self, results):
        steps = self.transforms if isinstance(self.transforms, list) else [self.transforms]
        for step in steps:
            results = step(results)
        return results


@pytest.mark.parametrize('several', [False, True])
def test_wrappers_of_a_project_may_hold_one_transform_or_a_tuple(cfg, checkpoint, scene, several):
    expected = predict(build_inferencer(cfg, checkpoint, device='cpu'), scene)
    steps_of(cfg)[0] = dict(type=OneStep, step=dict(type=ReadOwnImages), several=several)
    found = predict(build_inferencer(cfg, checkpoint, device='cpu'), scene)
    assert torch.equal(found.voxel_logits, expected.voxel_logits)


def test_points_are_cropped_as_the_config_says(cfg, checkpoint, scene):
    counts = []
    for crop in (True, False):
        steps_of(cfg)[2]['crop_to_grid'] = crop
        inferencer = build_inferencer(cfg, checkpoint, device='cpu')
        frame = dict(img=scene['images'][2], cam2img=CAM2IMG, lidar2cam=LIDAR2CAM, points=None)
        frame.update(depth=scene['depth'][2], earlier_frames=())
        counts.append(len(inferencer.pipeline(inferencer._results(0, frame))['inputs']['points']))
    assert 0 < counts[0] < counts[1]


def test_what_cannot_be_given_is_refused_at_once(cfg, rgbd_cfg):
    steps_of(cfg).insert(1, dict(type='RandomApply', transforms=[dict(type=ReadRadar)]))
    text = r'ReadRadar: .* give \(img, depth, points, reflectance\), found radar'
    with pytest.raises(DataError, match=text):
        build_inferencer(cfg)
    steps_of(rgbd_cfg)[0]['keys'].append('tsdf_clean')
    with pytest.raises(DataError, match='RGBDInferencer can give .*, found tsdf_clean'):
        build_inferencer(rgbd_cfg)
    steps_of(cfg)[:] = [dict(type='PackSSCInputs')]
    with pytest.raises(DataError, match='a transform that says which inputs it reads'):
        build_inferencer(cfg)


def test_a_model_that_reads_the_depth_image_itself_gets_it(rgbd_cfg):
    steps_of(rgbd_cfg)[0]['keys'] = ['depth', 'tsdf', 'voxel_to_pixel', 'pixel_to_voxel']
    inferencer = build_inferencer(rgbd_cfg, device='cpu')
    seen = {}

    def keep(packed):
        seen.update(packed['inputs'])
        return packed

    inferencer.pipeline.transforms.append(keep)
    depth = np.full((30, 40), 2.0, np.float32)
    pose = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 1.2], [0, 0, 0, 1]])
    inferencer(depth, CAMERA, pose)
    assert torch.equal(seen['depth'], torch.from_numpy(depth)[None])
    assert seen['pixel_to_voxel'].shape == depth.shape
