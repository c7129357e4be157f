"""SSCMetric: views, names, memory, missing labels, two processes, submissions."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator

from mmssc.errors import DataError
from mmssc.evaluation import SSCMetric
from mmssc.evaluation.score_table import figure_view
from mmssc.geometry import field_of_view_mask
from mmssc.registry import METRICS
from mmssc.structures import SSCDataSample, VoxelGrid

UNITS = Path(__file__).parents[1] / 'data' / 'parity' / 'sgn' / 'units_1.npz'
CLASSES = ('empty', 'car', 'road')
GRID = VoxelGrid((0.0, -4.0, -1.0), 1.0, (8, 8, 2))


def make_sample(seed: int, grid: VoxelGrid = GRID, **fields) -> SSCDataSample:
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(0, 4, grid.shape, generator=generator).to(torch.uint8)
    target[target == 3] = 255
    sample = SSCDataSample(
        metainfo=dict(sequence='08', frame_id=f'{5 * seed:06d}', voxel_grid=grid)
    )
    sample.gt_voxels = target
    sample.pred_voxels = torch.randint(0, 3, grid.shape, generator=generator).to(torch.uint8)
    for name, value in fields.items():
        setattr(sample, name, value)
    return sample


def make_metric(**options) -> SSCMetric:
    metric = METRICS.build(dict(type='mmssc.SSCMetric', prefix='toy', **options))
    metric.dataset_meta = dict(classes=CLASSES)
    return metric


def run(metric: SSCMetric, samples: list[SSCDataSample]) -> dict[str, float]:
    evaluator = Evaluator(metric)
    for start in range(0, len(samples), 2):
        evaluator.process(samples[start : start + 2])
    return evaluator.evaluate(len(samples))


def test_a_protocol_may_be_given_by_name():
    assert make_metric(protocols='full').protocols == ('full',)


def test_volumes_without_a_label_are_told(monkeypatch):
    lines = []
    monkeypatch.setattr(
        'mmssc.evaluation.metrics.ssc_metric.print_log', lambda text, *_: lines.append(text)
    )
    sample = make_sample(0)
    sample.gt_voxels[:] = 255
    figures = run(make_metric(ranges=(4.0,)), [sample])
    assert set(figures.values()) == {0.0}
    told = [text for text in lines if 'has a label' in text]
    assert ["'full'" in told[0], "'4m'" in told[1], len(told)] == [True, True, 2]


def test_equals_the_dictionary_of_the_official_sgn_code():
    with np.load(UNITS) as units:
        keys, values = units['metric/evaluate_keys'], units['metric/evaluate_values']
        prediction, target = units['metric/pred'], units['metric/target']
    metric = SSCMetric(prefix='semkitti', ignored_as_empty=True)
    metric.dataset_meta = dict(classes=[f'c{index}' for index in range(20)])
    samples = []
    for guess, truth in zip(prediction, target):
        sample = SSCDataSample()
        sample.pred_voxels, sample.gt_voxels = torch.from_numpy(guess), torch.from_numpy(truth)
        samples.append(sample)
    figures = run(metric, samples)
    expected = {key.replace('semkitti_', 'semkitti/', 1): value for key, value in zip(keys, values)}
    assert figures == pytest.approx(expected, abs=1e-9)


def test_perfect_prediction_scores_100_and_every_figure_has_a_name():
    sample = make_sample(1)
    sample.pred_voxels = sample.gt_voxels.clone()
    sample.pred_voxels[sample.gt_voxels == 255] = 1
    figures = run(make_metric(), [sample])
    assert figures == {
        'toy/SC_Precision': 100.0,
        'toy/SC_Recall': 100.0,
        'toy/SC_IoU': 100.0,
        'toy/SSC_mIoU': 100.0,
        'toy/SSC_empty_IoU': 100.0,
        'toy/SSC_car_IoU': 100.0,
        'toy/SSC_road_IoU': 100.0,
        'toy/combined_IoU': 200.0,
    }


def test_ranges_equal_scores_of_the_cut_volumes():
    sample = make_sample(2)
    figures = run(make_metric(ranges=(2.0, 4, 8.0)), [sample])
    for extent, part in ((2, (slice(0, 2), slice(3, 5))), (4, (slice(0, 4), slice(2, 6)))):
        cut = SSCMetric.calculate([sample.pred_voxels[part]], [sample.gt_voxels[part]], CLASSES)
        for key, value in cut.items():
            assert figures[f'toy/{key}_{extent}m'] == value
    assert figures['toy/SSC_mIoU_8m'] == figures['toy/SSC_mIoU']
    assert len({figures[f'toy/SC_IoU{suffix}'] for suffix in ('', '_2m', '_4m')}) == 3


def test_the_names_of_the_figures_are_known_before():
    sample = make_sample(6, eval_masks=dict.fromkeys(('nyu_sc', 'nyu_ssc'), torch.ones(GRID.shape)))
    sample.set_metainfo(calibration(0.1))
    metric = make_metric(protocols=('full', 'nyu'), ranges=(2.0, 4.5), field_of_view=True)
    assert sorted(metric.figure_names()) == sorted(run(metric, [sample]))
    assert make_metric(format_only=True, output_dir='x').figure_names() == []


def test_ranges_follow_the_axis_names_of_the_grid():
    grid = VoxelGrid((-1.0, 0.0, -4.0), 1.0, (2, 8, 8), axes=('z', 'x', 'y'))
    sample = make_sample(3, grid)
    figures = run(make_metric(ranges=(2.0,)), [sample])
    part = (slice(None), slice(0, 2), slice(3, 5))
    cut = SSCMetric.calculate([sample.pred_voxels[part]], [sample.gt_voxels[part]], CLASSES)
    assert figures['toy/SC_IoU_2m'] == cut['SC_IoU']


def calibration(yaw: float) -> dict:
    # Camera at (-1, 0, 0) of the grid's frame that looks along x, turned a little.
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    lidar2cam = np.eye(4)
    lidar2cam[:3, :3] = turn @ np.array([[0, -1, 0], [0, 0, -1], [1, 0, 0]])
    lidar2cam[2, 3] = 1.0
    return dict(
        lidar2cam=lidar2cam[None],
        cam2img=np.array([[10.0, 0, 16], [0, 10, 8], [0, 0, 1]]),
        img_shape=(16, 32),
    )


def test_field_of_view_scores_the_seen_voxels_and_its_cache_stays_small():
    metric = make_metric(field_of_view=True)
    sample = make_sample(4)
    sample.set_metainfo(calibration(0.1))
    figures = run(metric, [sample])
    mask = field_of_view_mask(
        GRID, torch.from_numpy(sample.lidar2cam[0]), torch.from_numpy(sample.cam2img), (16, 32)
    )
    assert 0 < int(mask.sum()) < mask.numel()
    cut = SSCMetric.calculate([sample.pred_voxels], [sample.gt_voxels], CLASSES, [mask])
    assert figures['toy/SSC_mIoU_fov'] == cut['SSC_mIoU'] != figures['toy/SSC_mIoU']
    for step in range(10):
        sample.set_metainfo(calibration(0.01 * step))
        run(metric, [sample, sample])
    assert len(metric._seen) <= 4


def test_a_method_without_images_takes_the_size_of_those_of_others():
    sample = make_sample(4)
    sample.set_metainfo(calibration(0.1))
    with_image = run(make_metric(field_of_view=True), [sample])
    without = make_sample(4)
    without.set_metainfo({**calibration(0.1), 'img_shape': None})
    assert run(make_metric(field_of_view=(16, 32)), [without]) == with_image
    assert run(make_metric(field_of_view=[16, 8]), [without]) != with_image
    with pytest.raises(DataError, match=r'img_shape: .*without images.*field_of_view=.370,1220.'):
        run(make_metric(field_of_view=True), [without])
    for wrong in ((370,), (370, 0), 'all', (370, 12.5)):
        with pytest.raises(DataError, match='SSCMetric.field_of_view: expected True, False or'):
            make_metric(field_of_view=wrong)


def test_named_masks_are_protocols():
    mask = torch.zeros(GRID.shape, dtype=torch.bool)
    mask[2:5] = True
    sample = make_sample(5, eval_masks={'occluded': mask, 'surface': ~mask})
    figures = run(make_metric(protocols=('occluded', 'surface')), [sample])
    cut = SSCMetric.calculate([sample.pred_voxels], [sample.gt_voxels], CLASSES, [mask])
    assert {key: figures[f'toy/{key}_occluded'] for key in cut} == cut
    assert 'toy/SC_IoU' not in figures and 'toy/SC_IoU_surface' in figures
    with pytest.raises(DataError, match="a mask 'frontal', found .*occluded, surface"):
        run(make_metric(protocols=('frontal',)), [sample])


def test_no_score_without_labels():
    sample = make_sample(6)
    del sample.gt_voxels
    with pytest.raises(DataError, match='08/000030: gt_voxels.*format_only=True'):
        run(make_metric(), [sample])


def test_needs_to_know_the_classes():
    with pytest.raises(DataError, match='dataset_meta'):
        run(METRICS.build(dict(type='mmssc.SSCMetric')), [make_sample(1)])


def test_records_do_not_grow_with_the_volume_and_are_forgotten_after_an_epoch():
    metric = make_metric(ranges=(2.0,))
    small, large = make_sample(1), make_sample(1, VoxelGrid((0, -32, 0), 1.0, (64, 64, 16)))
    metric.process(None, [small.to_dict(), large.to_dict()])
    sizes = [len(pickle.dumps(record)) for record in metric.results]
    # A larger count takes a byte or two more.
    assert abs(sizes[0] - sizes[1]) < 16 and sizes[1] < 3000
    metric.evaluate(2)
    assert metric.results == []


def test_two_epochs_do_not_add_up_and_a_padded_sample_is_dropped():
    metric, samples = make_metric(), [make_sample(seed) for seed in range(3)]
    first = run(metric, samples)
    assert run(metric, samples) == first
    evaluator = Evaluator(metric)
    evaluator.process([*samples, samples[0]])
    assert evaluator.evaluate(3) == first


def test_the_log_names_every_class(monkeypatch):
    lines: list[str] = []
    monkeypatch.setattr(
        'mmssc.evaluation.metrics.ssc_metric.print_log', lambda text, *_: lines.append(text)
    )
    run(make_metric(ranges=(4.0,)), [make_sample(1)])
    text = lines[0]
    for word in ('empty (not in mIoU)', 'car', 'road', 'SC IoU', 'SSC mIoU', 'full', '4m'):
        assert word in text
    assert len({line.count('|') for line in text.splitlines() if '|' in line}) == 1


WORKER = """
import json, sys
import torch
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import Evaluator
sys.path.insert(0, sys.argv[4])
from test_ssc_metric import make_metric, make_sample
rank, store, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
torch.distributed.init_process_group('gloo', init_method='file://' + store, rank=rank, world_size=2)
evaluator = Evaluator(make_metric(ranges=(4.0,), collect_dir=folder + '/exchange'))
figures = []
for epoch in range(2):
    for index in DefaultSampler(range(7), shuffle=False):
        evaluator.process([make_sample(index)])
    figures.append(evaluator.evaluate(7))
