"""A training that has died stops, and keeps its last good checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
from tool_runs import TOY_CONFIG

# Three iterations an epoch; the second epoch goes wrong.
SETTINGS = [
    '--work-dir', 'run', '--cfg-options', 'model.type=DyingCompletor', 'model.iteration=5',
    'default_hooks.checkpoint.max_keep_ckpts=1', 'default_hooks.checkpoint.save_best=None',
    'default_hooks.checkpoint.rule=None',
]  # fmt: skip


def checkpoints(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / 'run').glob('*.pth'))


@pytest.mark.parametrize(
    'settings, message',
    [
        ([], 'iteration 5: loss_dying is nan. '),
        pytest.param(
            ['model.value=inf'], 'iteration 5: loss_dying is inf. ', marks=pytest.mark.slow
        ),
        # The loss of the next iteration would be NaN, but this is the last one before a checkpoint.
        (
            ['model.value=None', 'model.iteration=6'],
            'iteration 6: the weight layers.0.weight is NaN or infinite. ',
        ),
    ],
    ids=['nan', 'infinite', 'gradient'],
)
def test_a_dead_training_stops_before_it_is_saved(run_tool, tmp_path, settings, message):
    errors = run_tool('train.py', TOY_CONFIG, *SETTINGS, *settings, status=2).stderr
    last = errors.splitlines()[-1]
    assert last.startswith(f'error: training, {message}Nothing was saved after it. ')
    assert f'Last checkpoint: {tmp_path}/run/epoch_1.pth.' in last
    assert 'Traceback' not in errors and checkpoints(tmp_path) == ['epoch_1.pth']


@pytest.mark.slow
def test_all_processes_stop_if_one_has_died(run_tool, tmp_path):
    settings = [*SETTINGS, 'train_dataloader.batch_size=1', 'model.rank=1']
    errors = run_tool('dist_train.sh', TOY_CONFIG, 2, *settings, status=2).stderr
    message = 'error: training, iteration 5 on process 1: loss_dying is nan. '
    assert message in errors and checkpoints(tmp_path) == ['epoch_1.pth']


def test_a_training_may_go_on(run_tool, tmp_path):
    done = run_tool('train.py', TOY_CONFIG, *SETTINGS, 'stop_at_nan=False')
    assert (done.stdout + done.stderr).count(
        'iteration 5: loss_dying is nan. The training goes'
    ) == 1
    assert checkpoints(tmp_path) == ['epoch_3.pth']
