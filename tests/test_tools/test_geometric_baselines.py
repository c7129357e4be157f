import json
import sys

import pytest
import torch
from mmengine.config import Config
from tool_runs import ROOT

from mmssc.errors import DataError
from mmssc.evaluation.functional import scores_from_counts
from mmssc.structures import SSCDataSample, VoxelGrid

sys.path.insert(0, str(ROOT / 'tools' / 'analysis_tools'))
import geometric_baselines

GRID = VoxelGrid((0, 0, 0), (1, 1, 1), (2, 2, 2))
CLASSES = ('empty', 'road', 'car')


class Volumes(list):
    """A data set of label volumes, each with the points it was given."""

    metainfo = dict(classes=CLASSES, ignore_index=255)
    ann_file = 'volumes.json'

    def __getitem__(self, number):
        labels, points = super().__getitem__(number)
        sample = SSCDataSample(metainfo=dict(voxel_grid=GRID, sequence='00', frame_id='000000'))
        if labels is not None:
            sample.gt_voxels = torch.tensor(labels, dtype=torch.uint8)
        return dict(inputs=dict(points=torch.tensor(points)), data_samples=sample)


# (X, Y, Z): road below, a car above one cell; once a voxel without a label.
TRAIN = Volumes([
    ([[[1, 2], [1, 0]], [[1, 0], [0, 0]]], [[0.5, 0.5, 0.5]]),
    ([[[1, 2], [1, 0]], [[2, 0], [0, 255]]], [[0.5, 0.5, 0.5]]),
    ([[[1, 0], [0, 0]], [[1, 0], [0, 255]]], [[0.5, 0.5, 0.5]]),
])  # fmt: skip


def test_counts_leave_ignored_voxels_out():
    counts = geometric_baselines.count_classes(TRAIN, None, 255)
    assert counts[:, 0, 0, 0].tolist() == [0, 3, 0]
    assert counts[:, 0, 0, 1].tolist() == [1, 0, 2]
    assert counts[:, 1, 0, 0].tolist() == [0, 2, 1]
    assert counts[:, 1, 1, 1].tolist() == [1, 0, 0]


def test_limit_takes_samples_evenly():
    counts = geometric_baselines.count_classes(TRAIN, 1, 255)
    assert counts.sum(0).max() == 1 and counts[2, 0, 0, 1] == 1


def test_class_of_a_height_is_its_most_frequent_occupied_class():
    counts = torch.zeros(3, 2, 2, 3, dtype=torch.int32)
    counts[0] = 100
    counts[1, :, :, 0], counts[2, 0, 0, 0], counts[2, 1, 1, 1] = 2, 1, 5
    # Nothing at the third height: the class that is most frequent over all, road with 8.
    assert geometric_baselines.class_at_height(counts, 2).tolist() == [1, 2, 1]
    assert geometric_baselines.class_at_height(counts.transpose(2, 3), 1).tolist() == [1, 2, 1]


def label_points(points, grid):
    item = dict(inputs=dict(points=torch.tensor(points)))
    seen = geometric_baselines.seen_voxels(item, grid, TRAIN)
    return geometric_baselines.label_by_height(seen, grid, torch.tensor([1, 2]))


def test_prediction_marks_the_voxels_of_points():
    points = [[0.5, 0.5, 0.5], [1.5, 0.5, 1.5], [9.0, 0, 0]]
    assert label_points(points, GRID).tolist() == [[[1, 0], [0, 0]], [[0, 2], [0, 0]]]
    swapped = VoxelGrid((0, 0, 0), (1, 1, 1), (2, 2, 2), ('z', 'y', 'x'))
    assert label_points(points, swapped).tolist() == [[[1, 0], [0, 0]], [[0, 2], [0, 0]]]
    off_diagonal = label_points([[1.5, 0.5, 0.5]], swapped)
    assert off_diagonal[0, 0, 1] == 1 and off_diagonal.sum() == 1


def test_the_voxels_of_a_scan_take_the_place_of_points():
    class Scans(Volumes):
        def __getitem__(self, number):
            item = super().__getitem__(number)
            occupancy = torch.zeros(2, 2, 2, dtype=torch.bool)
            occupancy[0, 0, 1] = occupancy[1, 1, 1] = True
            return dict(item, inputs=dict(occupancy=occupancy))

    truth = [[[1, 2], [1, 0]], [[1, 0], [0, 255]]]
    counts = geometric_baselines.score_baselines(TRAIN, Scans([(truth, [[0.5, 0.5, 0.5]])]))
    assert [*counts] == ['scan voxels', 'training mean']
    # One of four occupied voxels is found, and it is a car; the voxel without a label is left out.
    assert scores_from_counts(counts['scan voxels']).iou == pytest.approx(25)
    assert scores_from_counts(counts['scan voxels']).miou == pytest.approx(50, abs=1e-2)