if rank == 0:
    json.dump(figures, open(folder + '/figures.json', 'w'))
torch.distributed.barrier()
# A group that is alive when the interpreter shuts down can abort it.
torch.distributed.destroy_process_group()
"""


def run_two_processes(script: str, folder: Path) -> None:
    here = str(Path(__file__).parent)
    workers = [
        subprocess.Popen(
            [sys.executable, '-c', script, str(rank), str(folder / 'store'), str(folder), here],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for worker in workers:
        _, errors = worker.communicate(timeout=120)
        assert worker.returncode == 0, errors


def test_two_processes_with_an_odd_number_of_samples_equal_one(tmp_path):
    run_two_processes(WORKER, tmp_path)
    alone = run(make_metric(ranges=(4.0,)), [make_sample(index) for index in range(7)])
    first, second = json.loads((tmp_path / 'figures.json').read_text())
    assert first == second == alone


def kitti_sample(frame: int, prediction: torch.Tensor) -> SSCDataSample:
    sample = SSCDataSample(metainfo=dict(sequence='11', frame_id=f'{frame:06d}'))
    sample.pred_voxels = prediction
    return sample


def submission_metric(folder: Path, dataset: str = 'SemanticKITTI', **options) -> SSCMetric:
    metric = make_metric(format_only=True, output_dir=folder, **options)
    metric.dataset_meta = dict(classes=CLASSES, dataset=dataset)
    return metric


def test_format_only_writes_raw_ids_and_zips_this_run_only(tmp_path):
    metric = submission_metric(tmp_path, allow_unofficial_grid=True)
    stale = tmp_path / 'sequences' / '11' / 'predictions' / '999995.label'
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b'old')
    prediction = torch.arange(20, dtype=torch.uint8).reshape(2, 5, 2)
    assert run(metric, [kitti_sample(0, prediction), kitti_sample(5, prediction)]) == {}
    with zipfile.ZipFile(tmp_path / 'submission.zip') as package:
        assert package.namelist() == [
            'sequences/11/predictions/000000.label', 'sequences/11/predictions/000005.label'
        ]  # fmt: skip
        raw = np.frombuffer(package.read('sequences/11/predictions/000005.label'), '<u2')
    with np.load(UNITS) as units:
        assert raw.tolist() == units['export/raw_of_class'].tolist()


@pytest.mark.parametrize(
    ('unofficial', 'content', 'problem'),
    [
        (True, np.full(8, 7777, '<u2'), 'label value: 8 voxels with unknown ids: 7777'),
        (False, np.zeros(8, '<u2'), 'size: expected 4194304 bytes, found 16'),
    ],
)
def test_the_zip_is_checked(tmp_path, unofficial, content, problem):
    metric = submission_metric(tmp_path, allow_unofficial_grid=unofficial)
    volume = torch.zeros(*((2, 2, 2) if unofficial else (256, 256, 32)), dtype=torch.uint8)
    metric.process(None, [kitti_sample(0, volume).to_dict()])
    # As if another process had written there in the meantime.
    (tmp_path / 'sequences/11/predictions/000000.label').write_bytes(content.tobytes())
    with pytest.raises(
        DataError, match=f'submission.zip: .*11/predictions/000000.label: {problem}'
    ):
        metric.evaluate(1)


@pytest.mark.parametrize('dataset', ['SSCBenchKITTI360', 'NYU', 'toy'])
def test_format_only_refuses_data_sets_without_a_server(tmp_path, dataset):
    metric = submission_metric(tmp_path, dataset)
    with pytest.raises(DataError, match=f'{dataset} has no submission server'):
        run(metric, [kitti_sample(0, torch.zeros(2, 2, 2, dtype=torch.uint8))])
    assert not list(tmp_path.rglob('*.label'))


def test_format_only_refuses_other_grids_and_needs_a_folder(tmp_path):
    with pytest.raises(DataError, match=r'\(256, 256, 32\), found \(2, 2, 2\)'):
        run(submission_metric(tmp_path), [kitti_sample(0, torch.zeros(2, 2, 2, dtype=torch.uint8))])
    with pytest.raises(ValueError, match='output_dir'):
        SSCMetric(format_only=True)


SUBMISSION_WORKER = """
import sys
import torch
from pathlib import Path
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import Evaluator
sys.path.insert(0, sys.argv[4])
from test_ssc_metric import kitti_sample, submission_metric
rank, store, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
torch.distributed.init_process_group('gloo', init_method='file://' + store, rank=rank, world_size=2)
metric = submission_metric(
    Path(folder) / 'out', allow_unofficial_grid=True, collect_dir=folder + '/exchange'
)
evaluator = Evaluator(metric)
for index in DefaultSampler(range(5), shuffle=False):
    evaluator.process([kitti_sample(5 * index, torch.full((2, 2, 2), index, dtype=torch.uint8))])
