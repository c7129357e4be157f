"""Scores of a LiDAR model by the commands, on a tiny tree: thinned scans, visible voxels."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scan_model import GRID, street_scan, write_config
from tiny_tree import P2, TR

from mmssc.apis import LidarInferencer, init_model
from mmssc.datasets.driving_list import write_driving_list
from mmssc.evaluation import SSCMetric
from mmssc.formats.kitti import (
    to_homogeneous,
    write_velodyne,
    write_voxel_bits,
    write_voxel_labels,
)
from mmssc.geometry import VISIBLE, scan_to_occupancy

SCAN = street_scan()


@pytest.fixture(scope='module')
def tree(tmp_path_factory):
    """Config, weights and two labelled scans."""
    root = tmp_path_factory.mktemp('thin')
    torch.manual_seed(0)
    model = init_model(write_config(root / 'config.py'))
    torch.save(dict(state_dict=model.state_dict(), meta={}), root / 'weights.pth')
    rng = np.random.default_rng(0)
    for frame in ('000000', '000001'):
        write_velodyne(root / f'dataset/sequences/08/velodyne/{frame}.bin', SCAN)
        labels = rng.choice(np.uint8([0, 1, 9, 255]), GRID['shape'])
        write_voxel_labels(root / f'dataset/labels/08/{frame}_1_1.npy', labels)
    poses = np.stack([np.eye(4)] * 2)
    info = dict(
        metainfo=dict(dataset='SemanticKITTI', split='val', format_version=1, voxel_grid=GRID),
        sequences={'08': dict(P2=P2, lidar2cam=to_homogeneous(TR), poses=poses)},
        data_list=[
            dict(sequence='08', frame_id=frame, labelled=True) for frame in ('000000', '000001')
        ],
    )
    write_driving_list(root / 'semantickitti_infos_val.json', info)
    return root


@pytest.fixture
def thin(tree, tool_in_process):
    run = tool_in_process('analysis_tools/thin_scans.py')
    root = f'test_dataloader.dataset.data_root={tree}'

    def call(*options):
        arguments = (tree / 'config.py', tree / 'weights.pth', '--device', 'cpu', *options)
        return run(*arguments, '--cfg-options', root)

    return call


def test_a_model_for_images_is_refused(tool_in_process):
    status, printed = tool_in_process('analysis_tools/thin_scans.py')('light_depth_nyu')
    expected = 'light_depth_nyu: expected the config of a model for scans, found one for images'
    assert status == 2 and expected in printed


def test_the_table(tree, thin, tmp_path):
    status, printed = thin('--out', tmp_path / 'table.md')
    assert status == 0, printed
    table = (tmp_path / 'table.md').read_text()
    rows = [line.strip('| ').split(' | ') for line in table.splitlines()[2:]]
    assert [row[0] for row in rows] == ['all', 'beams-32', 'beams-16', 'livox']
    points = [float(row[1]) for row in rows]
    assert points[0] == len(SCAN) > 1.9 * points[1] > 3.7 * points[2] and points[3] > 100
    assert rows[0][4:] == ['0.00', '0.00'] and table in printed
    sample = LidarInferencer(tree / 'config.py', tree / 'weights.pth', 'cpu')(
        SCAN, sensor_height=1.73
    )
    labels = [np.load(tree / f'dataset/labels/08/{name}_1_1.npy') for name in ('000000', '000001')]
    names = [str(number) for number in range(20)]
    expected = SSCMetric.calculate([sample.pred_voxels] * 2, labels, names)
    assert float(rows[0][2]) == expected['SC_IoU'] and float(rows[0][3]) == expected['SSC_mIoU']


def test_options(thin):
    status, printed = thin('--patterns', 'beams-16', '--samples', 1)
    assert status == 0 and printed.count('| beams-16 |') == 1 and '| all |' not in printed
    for wrong in ('beams-24', 'height-x', 'height-nan', 'height-99', 'unknown-height-'):
        status, printed = thin('--patterns', wrong)
        assert status == 2 and 'beams-N with N a divisor of 64' in printed
        assert f'found {wrong}' in printed and printed.count('\n') == 1
    status, printed = thin('--against', 'seen')
    assert status == 2 and '--against: expected scans without labels (--points)' in printed


def rows_of(table):
    lines = [line for line in table.splitlines() if line.startswith('| ')]
    return {cells[0]: cells[1:] for cells in (line.strip('| ').split(' | ') for line in lines[2:])}


def test_scans_without_labels(tree, thin, tmp_path):
    folder = tmp_path / 'scans'
    folder.mkdir()
    for number in (2, 10):
        np.save(folder / f'{number}.npy', SCAN)
    names = ('all', 'beams-16', 'height-1.0', 'unknown-height-1.0')
    status, printed = thin('--points', folder, '--patterns', *names)
    assert status == 0, printed
    rows = rows_of(printed)
    assert list(rows) == list(names)
    # Against the prediction for the whole scan; a height that is found changes little.
    assert rows['all'][1:] == ['100.00', *rows['all'][2:3], '0.00', '0.00']
    # The network is not trained and takes every voxel for occupied: classes tell.
    mious = {name: float(row[2]) for name, row in rows.items()}
    assert mious['all'] > mious['beams-16'] + 0.5
    assert mious['height-1.0'] > mious['unknown-height-1.0'] + 0.5


def test_scans_without_labels_against_what_they_show(tree, thin, tmp_path):
    np.save(tmp_path / 'a.npy', SCAN)
    status, printed = thin('--points', tmp_path / 'a.npy', '--against', 'seen', '--patterns', 'all')
    assert status == 0, printed
    inferencer = LidarInferencer(tree / 'config.py', tree / 'weights.pth', 'cpu')
    sample = inferencer(SCAN, sensor_height=1.73)
    hit = scan_to_occupancy(torch.from_numpy(SCAN), inferencer.voxel_grid)
    seen = sample.visibility == VISIBLE
    assert seen[hit].all() and (seen & ~hit).any()
    predicted = (sample.pred_voxels > 0)[seen]
    iou = 100 * (predicted & hit[seen]).sum() / (predicted | hit[seen]).sum()
    points, found, miou, loss, _ = rows_of(printed)['all']
    assert float(found) == pytest.approx(iou.item(), abs=0.005)
    assert (int(points), miou, loss) == (len(SCAN), '-', '0.00')


def test_scores_of_visible_and_occluded_voxels(tree, tool_in_process, tmp_path):
    rng = np.random.default_rng(7)
    for frame in ('000000', '000001'):
        for kind in ('occluded', 'invalid'):
            path = tree / f'dataset/sequences/08/voxels/{frame}.{kind}'
            write_voxel_bits(path, rng.random(GRID['shape']) < 0.4)
    config = tree / 'visibility.py'
    config.write_text(
        "_base_ = 'config.py'\n"
        'steps = _base_.test_dataloader.dataset.pipeline\n'
        "masks = dict(type='LoadDrivingMasks', optional=True, kinds=('visibility',))\n"
        'test_dataloader = dict(dataset=dict(pipeline=[*steps[:-1], masks, steps[-1]]))\n'
        "parts = ('full', 'visible', 'occluded', 'unobserved')\n"
        'test_evaluator = dict(protocols=parts, ranges=(6.4, 12.8), field_of_view=(32, 48))\n'
    )
    run = tool_in_process('test.py')
    figures = tmp_path / 'figures.json'
    status, printed = run(config, tree / 'weights.pth', '--out', figures, '--work-dir', tmp_path,
                          '--cfg-options', f'test_dataloader.dataset.data_root={tree}')  # fmt: skip
    assert not status, printed
    found = json.loads(figures.read_text())
    ious = [found[f'ssc/SC_IoU{part}'] for part in ('', '_visible', '_occluded', '_unobserved')]
    assert len({*ious}) == 4 and min(ious) > 0
    assert min(ious[1:]) < ious[0] < max(ious[1:])
    near, whole, seen = (found[f'ssc/SC_IoU_{part}'] for part in ('6.4m', '12.8m', 'fov'))
    assert whole == ious[0] and len({near, whole, seen}) == 3 and min(near, seen) > 0


def test_the_view_of_a_camera_needs_a_size(tree, tool_in_process, tmp_path):
    run = tool_in_process('test.py')
    options = ('--cfg-options', f'test_dataloader.dataset.data_root={tree}')
    command = (tree / 'config.py', tree / 'weights.pth', '--work-dir', tmp_path, *options)
    status, printed = run(*command, 'test_evaluator.field_of_view=True')
    assert status == 2 and 'test_evaluator.field_of_view=[370,1220]' in printed
    status, printed = run(*command, 'test_evaluator.field_of_view=[32,48]')
    assert not status and 'fov' in printed
