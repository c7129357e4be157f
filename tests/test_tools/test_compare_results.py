"""The commands that analyse and compare predictions, on errors that were put there."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image
from tiny_tree import GRID

from mmssc.datasets import SemanticKITTIDataset
from mmssc.fileio import lock_folder
from mmssc.formats.kitti import read_voxel_labels, write_raw_labels, write_voxel_labels

CLASSES = SemanticKITTIDataset.METAINFO['classes']
CONFIG = """
default_scope = 'mmssc'
test_dataloader = dict(
    dataset=dict(
        type='SemanticKITTIDataset',
        data_root={root!r},
        ann_file='semantickitti_infos_val.json',
        pipeline=[
            dict(type='LoadDrivingImages'),
            dict(type='LoadDrivingLabels', scales=('1_1',), optional=True),
            dict(type='PackSSCInputs'),
        ],
    )
)
test_evaluator = dict(type='SSCMetric')
"""
FRAMES = {'00/000000': '00_000000', '08/000000': '08_000000', '08/000005': '08_000005'}
FAR = 8  # Index of x from which `bad` misses everything: 25.6 m.


@pytest.fixture
def folder(tmp_path, tree_template, monkeypatch):
    """A config, right predictions in ``good``, and those of ``bad``: nothing far away in 08."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'config.py').write_text(CONFIG.format(root=str(tree_template)))
    for name, stem in FRAMES.items():
        labels = labels_of(tree_template, name)
        prediction = np.where(labels == 255, 1, labels).astype(np.uint8)
        write_voxel_labels(tmp_path / f'good/{stem}.npy', prediction)
        if stem.startswith('08'):
            prediction[FAR:] = 0
        write_voxel_labels(tmp_path / f'bad/{stem}.npy', prediction)
    return tmp_path


def labels_of(tree, name):
    return read_voxel_labels(tree / f'dataset/labels/{name}_1_1.npy', GRID.shape)


def read_csv(path):
    with open(path, newline='') as file:
        return list(csv.DictReader(file))


def test_results_are_analysed(folder, tree_template, tool_in_process):
    analyse = tool_in_process('analysis_tools/analyze_results.py')
    command = ('config.py', 'bad', '--out-dir', 'out', '--num-worst', 1)
    with pytest.warns(UserWarning, match='3 of 4 frames of the test split have predictions'):
        status, output = analyse(*command)
    assert status == 0
    truth = {name: labels_of(tree_template, name) for name in FRAMES}
    occupied = {name: (one > 0) & (one < 255) for name, one in truth.items()}
    far = sum(one[FAR:].sum() for name, one in occupied.items() if name.startswith('08'))
    matrix = {row['label']: row for row in read_csv('out/confusion_matrix.csv')}
    assert list(matrix) == list(CLASSES) and sum(
        int(matrix[name]['empty']) for name in CLASSES[1:]
    ) == far  # fmt: skip
    cars = sum((one == 1).sum() for one in truth.values())
    assert int(matrix['car']['car']) + int(matrix['car']['empty']) == cars
    # Everything nearer than 25.6 m is right, and so is the height of the voxels of 00.
    steps = read_csv('out/iou_by_distance.csv')
    assert [row['SC_IoU'] for row in steps[:2]] == ['100.00', '100.00']
    assert float(steps[-1]['SC_IoU']) < 60
    labelled = sum((one != 255).sum() for one in truth.values())
    for name in ('distance', 'height'):
        rows = read_csv(f'out/iou_by_{name}.csv')
        assert sum(int(row['labelled_voxels']) for row in rows) == labelled
    heights = read_csv('out/iou_by_height.csv')
    assert [float(row['from_m']) for row in heights] == pytest.approx(np.arange(8) * 0.8 - 2)
    frames = read_csv('out/frames.csv')
    assert {row['frame'] for row in frames} == set(FRAMES) and frames[-1]['frame'] == '00/000000'
    worst = occupied[frames[0]['frame']]
    assert float(frames[0]['SC_IoU']) == round(100 * worst[:FAR].sum() / worst.sum(), 2)
    assert frames[-1]['SSC_mIoU'] == '100.00'
    assert f'worst_1.png: {frames[0]["frame"]}, mIoU {frames[0]["SSC_mIoU"]}' in output
    for name in ('confusion_matrix', 'iou_by_distance', 'iou_by_height', 'worst_1'):
        with Image.open(folder / f'out/{name}.png') as picture:
            assert min(picture.size) > 300
    # The second time only with --overwrite, and never into the predictions or the data.
    status, output = analyse(*command)
    assert status == 2 and 'replace files in it with --overwrite' in output
    assert analyse(*command[:-1], 0, '--overwrite', '--distance-step', 5)[0] == 0
    assert [row['to_m'] for row in read_csv('out/iou_by_distance.csv')][:2] == ['5', '10']
    for name in ('bad/out', tree_template / 'out'):
        status, output = analyse('config.py', 'bad', '--out-dir', name)
        assert status == 2 and 'found a folder of the data in' in output


