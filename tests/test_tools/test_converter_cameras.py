"""Calibrations and poses of drives: what converters, the dataset check and training say."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from converter_trees import DRIVE, kitti360_tree, raw_tree, run_here

from mmssc.datasets import SemanticKITTIDataset, SSCBenchKITTI360Dataset
from mmssc.datasets.driving_list import read_driving_list, write_driving_list
from mmssc.datasets.transforms import LoadDrivingImages
from mmssc.errors import DataError
from mmssc.formats.kitti import (
    read_calib,
    read_indexed_poses,
    read_poses,
    write_calib,
    write_indexed_poses,
    write_poses,
)
from mmssc.inspection import check_config
from mmssc.preparation import SSCBenchKITTI360Layout

SEQUENCE = 'dataset/sequences/00'
INFO = 'semantickitti_infos_train.json'


@pytest.fixture
def tree(tmp_path) -> Path:
    return raw_tree(tmp_path)


@pytest.fixture
def check(tool_in_process):
    return tool_in_process('misc/check_dataset.py')


def only_infos(root: Path, **options) -> int:
    return run_here(root, '--steps', 'infos', **options)


def edit(path: Path, change) -> None:
    path.write_bytes(change(path.read_bytes()))


SPOILT_FILES = {
    'blank first line': lambda text: b'\n' + text,
    'blank line between': lambda text: text.replace(b'Tr:', b'\n \nTr:'),
    'blank last line': lambda text: text + b'\n\n',
    'Windows lines': lambda text: text.replace(b'\n', b'\r\n'),
}


@pytest.mark.parametrize('change', SPOILT_FILES.values(), ids=SPOILT_FILES)
def test_blank_lines_change_nothing(tree, change):
    before = read_calib(tree / SEQUENCE / 'calib.txt'), read_poses(tree / SEQUENCE / 'poses.txt')
    for name in ('calib.txt', 'poses.txt'):
        edit(tree / SEQUENCE / name, change)
    calib = read_calib(tree / SEQUENCE / 'calib.txt')
    poses = read_poses(tree / SEQUENCE / 'poses.txt')
    assert list(calib) == ['P2', 'P3', 'Tr'] and np.array_equal(poses, before[1])
    assert all(np.array_equal(calib[key], matrix) for key, matrix in before[0].items())
    assert only_infos(tree) == 0


def test_a_blank_line_between_poses_is_no_frame(tree, capsys):
    edit(tree / SEQUENCE / 'poses.txt', lambda text: text.replace(b'\n', b'\n\n', 1))
    assert only_infos(tree) == 2
    assert 'poses.txt: line 2: expected 12 numbers, found a blank line' in capsys.readouterr().err


def test_blank_lines_between_indexed_poses(tmp_path):
    path = kitti360_tree(tmp_path) / 'data_2d_raw' / DRIVE / 'poses.txt'
    index, poses = read_indexed_poses(path)
    edit(path, lambda text: b'\r\n' + text.replace(b'\n', b'\r\n\r\n'))
    assert np.array_equal(read_indexed_poses(path)[0], index)
    lines = path.read_text().split()
    path.write_text(' '.join(lines[:13]) + '\n\n' + ' '.join(lines[:13]))
    with pytest.raises(DataError, match='line 3: expected an index above 0, found 0. Each frame'):
        read_indexed_poses(path)
    write_indexed_poses(path, index[::-1], poses)
    with pytest.raises(DataError, match='in the order of the frames'):
        read_indexed_poses(path)


def test_poses_that_do_not_cover_the_samples(tree, capsys, check, monkeypatch):
    path = tree / SEQUENCE / 'poses.txt'
    write_poses(path, read_poses(path)[:3])
    assert only_infos(tree) == 0
    printed = capsys.readouterr().out
    assert 'infos: 00: 1 of 3 samples have no pose in poses.txt: 000004\n' in printed
    assert 'infos: 00: 1 of 2 earlier frames have no pose in poses.txt: 000003; ' in printed
    status, printed = check(tree)
    assert status == 1 and ' 08: ' not in printed.replace('voxel release of 08: ', '')
    text = f'{path}  (00: 1 of 3 samples have no pose in poses.txt: 000004)'
    assert f'missing  {text}' in printed and '1 problem: 1 missing' in printed
    # A single frame needs no pose.
    assert len(SemanticKITTIDataset(INFO, str(tree))) == 3
    hint = r'poses.txt of 00 is too short: complete it first\. '
    with pytest.raises(DataError, match=f'{hint}Run: python'):
        SemanticKITTIDataset(INFO, str(tree), frame_offsets=(-1,))
    monkeypatch.setattr(SemanticKITTIDataset, 'CONVERTER', '')
    with pytest.raises(DataError, match=f'{hint}Write the info file: mmssc'):
        SemanticKITTIDataset(INFO, str(tree), frame_offsets=(-1,))
    assert SemanticKITTIDataset(INFO, str(tree)).get_data_info(0)['prepare_hint'] is None


def test_whole_poses_give_no_remark(tree, capsys, check):
    assert run_here(tree) == 0
    printed = capsys.readouterr().out
    assert 'pose' not in printed.partition('infos: ')[2] and 'principal' not in printed
    status, printed = check(tree)
    assert status == 0 and 'pose' not in printed.partition('\n')[2]


def drive_360(root: Path, index: list[int], count: int = 6) -> Path:
    """A drive whose poses have these indices; its samples are 0, 2 and 4."""
    kitti360_tree(root, count)
    poses = np.tile(np.eye(4), (len(index), 1, 1))
    poses[:, 0, 3] = np.arange(len(index))
    write_indexed_poses(root / 'data_2d_raw' / DRIVE / 'poses.txt', np.array(index), poses)
    return root


@pytest.mark.parametrize(
    ('index', 'text'),
    [
        ([1, 2, 3, 4, 5], '1 of 3 samples have no pose in poses.txt: 000000'),
        ([0, 1, 3, 4, 5], '1 of 3 samples have no pose in poses.txt: 000002'),
        ([0, 2, 4], '2 of 2 earlier frames have no pose in poses.txt: 000001, 000003; temporal'),
        ([0, 1, 2, 3, 4, 5, 90], 'poses.txt goes to frame 90, but the images end at 5'),
    ],
)
def test_gaps_of_indexed_poses_are_said(tmp_path, capsys, check, index, text):
    root = drive_360(tmp_path, index)
    assert only_infos(root, layout=SSCBenchKITTI360Layout) == 0
    assert f'infos: {DRIVE}: {text}' in capsys.readouterr().out
    status, printed = check(root)
    assert text in printed and status == ('samples have' in text)


def test_training_says_which_frames_it_repeats(tmp_path, monkeypatch):
    root = drive_360(tmp_path, [0, 1, 3, 4, 5])
    assert only_infos(root, layout=SSCBenchKITTI360Layout) == 0
    logged = []
    monkeypatch.setattr(
        'mmssc.datasets.driving_dataset.print_log', lambda text, *_: logged.append(text)
    )

    def build(offsets, bound='index'):
        logged.clear()
        info = 'sscbench_kitti360_infos_val.json'
        SSCBenchKITTI360Dataset(info, str(root), frame_offsets=offsets, frame_bound=bound)
        return [text.partition(': sequence ')[2] for text in logged]

    repeat = "with the sample's own frame in place of another one"
    assert build(()) == []
    assert build((-1,)) == [f'{DRIVE}: 1 sample {repeat} (no pose in poses.txt): 000002']
    # Sample 4 would read frame 2; sample 2 itself has no pose; frames before 0 are normal.
    assert build((-2,)) == [f'{DRIVE}: 2 samples {repeat} (no pose in poses.txt): 000002, 000004']
    assert (
        build((1,), 'count')[-1]
        == f"{DRIVE}: 1 sample {repeat} (beyond frame_bound='count'): 000004"
    )


def change_calib(root: Path, **changes) -> None:
    path = root / SEQUENCE / 'calib.txt'
    calib = read_calib(path)
    write_calib(path, {key: changes.get(key, lambda m: m)(calib[key]) for key in calib})


def full(matrix: np.ndarray) -> np.ndarray:
    return np.concatenate([matrix, [[0, 0, 0, 1]]])


def in_millimetres(matrix: np.ndarray) -> np.ndarray:
    return matrix * (1, 1, 1, 1000)


WRONG_CALIBS = {
    'inverse': (dict(Tr=lambda m: np.linalg.inv(full(m))), 'Tr: .*the inverse'),
    'OpenGL': (dict(Tr=lambda m: m * [[1], [-1], [-1]]), 'Tr: .*OpenGL axes'),
    'millimetres': (dict(Tr=in_millimetres), 'Tr: .*millimetres'),
    'projection in millimetres': (dict(P2=in_millimetres, P3=in_millimetres), 'P2: .*metres'),
    'another image': (dict(P2=lambda m: m * [[4], [4], [1]]), 'P2: .*by about 4'),
}


@pytest.mark.parametrize(('changes', 'text'), WRONG_CALIBS.values(), ids=WRONG_CALIBS)
def test_wrong_calibrations_are_refused(tree, capsys, check, changes, text):
    change_calib(tree, **changes)
    assert run_here(tree, '--steps', 'pseudo_lidar', 'infos') == 2
    assert re.search(f'00/calib.txt: {text}', capsys.readouterr().err)
    status, printed = check(tree)
    assert status == 1 and re.search(rf'00/calib.txt  \({text}', printed)
    # Labels need no camera.
    assert run_here(tree, '--steps', 'labels') == 0


def test_inverse_poses_are_said(tree, capsys, check):
    path = tree / SEQUENCE / 'poses.txt'
    write_poses(path, np.linalg.inv(read_poses(path)))
    assert only_infos(tree) == 0
    assert 'infos: 00: poses: the car starts backwards' in capsys.readouterr().out
    assert 'note     00: poses: the car starts backwards' in check(tree)[1]


def test_equal_poses_are_said(tree, capsys, check, monkeypatch):
    path = tree / SEQUENCE / 'poses.txt'
    write_poses(path, np.tile(np.eye(4), (len(read_poses(path)), 1, 1)))
    assert only_infos(tree) == 0
    text = '00: poses: all are equal: the car never moves, so temporal models get no motion'
    assert f'infos: {text}\n' in capsys.readouterr().out
    status, printed = check(tree)
    assert f'note     {text}\n' in printed
    logged = []
    monkeypatch.setattr(
        'mmssc.datasets.driving_dataset.print_log', lambda text, *_: logged.append(text)
    )
    SemanticKITTIDataset(INFO, str(tree))
    assert len(logged) == 1 and text in logged[0]


BASELINES = {
    'millimetres': (1000, (), '00/calib.txt: P2 and P3: .*Is it in millimetres'),
    'centimetres': (100, (), '00/calib.txt: P2 and P3: .*Is it in centimetres'),
    'swapped': (-1, (), '00/calib.txt: P3: expected a camera to the right'),
    'option': (1, ('--baseline', '540'), 'command line: --baseline: .*Is it in millimetres'),
    'negative': (1, ('--baseline', '-0.54'), 'command line: --baseline: expected a baseline'),
    'zero': (1, ('--baseline', '0'), 'command line: --baseline: .*found 0 m'),
}


@pytest.mark.parametrize(('factor', 'options', 'text'), BASELINES.values(), ids=BASELINES)
def test_baselines_that_cannot_be(tree, capsys, factor, options, text):
    def stretched(matrix: np.ndarray) -> np.ndarray:
        return matrix * (1, 1, 1, factor)

    change_calib(tree, P3=stretched)
    assert run_here(tree, '--steps', 'depth', *options) == 2
    assert re.search(text, capsys.readouterr().err)


def test_the_images_of_kitti360_have_one_size(tmp_path, capsys):
    root = drive_360(tmp_path, list(range(6)))
    assert only_infos(root, layout=SSCBenchKITTI360Layout) == 0
    assert 'published calibration: P2: expected a principal point' in capsys.readouterr().out


def test_training_refuses_a_camera_of_another_image(tree):
    assert only_infos(tree) == 0
    dataset = SemanticKITTIDataset(INFO, str(tree), pipeline=[LoadDrivingImages()])
    item = dataset.get_data_info(0)
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        assert dataset.pipeline(dict(item))['img_shape'] == (48, 160)
    with pytest.raises(DataError, match='sequence 00: cam2img: .*another size'):
        dataset.pipeline({**item, 'cam2img': np.diag([4, 4, 1]) @ item['cam2img']})
    with pytest.warns(UserWarning, match='sequence 00: the principal point'):
        dataset.pipeline({**item, 'cam2img': np.diag([0.5, 0.5, 1]) @ item['cam2img']})


def test_the_check_of_a_config_compares_camera_and_image(tree):
    assert only_infos(tree) == 0
    pipeline = [dict(type='LoadDrivingImages')]
    dataset = dict(
        type='SemanticKITTIDataset', ann_file=INFO, data_root=str(tree), pipeline=pipeline
    )
    cfg = dict(train_dataloader=dict(dataset=dataset))
    assert check_config(cfg).problems == []
    info = read_driving_list(tree / INFO)
    info['sequences']['00']['P2'][:2] *= 4
    write_driving_list(tree / INFO, info)
    assert any('another size' in problem.detail for problem in check_config(cfg).problems)
