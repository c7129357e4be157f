"""Indoor methods by the commands of the guides: rooms, converter, training, testing, pictures.

All tests share one tree of tiny synthetic rooms.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tool_runs import (
    HERE,
    ROOM_CONFIG,
    ROOT,
    TINY_ROOMS,
    assert_equal_trees,
    finite_losses,
    read_scalars,
    room_options,
    run_tool_in,
)

from mmssc.compat import load_checkpoint_file
from mmssc.datasets import NYUDataset
from mmssc.formats.sscnet import NYU_CAMERAS, read_sscnet_header

EXACT_ROOM_CONFIG = HERE / 'exact_room_config.py'
QUICKSTART = ROOT / 'configs/quickstart'
CLASSES = NYUDataset.METAINFO['classes']
METHODS = ['cleaners-teacher', 'sketch', 'ammnet', 'light']


@pytest.fixture(scope='session')
def tested(rooms, room_training, tmp_path_factory) -> Path:
    """Folder with ``scores.json`` and ``pictures/`` of that run."""
    folder = tmp_path_factory.mktemp('room_test')
    run_tool_in(
        folder, 'test.py', ROOM_CONFIG, room_training / 'epoch_2.pth', '--out', 'scores.json',
        '--show-dir', 'pictures', '--save-predictions', 'predictions', *room_options(rooms),
    )  # fmt: skip
    return folder


def test_rooms_are_trained_on_scored_and_drawn(rooms, room_training, tested):
    assert [f'{line}' for line in (rooms / 'test.txt').read_text().split()] == [
        '0002', '0004', '0006'
    ]  # fmt: skip
    scores = json.loads((tested / 'scores.json').read_text())
    for name in CLASSES:
        assert 0 <= scores[f'ssc/SSC_{name}_IoU_nyu'] <= 100
    assert 0 < scores['ssc/SC_IoU_nyu'] <= 100 and scores['ssc/SC_IoU'] != scores['ssc/SC_IoU_nyu']
    validated = read_scalars(room_training)[-1]
    assert scores == {key: validated[key] for key in scores}
    losses = finite_losses(room_training)
    assert len(losses) == 6 and losses[-1] < losses[0]
    assert list(room_training.glob('best_ssc_SSC_mIoU_nyu_epoch_2.pth'))
    pictures = sorted((tested / 'pictures').glob('*.png'))
    assert [path.name for path in pictures] == [f'test_{frame}.png' for frame in (
        '0002', '0004', '0006')]  # fmt: skip
    with Image.open(pictures[0]) as image:
        colors = {tuple(color) for color in np.asarray(image).reshape(-1, 3).tolist()}
    # Tops of voxels and the legend show the palette itself.
    assert NYUDataset.METAINFO['palette'][CLASSES.index('floor')] in colors


def test_saved_predictions_have_the_scores_of_the_test(rooms, tested):
    options = room_options(rooms)
    run_tool_in(
        tested, 'analysis_tools/compare_results.py', 'predictions', tested / 'predictions',
        '--config', ROOM_CONFIG, '--names', 'a', 'b', '--out-dir', 'analysis', '--num-frames', 1,
        *options,
    )  # fmt: skip
    scores = json.loads((tested / 'scores.json').read_text())
    lines = (tested / 'analysis/scores.csv').read_text().splitlines()[1:]
    for name, first, second, change in (line.split(',') for line in lines):
        assert first == second == f'{scores[f"ssc/{name}_nyu"]:.2f}' and change == '+0.00'


def test_logits_that_are_not_finite_get_no_score(rooms, room_training, tmp_path):
    content = load_checkpoint_file(room_training / 'epoch_2.pth')
    for value, message in (
        (float('nan'), 'bad.pth: head.classifier'),
        (3e38, 'NYU0002_rgb.png: logits: expected finite numbers'),
    ):
        for name, weight in content['state_dict'].items():
            if name.startswith('head.classifier'):
                weight.fill_(value)
        torch.save(content, tmp_path / 'bad.pth')
        done = run_tool_in(
            tmp_path, 'test.py', ROOM_CONFIG, 'bad.pth', '--out', 'scores.json',
            *room_options(rooms), status=2,
        )  # fmt: skip
        assert message in done.stderr and 'Traceback' not in done.stderr
        assert not (tmp_path / 'scores.json').exists() and 'SC_IoU_nyu:' not in done.stdout


@pytest.mark.slow
def test_every_frame_can_be_browsed(rooms, tmp_path):
    run_tool_in(
        tmp_path, 'misc/browse_dataset.py', ROOM_CONFIG, '--split', 'test', '--num', 2,
        '--out-dir', 'pictures', *room_options(rooms),
    )  # fmt: skip
    names = [path.name for path in sorted((tmp_path / 'pictures').iterdir())]
    assert names == ['test_0002.png', 'test_0004.png']


@pytest.mark.slow
def test_killed_and_resumed_run_has_the_same_weights(rooms, room_training, tmp_path):
    command = ['train.py', ROOM_CONFIG, '--work-dir', 'run']
    # Iteration 4 of 0-5 is the second of the second epoch.
    hook = "[dict(type='KillHook',iteration=4)]"
    run_tool_in(
        tmp_path, *command, *room_options(rooms, custom_hooks=hook), status=-signal.SIGKILL
    )  # fmt: skip
    assert [path.name for path in (tmp_path / 'run').glob('*.pth')] == ['epoch_1.pth']
    run_tool_in(tmp_path, *command, '--resume', *room_options(rooms))
    expected = load_checkpoint_file(room_training / 'epoch_2.pth')
    found = load_checkpoint_file(tmp_path / 'run/epoch_2.pth')
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert_equal_trees(found[key], expected[key], key)


@pytest.mark.slow
def test_two_processes_train_as_one_with_the_doubled_batch(rooms, tmp_path):
    arguments = (EXACT_ROOM_CONFIG, '--work-dir')
    run_tool_in(tmp_path, 'train.py', *arguments, 'one', *room_options(rooms))
    halved = room_options(rooms, **{'train_dataloader.batch_size': 1})
    run_tool_in(tmp_path, 'dist_train.sh', EXACT_ROOM_CONFIG, 2, '--work-dir', 'two', *halved)
    one, two = (
        [line for line in read_scalars(tmp_path / folder) if 'loss' in line]
        for folder in ('one', 'two')
    )
    assert len(one) == len(two) == 6
    for expected, found in zip(one, two):
        for key in ('loss', 'loss_2d', 'loss_3d', 'grad_norm', 'lr'):
            # Seen: losses 8e-8 (they are logged in single precision). The gradient's rounding of
            # 1e-12 grows thirtyfold in every step: 2e-9 in the third, 6e-5 in the last.
            rel = 1e-6 if key != 'grad_norm' else 1e-6 if expected['step'] <= 3 else 1e-3
            assert found[key] == pytest.approx(expected[key], rel=rel), (expected['step'], key)
    # The steps are large enough to tell.
    assert one[-1]['loss'] < 0.98 * one[0]['loss']
    earlier, last, weights = (
        load_checkpoint_file(tmp_path / path)['state_dict']
        for path in ('one/epoch_1.pth', 'one/epoch_2.pth', 'two/epoch_2.pth')
    )
    torch.testing.assert_close(weights, last, rtol=1e-4, atol=1e-5)
    learnt = [name for name in last if name.endswith('.weight')]
    assert max(float((last[name] - earlier[name]).abs().max()) for name in learnt) > 1e-3


@pytest.mark.slow
def test_two_processes_score_as_one(rooms, room_training, tested, tmp_path):
    run_tool_in(
        tmp_path, 'dist_test.sh', ROOM_CONFIG, room_training / 'epoch_2.pth', 2,
        '--out', 'two.json', *room_options(rooms),
    )  # fmt: skip
    expected = json.loads((tested / 'scores.json').read_text())
    assert json.loads((tmp_path / 'two.json').read_text()) == expected


@pytest.mark.slow
@pytest.mark.parametrize('name', METHODS)
def test_every_quick_start_trains_and_scores(name, rooms, tmp_path):
    config = QUICKSTART / f'{name}_synthetic.py'
    more = {**TINY_ROOMS, 'train_cfg.max_epochs': 1, 'train_cfg.val_interval': 1}
    more['default_hooks.logger.interval'] = 1
    run_tool_in(tmp_path, 'train.py', config, '--work-dir', 'run', *room_options(rooms, **more))
    scores = {}
    for kind, weights in (('trained', 'run/epoch_1.pth'), ('untrained', 'untrained')):
        run_tool_in(
            tmp_path,
            'test.py',
            config,
            weights,
            '--out',
            f'{kind}.json',
            *room_options(rooms, **TINY_ROOMS),
        )
        scores[kind] = json.loads((tmp_path / f'{kind}.json').read_text())
    assert scores['trained'].keys() == scores['untrained'].keys() >= {'ssc/SSC_mIoU_nyu'}
    assert all(0 <= value <= 200 for value in scores['trained'].values())
    finite_losses(tmp_path / 'run')


@pytest.mark.slow
def test_the_student_of_cleaners_learns_from_its_teacher(rooms, room_training, tmp_path):
    config = QUICKSTART / 'cleaners_synthetic.py'
    teacher = {'model.teacher.checkpoint': room_training / 'best_*.pth', **TINY_ROOMS}
    short = {'train_cfg.max_epochs': 1, 'train_cfg.val_interval': 1}
    arguments = ('train.py', config, '--work-dir')
    run_tool_in(tmp_path, *arguments, 'student', *room_options(rooms, **teacher, **short))
    state = load_checkpoint_file(tmp_path / 'student/epoch_1.pth')['state_dict']
    expected = load_checkpoint_file(room_training / 'epoch_2.pth')['state_dict']
    assert state.keys() == expected.keys(), 'no weights of the teacher'
    logged = [line for line in read_scalars(tmp_path / 'student') if 'loss' in line][-1]
    distilled = {key for key in logged if key.startswith('loss_kd')}
    assert distilled == {'loss_kd_t', 'loss_kd_sc', 'loss_kd_sa'}
    # Prediction needs neither the teacher nor the clean depth.
    run_tool_in(
        tmp_path, 'test.py', config, 'student/epoch_1.pth', '--out', 'student.json',
        *room_options(rooms, **TINY_ROOMS),
    )  # fmt: skip
    assert json.loads((tmp_path / 'student.json').read_text())['ssc/SC_IoU_nyu'] > 0
    missing = {**TINY_ROOMS, **short, 'model.teacher.checkpoint': 'nowhere_*.pth'}
    done = run_tool_in(tmp_path, *arguments, 'none', *room_options(rooms, **missing), status=2)
    assert 'nowhere_*.pth: model.teacher.checkpoint: expected one file' in done.stderr


@pytest.mark.slow
def test_a_room_is_predicted_from_image_and_depth(rooms, room_training, tmp_path):
    pose = read_sscnet_header(rooms / 'NYUtest/NYU0002_0000.bin')[1]
    np.savetxt(tmp_path / 'pose.txt', pose)
    frame = ('--image', rooms / 'RGB/NYU0002_rgb.png', '--cam2world', 'pose.txt')
    depth = ('--depth', rooms / 'NYUtest/NYU0002_0000.png', '--depth-kind', 'nyu')
    camera = ('--cam2img', *(value / 8 for value in NYU_CAMERAS['nyu']))
    # The network of the student is that of the teacher.
    done = run_tool_in(
        tmp_path, 'infer.py', QUICKSTART / 'cleaners_synthetic.py', room_training / 'epoch_2.pth',
        *frame, *depth, *camera, '--out', 'predictions', '--formats', 'npy', 'png', 'html',
        *room_options(rooms, **TINY_ROOMS),
    )  # fmt: skip
    assert '% of (20, 12, 20) voxels occupied' in done.stdout
    names = {path.name for path in (tmp_path / 'predictions').iterdir()}
    assert names == {f'NYU0002_0000.{kind}' for kind in ('npy', 'png', 'html')}
    assert len(np.unique(np.load(tmp_path / 'predictions/NYU0002_0000.npy'))) > 1


def test_benchmark_on_the_data_set_itself(rooms, tmp_path):
    run_tool_in(
        tmp_path, 'analysis_tools/benchmark.py', ROOM_CONFIG, '--iters', 1, '--warmup', 0,
        '--device', 'cpu', '--out', 'figures.json', *room_options(rooms),
    )  # fmt: skip
    result = json.loads((tmp_path / 'figures.json').read_text())
    # The NYU protocol scores masks that the training pipeline does not load.
    assert {'loading', 'metric', 'optimiser'} <= {row['stage'] for row in result['stages']}
    assert result['input'] == 'data set'


def test_browsing_rooms_shows_colour_and_depth_beside_the_labels(rooms, tmp_path):
    tool = ('misc/browse_dataset.py', ROOM_CONFIG, '--split', 'val', '--num', 1)
    run_tool_in(tmp_path, *tool, '--out-dir', 'all', *room_options(rooms))
    with Image.open(next((tmp_path / 'all').glob('*.png'))) as image:
        picture = np.asarray(image.convert('RGB')).astype(int)
    # Colour, depth, camera: the colours of depth are bright, with a bar at the right.
    depth = picture[40:300, 545:950]
    assert (np.ptp(depth, axis=2) > 150).mean() > 0.3
    assert (np.ptp(picture[40:300, 20:520], axis=2) > 150).mean() < 0.2
