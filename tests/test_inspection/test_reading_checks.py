"""The doctor knows from the transforms of a config what to look at."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from PIL import Image
from tiny_nyu import FRAMES, SPEC, frame_arrays
from tiny_tree import GRID

from mmssc.datasets import SemanticKITTIDataset
from mmssc.datasets.rgbd_list import Frame, FrameFile, RGBDList, write_rgbd_list
from mmssc.datasets.transforms import ReadingTransform, SampleFile
from mmssc.errors import DataError
from mmssc.formats.kitti import write_voxel_bits
from mmssc.formats.numpy_arrays import write_npy
from mmssc.formats.rgbd_cache import write_frame_cache
from mmssc.inspection import check_config


class RadarDataset(BaseDataset):
    """Two samples of a data set that mmssc knows nothing about."""

    METAINFO = dict(classes=('empty', 'something'))

    def load_data_list(self):
        root = Path(self.data_root)
        return [dict(radar_path=str(root / f'{number}.radar')) for number in range(2)]


def read_radar(path):
    text = Path(path).read_text()
    if not text.isdigit():
        raise DataError(path, 'content', 'digits', text)
    return int(text)


class LoadRadar(ReadingTransform):
    inputs = ('radar',)

    def files(self, results):
        path = results['radar_path']
        return [SampleFile(path, 'radar', partial(read_radar, path), self.inputs)]

    def transform(self, results):
        ((_, radar),) = self.read_files(results)
        return self.add_arrays(results, dict(radar=radar))


def radar_config(root, wrapped=False):
    dataset = dict(
        type=RadarDataset, data_root=str(root),
        pipeline=[dict(type='RandomApply', transforms=[dict(type=LoadRadar)], prob=0.5)],
    )  # fmt: skip
    if wrapped:
        again = dict(type='RepeatDataset', dataset=dataset, times=3)
        dataset = dict(type='ConcatDataset', datasets=[again, dataset])
    return dict(train_dataloader=dict(dataset=dataset))


@pytest.mark.parametrize('wrapped', [False, True])
def test_a_transform_of_a_project(tmp_path, wrapped):
    (tmp_path / '0.radar').write_text('12')
    (tmp_path / '1.radar').write_text('words')
    report = check_config(radar_config(tmp_path, wrapped))
    assert not report.problems
    assert report.counts == {'RadarDataset': dict(samples=2, radar=2)}
    (problem,) = check_config(radar_config(tmp_path, wrapped), thorough=True).problems
    assert str(problem) == f'damaged  {tmp_path}/1.radar  (content: expected digits, found words)'
    (tmp_path / '0.radar').unlink()
    (tmp_path / '1.radar').write_text('')
    problems = check_config(radar_config(tmp_path, wrapped)).problems
    assert [(p.kind, Path(p.path).name) for p in problems] == [
        ('damaged', '1.radar'), ('missing', '0.radar')
    ]  # fmt: skip


class LoadRadarLabels(LoadRadar):
    """Reads targets only."""

    inputs = ()


class OneStep:
    """A wrapper of a project that holds one transform, or a tuple of them."""

    def __init__(self, step):
        self.transforms = step

    def __call__(self, results):
        return results


@pytest.mark.parametrize('hold', [lambda step: step, lambda step: (step,)], ids=['one', 'tuple'])
def test_files_of_targets_and_wrappers_of_a_project(tmp_path, hold):
    (tmp_path / '0.radar').write_text('12')
    cfg = radar_config(tmp_path)
    cfg['train_dataloader']['dataset']['pipeline'] = [OneStep(hold(LoadRadarLabels()))]
    (problem,) = check_config(cfg).problems
    assert (problem.kind, Path(problem.path).name) == ('missing', '1.radar')


def test_a_pipeline_that_says_nothing_is_noted(tmp_path):
    cfg = radar_config(tmp_path)
    cfg['train_dataloader']['dataset']['pipeline'] = []
    assert check_config(cfg).notes == [
        'train_dataloader: not checked, no transform of RadarDataset says what it reads'
    ]


def driving_config(root, *steps):
    dataset = dict(
        type='SemanticKITTIDataset', data_root=str(root), pipeline=list(steps),
        ann_file='semantickitti_infos_val.json', test_mode=True,
    )  # fmt: skip
    return dict(val_dataloader=dict(dataset=dataset), default_scope='mmssc')


def test_the_tool_finds_missing_files_of_masks(tree, tmp_path_factory, tool_in_process):
    steps = (
        dict(type='LoadDrivingLabels', scales=('1_1',), optional=True),
        dict(type='LoadDrivingMasks', optional=True),
    )
    config = tmp_path_factory.mktemp('config') / 'config.py'
    Config(driving_config(tree, *steps)).dump(config)
    for sample in ('00/voxels/000000', '08/voxels/000000', '08/voxels/000005'):
        for kind in ('bin', 'occluded'):
            path = tree / f'dataset/sequences/{sample}.{kind}'
            write_voxel_bits(path, np.zeros(GRID.shape, bool))
    check = tool_in_process('misc/check_dataset.py')
    assert check(config)[0] == 0
    missing = tree / 'dataset/sequences/08/voxels/000005.occluded'
    damaged = tree / 'dataset/sequences/00/voxels/000000.bin'
    missing.unlink()
    damaged.write_bytes(damaged.read_bytes()[:-1])
    status, printed = check(config)
    assert status == 1 and f'missing  {missing}' in printed and f'damaged  {damaged}' in printed


def test_a_sample_without_labels_needs_optional(tree):
    cfg = driving_config(tree, dict(type='LoadDrivingLabels', scales=('1_1',)))
    (problem,) = check_config(cfg).problems
    assert problem.path == '08/000007' and 'LoadDrivingLabels(optional=True)' in problem.detail


def test_scales_that_exist_are_checked_although_they_could_be_pooled(tree):
    step = dict(
        type='LoadDrivingLabels', scales=('1_2', '1_4'), pool_missing=True, optional=True
    )  # fmt: skip
    path = tree / 'dataset/labels/08/000005_1_2.npy'
    path.write_bytes(path.read_bytes()[:-1])
    (problem,) = check_config(driving_config(tree, step)).problems
    assert problem.path == str(path)


def test_images_need_not_be_png(tree):
    cfg = driving_config(tree, dict(type='LoadDrivingImages'))
    options = dict(IMAGE_PATH='{sequence}/{frame_id}.jpg')
    cfg['val_dataloader']['dataset']['type'] = type('Jpeg', (SemanticKITTIDataset,), options)
    for sequence, frame in (('00', '000000'), ('08', '000000'), ('08', '000005'), ('08', '000007')):
        path = tree / f'dataset/sequences/{sequence}/{frame}.jpg'
        Image.new('RGB', (48, 32)).save(path)
    assert not check_config(cfg).problems
    path.write_bytes(b'')
    assert [p.path for p in check_config(cfg).problems] == [str(path)]


def test_frames_of_a_cache(tmp_path):
    keys = ('tsdf', 'voxel_to_pixel', 'gt_voxels', 'label_weight')
    frames = [
        (frame_id, {key: frame_arrays(seed)[key] for key in keys})
        for seed, frame_id in enumerate(FRAMES)
    ]
    write_frame_cache(tmp_path / 'all.npz', frames)
    files = {key: FrameFile('all.npz/{frame_id}', 'cached') for key in keys}
    info = RGBDList(
        'NYU', 'train', SPEC.grid, SPEC.image_size, {}, dict(nyu=files),
        [Frame(frame_id) for frame_id in FRAMES],
    )  # fmt: skip
    write_rgbd_list(tmp_path / 'nyu_infos_train.json', info)
    dataset = dict(
        type='NYUDataset', data_root=str(tmp_path), ann_file='nyu_infos_train.json',
        pipeline=[dict(type='LoadRGBDFrame', keys=list(keys))],
    )  # fmt: skip
    cfg = dict(train_dataloader=dict(dataset=dataset))
    for thorough in (False, True):
        assert not check_config(cfg, thorough).problems
    cache = tmp_path / 'all.npz'
    cache.write_bytes(cache.read_bytes()[:-30])
    (problem,) = check_config(cfg).problems
    assert problem.path == str(cache) and 'a complete .npz file' in problem.detail
    cache.unlink()
    (problem,) = check_config(cfg).problems
    assert (problem.kind, problem.path) == ('missing', str(cache))


def test_the_shape_of_an_array_is_checked_where_it_is_known(tmp_path):
    write_npy(tmp_path / '0.radar.npy', np.zeros((3, 4)))

    class LoadRadarImage(ReadingTransform):
        inputs = ('radar',)

        def files(self, results):
            path = str(tmp_path / '0.radar.npy')
            return [SampleFile(path, 'radar', partial(read_radar, path), self.inputs, (3, 5))]

        def transform(self, results):
            return results

    cfg = radar_config(tmp_path)
    cfg['train_dataloader']['dataset']['pipeline'] = [dict(type=LoadRadarImage)]
    (problem,) = check_config(cfg).problems
    assert problem.detail == 'shape: expected (3, 5), found (3, 4)'
