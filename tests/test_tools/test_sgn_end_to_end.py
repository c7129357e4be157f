"""SGN by the commands of the guides: data, training, resuming, two processes, testing, exporting.

All tests share one tree of synthetic streets and one training run of six iterations.
"""

from __future__ import annotations

import json
import math
import re
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image
from tool_runs import (
    STREET_CONFIG,
    STREET_FRAMES,
    TEST_SPLIT,
    assert_equal_trees,
    read_scalars,
    run_tool_in,
    street_options,
)

from mmssc.apis import init_model
from mmssc.compat import load_checkpoint_file
from mmssc.datasets import SemanticKITTIDataset
from mmssc.formats.kitti import read_raw_labels

SHAPE = (64, 64, 8)
CLASSES = SemanticKITTIDataset.METAINFO['classes']
VIEWS = ('', '_12.8m', '_25.6m', '_51.2m')


@pytest.fixture(scope='session')
def trained(train_on_streets) -> Path:
    """Work folder of two epochs in one process, two samples a batch."""
    return train_on_streets(STREET_CONFIG)


@pytest.fixture(scope='session')
def tested(streets, trained, tmp_path_factory) -> Path:
    """Folder with ``scores.json``, ``pictures/`` and the printed ``table.txt`` of that run."""
    folder = tmp_path_factory.mktemp('test')
    done = run_tool_in(
        folder, 'test.py', STREET_CONFIG, trained / 'epoch_2.pth', '--out', 'scores.json',
        '--show-dir', 'pictures', '--save-predictions', 'predictions', *street_options(streets),
    )  # fmt: skip
    (folder / 'table.txt').write_text(done.stdout + done.stderr)
    return folder


def test_every_class_is_scored_by_name(trained, tested):
    scores = json.loads((tested / 'scores.json').read_text())
    printed = (tested / 'table.txt').read_text()
    for name in CLASSES:
        assert all(0 <= scores[f'ssc/SSC_{name}_IoU{view}'] <= 100 for view in VIEWS)
        assert f'{name} ' in printed
    assert 0 < scores['ssc/SC_IoU'] <= 100 and '3 samples' in printed
    hit = [name for name in CLASSES if scores[f'ssc/SSC_{name}_IoU'] > 0]
    assert len(hit) > 1, 'predictions of a single class could not tell a mistake'
    # The same weights were validated at the end of the training.
    validated = read_scalars(trained)[-1]
    assert scores == {key: validated[key] for key in scores}


def test_mixed_precision_scores_within_a_point(streets, trained, tested, tmp_path):
    run_tool_in(
        tmp_path, 'test.py', STREET_CONFIG, trained / 'epoch_2.pth', '--amp', '--out', 'half.json',
        *street_options(streets),
    )  # fmt: skip
    half = json.loads((tmp_path / 'half.json').read_text())
    scores = json.loads((tested / 'scores.json').read_text())
    assert half != scores
    for name in ('ssc/SC_IoU', 'ssc/SSC_mIoU'):
        assert half[name] == pytest.approx(scores[name], abs=1.0)


def test_untrained_network_has_other_figures(streets, tested, tmp_path):
    arguments = (STREET_CONFIG, 'untrained', '--out', 'untrained.json', *street_options(streets))
    run_tool_in(tmp_path, 'test.py', *arguments)
    untrained = json.loads((tmp_path / 'untrained.json').read_text())
    scores = json.loads((tested / 'scores.json').read_text())
    assert untrained.keys() == scores.keys()
    assert untrained != scores


def test_every_prediction_has_a_picture(tested):
    pictures = sorted((tested / 'pictures').glob('*.png'))
    assert [path.name for path in pictures] == [f'08_{frame}.png' for frame in STREET_FRAMES]
    for path in pictures:
        with Image.open(path) as image:
            assert min(image.size) > 100
            assert len(image.convert('RGB').resize((64, 64)).getcolors(64 * 64)) > 10