def test_results_are_compared(folder, tool_in_process):
    compare = tool_in_process('analysis_tools/compare_results.py')
    command = ('good', 'bad', '--config', 'config.py', '--out-dir', 'out', '--num-frames', 1)
    status, output = compare(*command)
    assert status == 0 and 'frames: 3, protocol full' in output
    scores = {row['figure']: row for row in read_csv('out/scores.csv')}
    assert scores['SC_IoU']['good'] == scores['SC_Precision']['bad'] == '100.00'
    change = float(scores['SC_IoU']['bad']) - 100
    assert scores['SC_IoU']['difference'] == f'{change:+.2f}'
    frames = read_csv('out/frames.csv')
    assert frames[-1]['frame'] == '00/000000' and float(frames[-1]['difference']) == 0
    assert float(frames[0]['difference']) == pytest.approx(
        100 - float(frames[0]['SSC_mIoU bad']), abs=0.01
    )
    with Image.open(folder / 'out/frame_1.png') as picture:
        colors = {color for _, color in picture.getcolors(1 << 24)}
    assert (38, 110, 200) in colors  # missed
    assert compare(*command, '--overwrite')[0] == 0


def test_only_common_frames_are_compared(folder, tool_in_process):
    compare = tool_in_process('analysis_tools/compare_results.py')
    stem = folder / 'one/sequences/08/predictions/000005.label'
    write_raw_labels(stem, np.zeros(GRID.shape, np.uint16))
    with pytest.warns(UserWarning, match='1 of 4 frames .* have predictions in every folder'):
        status, output = compare('one', 'bad', 'good', '--config', 'config.py')
    assert status == 0 and output.startswith('frames: 1, protocol full')
    write_voxel_labels(folder / 'two/00_000000.npy', np.zeros(GRID.shape, np.uint8))
    status, output = compare('one', 'two', '--config', 'config.py')
    assert status == 2 and 'a frame that every folder has, found none in one and two' in output
    write_voxel_labels(folder / 'three/08_000007.npy', np.zeros(GRID.shape, np.uint8))
    status, output = tool_in_process('analysis_tools/analyze_results.py')(
        'config.py', 'three', '--out-dir', 'out'
    )
    assert status == 2 and 'labels to score against, found none' in output
    assert not (folder / 'out').exists()


@pytest.mark.parametrize(
    ('tool', 'results'), [('analyze_results.py', ['bad']), ('compare_results.py', ['good', 'bad'])]
)
def test_two_commands_do_not_write_to_one_folder(
    folder, tool_in_process, monkeypatch, tool, results
):
    monkeypatch.setattr('mmssc.temporary_files._LOCK_TIMEOUT', 0.1)
    config = [folder / 'config.py'] if len(results) == 1 else []
    options = [] if config else ['--config', folder / 'config.py']
    with lock_folder(folder / 'out'):
        status, output = tool_in_process(f'analysis_tools/{tool}')(
            *config, *results, *options, '--out-dir', 'out'
        )
    assert status == 2 and 'out: expected no other command that writes to this' in output


def test_figures_are_compared_without_a_config(tmp_path, monkeypatch, tool_in_process):
    compare = tool_in_process('analysis_tools/compare_results.py')
    monkeypatch.chdir(tmp_path)
    for name, figures in (('a', {'x/SC_IoU': 30, 'x/own': 1}), ('b', {'x/SC_IoU': 32.5})):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'scores.json').write_text(json.dumps(figures))
    files = ('a/scores.json', 'b/scores.json')
    status, output = compare(*files)
    assert status == 0
    assert [line.split() for line in output.splitlines() if line.startswith('x/')] == [
        ['x/SC_IoU', '|', '30.00', '|', '32.50', '|', '+2.50'],
        ['x/own', '|', '1.00', '|', '-', '|', '-'],
    ]
    for arguments, message in (
        ((files[0], 'b'), 'b: expected all results folders, or all files of figures'),
        (('a', 'b'), '--config: expected a config with the labels'),
        ((*files, '--names', 'm', 'm'), '--names: expected different results, found m, m'),
        ((files[0], 'none.json'), 'none.json: expected a folder of predictions, or the JSON'),
    ):
        status, output = compare(*arguments)
        assert status == 2 and message in output and output.count('\n') == 1


def test_an_unknown_protocol_is_named(folder, tool_in_process):
    analyse = tool_in_process('analysis_tools/analyze_results.py')
    with pytest.warns(UserWarning, match='3 of 4'):
        status, output = analyse('config.py', 'bad', '--out-dir', 'out', '--protocol', 'near')
    assert status == 2 and "a mask 'near', found none. The protocol 'full' needs no mask" in output
