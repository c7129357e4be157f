"""Every indoor method resumes exactly, trains and scores on two processes; light ones on a cache.

CleanerS' teacher does so in test_rooms_end_to_end.py, AMMNet in test_ammnet_end_to_end.py.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from tool_runs import (
    ROOT,
    TINY_ROOMS,
    assert_equal_trees,
    finite_losses,
    read_scalars,
    room_options,
    run_tool_in,
)

from mmssc.compat import load_checkpoint_file

METHODS = ['cleaners', 'sketch', 'light']
SHORT = {
    **TINY_ROOMS,
    'train_cfg.max_epochs': 2,
    'train_cfg.val_interval': 2,
    'train_dataloader.num_workers': 0,
    'train_dataloader.persistent_workers': False,
    'default_hooks.logger.interval': 1,
}


@pytest.fixture(params=METHODS)
def method(request, rooms, room_training) -> tuple[Path, dict[str, object], Path]:
    """Quick-start config, the settings of six short iterations, and the tree of rooms."""
    settings: dict[str, object] = dict(SHORT)
    if request.param == 'cleaners':
        settings['model.teacher.checkpoint'] = room_training / 'best_*.pth'
    return ROOT / f'configs/quickstart/{request.param}_synthetic.py', settings, rooms


@pytest.mark.slow
def test_killed_and_resumed_run_has_the_same_weights(method, tmp_path):
    config, settings, rooms = method
    (tmp_path / 'config.py').write_text(
        f"_base_ = ['{config.as_posix()}']\ncustom_imports = dict(imports=['kill_hook'])\n"
    )
    arguments = ('train.py', 'config.py', '--work-dir')
    run_tool_in(tmp_path, *arguments, 'whole', *room_options(rooms, **settings))
    # Iteration 4 of 0-5 is the second of the second epoch.
    kill = {'default_hooks.kill.type': 'KillHook', 'default_hooks.kill.iteration': 4}
    run_tool_in(
        tmp_path, *arguments, 'cut', *room_options(rooms, **settings, **kill),
        status=-signal.SIGKILL,
    )  # fmt: skip
    assert [path.name for path in (tmp_path / 'cut').glob('epoch_*.pth')] == ['epoch_1.pth']
    run_tool_in(tmp_path, *arguments, 'cut', '--resume', *room_options(rooms, **settings))
    expected, found = (
        load_checkpoint_file(tmp_path / folder / 'epoch_2.pth') for folder in ('whole', 'cut')
    )
    assert found.keys() == expected.keys()
    for key in expected.keys() & {
        'state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers'
    }:  # fmt: skip
        assert_equal_trees(found[key], expected[key], key)


@pytest.mark.slow
def test_two_processes_train_and_score_as_one(method, tmp_path):
    config, settings, rooms = method
    settings = {**settings, 'train_dataloader.batch_size': 1}
    arguments = (config, 2, '--work-dir', 'two')
    run_tool_in(tmp_path, 'dist_train.sh', *arguments, *room_options(rooms, **settings))
    assert len(finite_losses(tmp_path / 'two')) == 6
    checkpoint, scores = tmp_path / 'two/epoch_2.pth', []
    before, after = (
        load_checkpoint_file(tmp_path / f'two/epoch_{epoch}.pth')['state_dict'] for epoch in (1, 2)
    )
    # Six steps of other rooms each tell little by their losses.
    still = {name for name in after if after[name].equal(before[name])}
    assert not {name for name in still if name.endswith('.weight')}
    for script, processes in (('test.py', ()), ('dist_test.sh', (2,))):
        run_tool_in(
            tmp_path, script, config, checkpoint, *processes, '--out', 'scores.json',
            *room_options(rooms, **TINY_ROOMS),
        )  # fmt: skip
        scores.append(json.loads((tmp_path / 'scores.json').read_text()))
    assert scores[0] == scores[1] and 0 < scores[0]['ssc/SC_IoU_nyu'] <= 100


def test_a_light_completor_trains_and_scores_on_a_cache(rooms, tmp_path):
    run_tool_in(tmp_path, 'dataset_converters/nyu_cache.py', rooms, '--out', 'cache')
    config = ROOT / 'configs/light/light_seg_nyu.py'
    tiny = {
        **TINY_ROOMS,
        'model.head.channels': (32, 48, 48),
        'train_cfg.max_epochs': 1,
        'default_hooks.logger.interval': 1,
        'val_dataloader.dataset.indices': [0, 1],
    }
    run_tool_in(
        tmp_path, 'train.py', config, '--work-dir', 'run', *room_options(tmp_path / 'cache', **tiny)
    )
    assert len(finite_losses(tmp_path / 'run')) == 3
    run_tool_in(
        tmp_path, 'test.py', config, 'run/epoch_1.pth', '--out', 'scores.json',
        *room_options(tmp_path / 'cache', **tiny),
    )  # fmt: skip
    scores = json.loads((tmp_path / 'scores.json').read_text())
    assert 0 < scores['ssc/SC_IoU_nyu'] <= 100


@pytest.mark.slow
@pytest.mark.parametrize('name', ['cleaners', 'sketch', 'ammnet'])
def test_a_few_frames_are_trained_on_by_steps(name, rooms, tmp_path):
    config = ROOT / f'configs/quickstart/{name}_few_frames.py'
    steps = ('train_cfg.max_iters', 'train_cfg.val_interval', 'default_hooks.checkpoint.interval')
    # More steps than there are frames.
    more = {**TINY_ROOMS, **dict.fromkeys(steps, 8), 'default_hooks.logger.interval': 1}
    run_tool_in(tmp_path, 'train.py', config, '--work-dir', 'run', *room_options(rooms, **more))
    assert len(finite_losses(tmp_path / 'run')) == 8
    run_tool_in(
        tmp_path, 'test.py', config, 'run/iter_8.pth', '--out', 'scores.json',
        *room_options(rooms, **TINY_ROOMS),
    )  # fmt: skip
    scores = json.loads((tmp_path / 'scores.json').read_text())
    validated = read_scalars(tmp_path / 'run')[-1]
    assert scores == {key: validated[key] for key in scores}