evaluator.evaluate(5)
torch.distributed.barrier()
# A group that is alive when the interpreter shuts down can abort it.
torch.distributed.destroy_process_group()
"""


def test_two_processes_write_one_submission(tmp_path):
    run_two_processes(SUBMISSION_WORKER, tmp_path)
    with zipfile.ZipFile(tmp_path / 'out' / 'submission.zip') as package:
        names = package.namelist()
        values = [set(np.frombuffer(package.read(name), '<u2').tolist()) for name in names]
    assert names == [f'sequences/11/predictions/{5 * index:06d}.label' for index in range(5)]
    assert values == [{0}, {10}, {11}, {15}, {18}]


def test_figures_with_the_empty_class():
    samples = [make_sample(seed) for seed in range(3)]
    plain = run(make_metric(ranges=(4.0,)), samples)
    figures = run(make_metric(ranges=(4.0,), all_classes=True), samples)
    assert {key: figures[key] for key in plain} == plain
    more = ['toy/mIoU_with_empty', 'toy/Accuracy', 'toy/mIoU_with_empty_4m', 'toy/Accuracy_4m']
    assert set(figures) - set(plain) == set(more)
    ious = [plain[f'toy/SSC_{name}_IoU'] for name in CLASSES]
    assert figures['toy/mIoU_with_empty'] == pytest.approx(np.mean(ious), abs=0.011)
    assert plain['toy/SSC_mIoU'] == pytest.approx(np.mean(ious[1:]), abs=0.011)
    target = torch.stack([sample.gt_voxels for sample in samples])
    right = torch.stack([sample.pred_voxels for sample in samples]) == target
    share = 100 * float(right[target != 255].float().mean())
    assert figures['toy/Accuracy'] == pytest.approx(share, abs=0.006)
    assert set(make_metric(ranges=(4.0,), all_classes=True).figure_names()) == set(figures)


@pytest.mark.parametrize(
    ('name', 'view'),
    [('ssc/mIoU_with_free', 'full'), ('ssc/Accuracy_12.8m', '12.8m'),
     ('mIoU_with_free_12.8m', '12.8m')],
)  # fmt: skip
def test_figures_with_the_empty_class_have_a_view(name, view):
    assert figure_view(name) == view