def test_saved_predictions_have_the_scores_of_the_test(streets, tested):
    options = street_options(streets)
    done = run_tool_in(
        tested, 'analysis_tools/analyze_results.py', STREET_CONFIG, 'predictions', '--out-dir',
        'analysis', '--num-worst', 1, *options,
    )  # fmt: skip
    scores = json.loads((tested / 'scores.json').read_text())
    found = dict(re.findall(r'^(SC IoU|SSC mIoU) +\| +([\d.]+)', done.stdout, re.M))
    assert found == {
        'SC IoU': f'{scores["ssc/SC_IoU"]:.2f}', 'SSC mIoU': f'{scores["ssc/SSC_mIoU"]:.2f}'
    }  # fmt: skip
    assert (tested / 'analysis/worst_1.png').is_file()


@pytest.fixture(scope='session')
def trained_on_two(streets, tmp_path_factory) -> Path:
    """Work folder of the same epochs on two processes, one sample each."""
    folder = tmp_path_factory.mktemp('two_processes')
    done = run_tool_in(
        folder, 'dist_train.sh', STREET_CONFIG, 2, '--work-dir', 'run',
        *street_options(streets, 'train_dataloader.batch_size=1'),
    )  # fmt: skip
    assert done.stderr == ''
    return folder / 'run'


def test_two_processes_train_as_one_with_the_doubled_batch(trained, trained_on_two):
    one, two = (
        [line for line in read_scalars(folder) if 'loss' in line]
        for folder in (trained, trained_on_two)
    )
    losses = [key for key in one[0] if key.startswith('loss')] + ['grad_norm', 'lr']
    assert len(one) == len(two) == 6 and len(losses) == 9
    for expected, found in zip(one, two):
        for key in losses:
            assert math.isfinite(expected[key])
            # Seen to agree to 4e-7 (2e-5); with plain BatchNorm the seeds' loss differs by 6e-4.
            rel = 1e-4 if key == 'grad_norm' else 1e-5
            assert found[key] == pytest.approx(expected[key], rel=rel), (expected['step'], key)
    # The steps are large enough to tell.
    assert one[-1]['loss'] < 0.98 * one[0]['loss']


def test_two_processes_end_with_the_same_weights(trained, trained_on_two):
    earlier, one = (load_checkpoint_file(trained / f'epoch_{epoch}.pth') for epoch in (1, 2))
    two = load_checkpoint_file(trained_on_two / 'epoch_2.pth')
    weights, before = one['state_dict'], earlier['state_dict']
    torch.testing.assert_close(two['state_dict'], weights, rtol=1e-4, atol=1e-6)
    change = max(float((weights[name] - before[name]).abs().max()) for name in weights)
    assert change > 1e-3, 'the last three steps have to be larger than what is tolerated'
    # BatchNorm of the backbone stays as it was, that of the head has moved.
    statistics = {name for name in weights if 'running_mean' in name}
    moved = {name for name in statistics if not torch.equal(weights[name], before[name])}
    assert moved == {name for name in statistics if name.startswith('head.')} != statistics
    cfg = two['meta']['cfg']
    assert 'find_unused_parameters=False' in cfg and 'find_unused_parameters=True' not in cfg


@pytest.mark.slow
def test_two_processes_score_as_one(streets, trained, tested, tmp_path):
    done = run_tool_in(
        tmp_path, 'dist_test.sh', STREET_CONFIG, trained / 'epoch_2.pth', 2, '--out', 'two.json',
        *street_options(streets),
    )  # fmt: skip
    assert '3 samples' in done.stdout + done.stderr
    expected = json.loads((tested / 'scores.json').read_text())
    assert json.loads((tmp_path / 'two.json').read_text()) == expected


def test_killed_and_resumed_run_has_the_same_weights(streets, trained, tmp_path):
    # Iteration 4 of 0-5 is the second of the second epoch.
    power_cut = "custom_hooks=[dict(type='KillHook', iteration=4)]"
    command = ['train.py', STREET_CONFIG, '--work-dir', 'run']
    run_tool_in(tmp_path, *command, *street_options(streets, power_cut), status=-signal.SIGKILL)
    assert [path.name for path in (tmp_path / 'run').glob('*.pth')] == ['epoch_1.pth']
    done = run_tool_in(tmp_path, *command, '--resume', *street_options(streets))
    assert 'resumed epoch: 1, iter: 3' in done.stdout + done.stderr
    expected = load_checkpoint_file(trained / 'epoch_2.pth')
    found = load_checkpoint_file(tmp_path / 'run/epoch_2.pth')
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert_equal_trees(found[key], expected[key], key)