def test_scores_of_both_baselines_by_hand():
    truth = [[[1, 2], [1, 0]], [[1, 0], [0, 255]]]
    val = Volumes([(truth, [[0.5, 0.5, 0.5], [0.5, 0.5, 1.5], [1.5, 1.5, 0.5]])])
    counts = geometric_baselines.score_baselines(TRAIN, val)
    lifted, prior = (scores_from_counts(counts[name]) for name in ('depth points', 'training mean'))
    # Points hit 2 of the 4 occupied voxels and one empty one.
    assert lifted.iou == pytest.approx(100 * 2 / 5)
    assert lifted.class_iou[1:] == pytest.approx((100 / 4, 100.0), abs=1e-2)
    assert (prior.iou, prior.miou) == pytest.approx((100.0, 100.0), abs=1e-2)


def test_samples_without_labels_are_an_error():
    with pytest.raises(DataError, match='00/000000'):
        geometric_baselines.count_classes(Volumes([(None, [[0.0, 0, 0]])]), None, 255)
    with pytest.raises(DataError, match='at least one'):
        geometric_baselines.count_classes(Volumes(), None, 255)


def test_a_pipeline_without_points_is_an_error():
    item = dict(TRAIN[0], inputs=dict(img=torch.zeros(1)))
    with pytest.raises(
        DataError, match=r'volumes\.json: points: .*reads points, e\.g\. one of SGN'
    ):
        geometric_baselines.seen_voxels(item, GRID, TRAIN)


@pytest.mark.parametrize(('iou', 'status'), [(41.0, 0), (40.0, 1), (12.0, 1)])
def test_a_network_must_beat_both(iou, status, monkeypatch, tmp_path, capsys):
    truth = [[[1, 2], [1, 0]], [[1, 0], [0, 0]]]
    sets = dict(train=Volumes([(truth, [[0.5, 0.5, 0.5]])]), val=TRAIN)
    file = tmp_path / 'c.py'
    file.touch()
    loaders = {f'{split}_dataloader': dict(dataset=split) for split in sets}
    config = Config(loaders, filename=file)
    monkeypatch.setattr(geometric_baselines, 'load_config', lambda args: config)
    monkeypatch.setattr(geometric_baselines, 'inputs_of', lambda cfg: [])
    monkeypatch.setattr(geometric_baselines.DATASETS, 'build', sets.__getitem__)
    monkeypatch.setattr(geometric_baselines, 'score_baselines', fixed_counts)
    figures, out = tmp_path / 'figures.json', tmp_path / 'baselines.json'
    figures.write_text(json.dumps({'ssc/SC_IoU': iou, 'ssc/SSC_mIoU': 99.0, 'ssc/SC_IoU_12.8m': 0}))
    found = geometric_baselines.main(['c.py', '--figures', str(figures), '--out', str(out)])
    assert found == status
    assert json.loads(out.read_text())['depth points']['SC_IoU'] == 40.0
    printed = capsys.readouterr().out
    assert f'{iou:.2f}' in printed and ('NOT LEARNED' in printed) == bool(status)
    untrained = tmp_path / 'untrained.json'
    untrained.write_text(json.dumps({'ssc/SC_IoU': 1.0, 'ssc/SSC_mIoU': 99.5}))
    arguments = ['c.py', '--figures', str(figures), '--untrained', str(untrained)]
    assert geometric_baselines.main(arguments) == 1
    assert 'SSC_mIoU of untrained' in capsys.readouterr().out


def fixed_counts(train, val, limit):
    truth = [[[1, 2], [1, 0]], [[1, 0], [0, 255]]]
    points = [[0.5, 0.5, 0.5], [0.5, 0.5, 1.5], [1.5, 1.5, 0.5]]
    counts = ORIGINAL_SCORES(TRAIN, Volumes([(truth, points)]), limit)
    return {'depth points': counts['depth points']}


ORIGINAL_SCORES = geometric_baselines.score_baselines


def test_damaged_figures_are_named(tmp_path, capsys):
    figures = tmp_path / 'figures.json'
    figures.write_text('{')
    assert geometric_baselines.main(['c.py', '--figures', str(figures)]) == 2
    assert 'figures.json' in capsys.readouterr().err
    for value in ('NaN', '1e400', '"1"', 'null', 'true', '[' * 50 + ']' * 50):
        figures.write_text(f'{{"ssc/SC_IoU": 5, "ssc/SSC_mIoU": {value}}}')
        assert geometric_baselines.main(['c.py', '--figures', str(figures)]) == 2
        assert 'figures.json: SSC_mIoU: expected a finite number' in capsys.readouterr().err


@pytest.mark.slow
def test_quick_start_chain_from_scenes_to_baselines(run_tool, tmp_path):
    grid = ['--grid-shape', 64, 64, 8, '--voxel-size', 0.8]
    run_tool(
        'dataset_converters/make_synthetic.py', '--out', 'data/synthetic', *grid, '--frames', 2,
        '--label-step', 1, '--frame-step', 20, '--sequences', '00', '01', '08', '--workers', 2,
    )  # fmt: skip
    run_tool('dataset_converters/semantic_kitti.py', 'data/synthetic', *grid, '--workers', 2)
    config = ROOT / 'configs/quickstart/sgn_synthetic.py'
    run_tool('analysis_tools/geometric_baselines.py', config, '--out', 'figures.json')
    figures = json.loads((tmp_path / 'figures.json').read_text())
    assert 10 < figures['depth points']['SC_IoU'] < 50
    assert 20 < figures['training mean']['SC_IoU'] < 80
