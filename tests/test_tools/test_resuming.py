"""What a resumed training says, takes from its checkpoint, and finishes."""

from __future__ import annotations

import math
import shutil
import signal
from pathlib import Path

import pytest
from tool_runs import TOY_CONFIG, read_scalars, run_tool_in


# Four epochs of three iterations; the schedule counts iterations.
def settings(epochs: int = 4, lr: float = 0.001) -> list[str]:
    schedule = f"dict(type='CosineAnnealingLR',T_max={epochs},convert_to_iter_based=True)"
    return [
        '--cfg-options', f'train_cfg.max_epochs={epochs}', f'optim_wrapper.optimizer.lr={lr}',
        'default_hooks.checkpoint.max_keep_ckpts=-1', f'param_scheduler=[{schedule}]',
    ]  # fmt: skip


SETTINGS = settings()


@pytest.fixture(scope='module')
def finished(tmp_path_factory) -> Path:
    """Work folder of a training that has ended."""
    folder = tmp_path_factory.mktemp('finished')
    run_tool_in(folder, 'train.py', TOY_CONFIG, '--work-dir', 'run', *SETTINGS)
    return folder / 'run'


@pytest.fixture
def half_way(finished, tmp_path) -> Path:
    """A folder that ends with epoch 2."""
    folder = tmp_path / 'run'
    folder.mkdir()
    for name in ('epoch_1.pth', 'epoch_2.pth'):
        shutil.copy(finished / name, folder)
    return folder


def resume(run_tool, *arguments, status=0):
    done = run_tool(
        'train.py', TOY_CONFIG, '--work-dir', 'run', '--resume', *arguments, status=status
    )
    return done.stdout + done.stderr


def test_settings_that_the_checkpoint_overrules_are_named(run_tool, half_way):
    printed = resume(run_tool, *settings(8, 1e-5))
    for line in (
        'optim_wrapper.optimizer.lr is 0.001 as in the checkpoint, not 1e-05 as in the config',
        'param_scheduler.0.T_max is 4 epochs as in the checkpoint, not 8 epochs as in the config',
        '--resume: to use the config instead, add --resume-settings config',
    ):
        assert printed.count(line) == 1
    assert read_scalars(half_way)[0]['lr'] == pytest.approx(5e-4)


def test_the_same_settings_are_not_mentioned(run_tool, half_way):
    assert '--resume:' not in resume(run_tool, *SETTINGS)


@pytest.mark.parametrize('batch_size', [2, 1])
def test_the_config_counts_on_request(run_tool, half_way, batch_size):
    """The learning rates are those of a training with these settings from the start."""
    printed = resume(
        run_tool, '--resume-settings', 'config', *settings(5, 0.01),
        f'train_dataloader.batch_size={batch_size}',
    )  # fmt: skip
    length = 6 // batch_size
    steps = range(2 * length, 5 * length)
    expected = [0.005 * (1 + math.cos(math.pi * step / (5 * length))) for step in steps]
    lines = [line for line in read_scalars(half_way) if 'loss' in line]
    assert [line['lr'] for line in lines] == pytest.approx(expected)
    assert lines[-1]['step'] == 5 * length
    changed = '2 epochs had 6 iterations in the checkpoint and now 12'
    assert printed.count(changed) == (batch_size == 1)


@pytest.mark.parametrize(('batch_size', 'start'), [(2, 4), (1, 6)])
def test_a_training_saved_within_epochs_counts_anew(run_tool, tmp_path, batch_size, start):
    options = [*SETTINGS, 'default_hooks.checkpoint.by_epoch=False',
               'default_hooks.checkpoint.interval=2']  # fmt: skip
    kill = "custom_hooks=[dict(type='KillHook', iteration=4)]"
    run_tool('train.py', TOY_CONFIG, '--work-dir', 'run', *options, kill, status=-signal.SIGKILL)
    printed = resume(run_tool, *options, f'train_dataloader.batch_size={batch_size}')
    changed = '1 epoch had 4 iterations in the checkpoint and now 6'
    assert printed.count(changed) == (batch_size == 1)
    assert f'resumed epoch: 1, iter: {start}' in printed
    assert (tmp_path / 'run/last_validation').read_text() == '4\n'


def test_a_finished_training_says_so(run_tool, finished, tmp_path):
    shutil.copytree(finished, tmp_path / 'run')
    before = sorted((tmp_path / 'run').glob('*.pth'))
    printed = resume(run_tool, *SETTINGS)
    assert 'already finished: epoch 4 of 4. To train longer, add to your command: ' in printed
    longer = (
        '--resume-settings config --cfg-options train_cfg.max_epochs=N param_scheduler.0.T_max=N'
    )
    assert longer in printed
    assert 'Epoch(val)' not in printed
    # The copy is another run, and the original may be gone.
    assert 'Load checkpoint from run/epoch_4.pth' in printed
    assert sorted((tmp_path / 'run').glob('*.pth')) == before


BY_ITERATION = [
    '--cfg-options', 'train_cfg=dict(_delete_=True,type="IterBasedTrainLoop",max_iters=4,'
    'val_interval=2)', 'param_scheduler=[]', 'default_hooks.checkpoint.by_epoch=False',
    'default_hooks.checkpoint.interval=2', 'log_processor.by_epoch=False',
]  # fmt: skip


@pytest.mark.parametrize(
    'options, after, name',
    [
        (SETTINGS, 4, 'epoch 4'),
        pytest.param(SETTINGS, 2, 'epoch 2', marks=pytest.mark.slow),
        pytest.param(BY_ITERATION, 4, 'iteration 4', marks=pytest.mark.slow),
    ],
)
def test_a_validation_that_was_cut_off_is_repeated(run_tool, tmp_path, options, after, name):
    kill = f"custom_hooks=[dict(type='KillInValidationHook',after={after})]"
    run_tool('train.py', TOY_CONFIG, '--work-dir', 'run', *options, kill,
             status=-signal.SIGKILL)  # fmt: skip
    printed = resume(run_tool, *options)
    repeated = printed.partition(f'The validation after {name} was not completed: validating')[2]
    assert 'ssc/SSC_mIoU' in repeated.partition('(train)')[0]
    assert (tmp_path / 'run/last_validation').read_text() == '4\n'
    assert 'already finished' in resume(run_tool, *options)


def test_a_damaged_checkpoint_names_a_whole_one(run_tool, half_way):
    newest = half_way / 'epoch_2.pth'
    newest.write_bytes(newest.read_bytes()[:-5000])
    errors = resume(run_tool, *SETTINGS, status=2)
    assert errors.splitlines()[-1].startswith('error: run/epoch_2.pth: expected a whole file')
    assert errors.endswith('This one is whole: --resume run/epoch_1.pth\n')


def test_another_optimiser_is_refused_in_one_line(run_tool, half_way):
    errors = resume(
        run_tool, *SETTINGS, 'optim_wrapper.optimizer=dict(_delete_=True,type="Adagrad",lr=0.1)',
        status=2,
    )  # fmt: skip
    last = errors.splitlines()[-1]
    assert 'state 0: expected the state of Adagrad (step, sum), found exp_avg, exp_avg_sq' in last
    assert 'load_from=run/epoch_2.pth without --resume' in last