def test_a_batch_of_two_equals_two_batches_of_one(streets, trained):
    cfg = Config.fromfile(STREET_CONFIG)
    cfg.model.test_cfg = dict(keep_logits=True)
    cfg.test_dataloader.dataset.data_root = str(streets)
    model = init_model(cfg, trained / 'epoch_2.pth', device='cpu')

    def predict(batch_size):
        loader = Runner.build_dataloader(dict(cfg.test_dataloader, batch_size=batch_size))
        batches = [model.test_step(batch) for batch in loader]
        return [len(batch) for batch in batches], [sample for batch in batches for sample in batch]

    sizes, singles = predict(1)
    assert sizes == [1, 1, 1]
    sizes, pairs = predict(2)
    assert sizes == [2, 1]
    for single, paired in zip(singles, pairs):
        assert single.frame_id == paired.frame_id
        expected, found = single.voxel_logits, paired.voxel_logits
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        assert (single.pred_voxels == paired.pred_voxels).float().mean() > 0.9999
    difference = (singles[0].voxel_logits - singles[1].voxel_logits).abs().max()
    assert difference > 1e-3, 'different frames have to be told apart'


def test_export_of_a_split_without_labels(streets, trained, tmp_path):
    run_tool_in(
        tmp_path, 'test.py', STREET_CONFIG, trained / 'epoch_2.pth', '--format-only',
        '--output-dir', 'export',
        *street_options(streets, TEST_SPLIT, 'test_evaluator.allow_unofficial_grid=True'),
    )  # fmt: skip
    # Complete and readable; the one thing that the server would not take is the small grid.
    ann_file = streets / 'semantickitti_infos_test.json'
    arguments = ('export/submission.zip', '--ann-file', ann_file)
    done = run_tool_in(tmp_path, 'misc/check_submission.py', *arguments, status=1)
    *problems, verdict = done.stdout.splitlines()
    assert verdict.endswith('3 predictions, 3 problems')
    size = f'size: expected {256 * 256 * 32 * 2} bytes, found {math.prod(SHAPE) * 2}'
    names = [f'sequences/11/predictions/{frame}.label' for frame in STREET_FRAMES]
    assert problems == [f'{name}: {size}' for name in names]
    known = set(SemanticKITTIDataset.METAINFO['inverse_learning_map'].values())
    for name in names:
        assert set(np.unique(read_raw_labels(tmp_path / 'export' / name, SHAPE))) <= known


@pytest.mark.slow
def test_export_on_the_official_grid_passes_the_check(streets, tmp_path):
    tree = tmp_path / 'tree'
    tree.mkdir()
    (tree / 'dataset').symlink_to(streets / 'dataset')
    # The labels of the other splits are of another grid.
    run_tool_in(
        tmp_path, 'dataset_converters/semantic_kitti.py', 'tree', '--steps', 'infos',
        '--train-sequences', '--val-sequences',
    )  # fmt: skip
    grid = {'model.voxel_grid.voxel_size': 0.2, 'model.voxel_grid.shape': (256, 256, 32)}
    cfg = Config.fromfile(STREET_CONFIG)
    cfg.merge_from_dict(grid)
    torch.save(dict(state_dict=init_model(cfg, None).state_dict()), tmp_path / 'untrained.pth')
    run_tool_in(
        tmp_path, 'test.py', STREET_CONFIG, 'untrained.pth', '--format-only',
        '--output-dir', 'export', *street_options(tree, TEST_SPLIT),
        *(f'{key}={value}'.replace(' ', '') for key, value in grid.items()),
    )  # fmt: skip
    ann_file = tree / 'semantickitti_infos_test.json'
    done = run_tool_in(
        tmp_path, 'misc/check_submission.py', 'export/submission.zip', '--ann-file', ann_file
    )
    assert done.stdout.splitlines()[-1].endswith('3 predictions, ok')
