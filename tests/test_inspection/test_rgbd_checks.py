"""The doctor on RGB-D frames: exactly the files that a config reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_nyu import GRID, write_nyu_tree

from mmssc.formats.numpy_arrays import read_npz, write_npz
from mmssc.inspection import check_config, summarise_problems
from mmssc.registry import DATASETS

KEYS = ['img', 'tsdf', 'voxel_to_pixel', 'gt_voxels', 'eval_masks']


@pytest.fixture
def root(tmp_path) -> Path:
    write_nyu_tree(tmp_path)
    return tmp_path


def check(root: Path, thorough: bool = False, keys=KEYS, **options):
    dataset = dict(
        type=DATASETS.get('mmssc.NYUDataset'), data_root=str(root),
        ann_file='nyu_infos_train.json', pipeline=[dict(type='LoadRGBDFrame', keys=keys)],
        **options,
    )  # fmt: skip
    return check_config(dict(train_dataloader=dict(dataset=dataset)), thorough)


@pytest.mark.parametrize('thorough', [False, True])
def test_a_whole_tree(root, thorough):
    report = check(root, thorough)
    assert not report.problems and report.notes == ['train_dataloader: 2 samples']
    assert report.counts == dict(
        train=dict(samples=2, img=2, tsdf=2, voxel_to_pixel=2, gt_voxels=2, label_weight=2)
    )


def test_missing_and_cut_files(root):
    (root / 'RGB/0003.png').unlink()
    path = root / 'prepared/nyu/0004.npz'
    path.write_bytes(path.read_bytes()[:-30])
    report = check(root)
    assert report.counts['train']['img'] == 1
    found = {(problem.kind, Path(problem.path).name) for problem in report.problems}
    assert found == {('missing', '0003.png'), ('damaged', '0004.npz')}
    # files that the config does not read do not matter
    assert not check(root, keys=['segmentation']).problems


def change(root: Path, **changes) -> None:
    path = root / 'prepared/nyu/0003.npz'
    arrays = read_npz(path, ['tsdf', 'voxel_to_pixel', 'label', 'label_weight'])
    write_npz(path, {**arrays, **changes})


def test_wrong_contents_need_a_thorough_look(root):
    change(root, tsdf=np.full(GRID.shape, 9, np.float32))
    keys = ['img', 'tsdf', 'voxel_to_pixel']
    assert not check(root, keys=keys).problems
    (problem,) = check(root, thorough=True, keys=keys).problems
    assert problem.kind == 'damaged' and 'tsdf' in problem.detail


@pytest.mark.parametrize(
    ('number', 'text'),
    [(99, 'found 99 (144 voxels)'), (255, 'every voxel is 255'), (0, 'every voxel is empty')],
)
@pytest.mark.parametrize('thorough', [False, True])
def test_labels_of_the_first_frames_are_always_read(root, number, text, thorough):
    change(root, label=np.full(GRID.shape, number, np.uint8))
    (problem,) = check(root, thorough).problems
    assert problem.kind == 'damaged' and 'label' in problem.detail and text in problem.detail


def test_a_key_that_the_list_does_not_offer(root):
    problems = check(root, keys=['tsdf_clean']).problems
    assert {problem.path for problem in problems} == {'train/0003', 'train/0004'}
    assert not check(root, keys=['tsdf_clean'], clean_source='nyucad').problems


def test_frames_of_one_folder_are_one_line(root):
    for frame_id in ('0003', '0004'):
        (root / f'RGB/{frame_id}.png').rename(root / f'RGB/NYU{frame_id}_x.png')
    files = dict(img=dict(path='RGB/NYU{frame_id}_rgb.png', format='rgb'))
    (line,) = summarise_problems(check(root, files=files))
    assert line.endswith('RGB/*_rgb.png: 2 of 2: 0003, 0004')
