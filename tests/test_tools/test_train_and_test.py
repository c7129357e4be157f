import json
import os
import signal
import subprocess
import sys
import time

import pytest
import tool_runs
import torch
from tool_runs import (
    ROOT,
    TOY_CONFIG,
    assert_equal_trees,
    left_by_killed_process,
    read_scalars,
    tool_environment,
)

import mmssc
from mmssc.compat import load_checkpoint_file
from mmssc.fileio import lock_folder

# Everything that a checkpoint has to bring back: averaged weights, mixed precision, schedules,
# accumulation, and the generators of data loader workers.
EVERYTHING = [
    '--amp',
    '--cfg-options',
    'default_hooks.ema.type=EMAHook',
    'optim_wrapper.accumulative_counts=3',
    'train_dataloader.num_workers=1',
    'train_dataloader.persistent_workers=True',
]


def train_command(*args):
    return [sys.executable, str(ROOT / 'tools/train.py'), str(TOY_CONFIG), *map(str, args)]


def wait_for(path, process, seconds=60):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()[0][-3000:]
        assert time.monotonic() < deadline, f'{path.name} did not appear'
        time.sleep(0.02)


@pytest.mark.slow
def test_killed_and_resumed_run_equals_an_uninterrupted_one(run_tool, tmp_path):
    whole = subprocess.Popen(
        train_command('--work-dir', 'whole', *EVERYTHING),
        cwd=tmp_path, env=tool_environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    killed = subprocess.Popen(
        train_command('--work-dir', 'killed', *EVERYTHING, 'model.sleep=0.5'),
        cwd=tmp_path, env=tool_environment(), text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    wait_for(tmp_path / 'killed/last_checkpoint', killed)
    time.sleep(0.7)  # Into the middle of the next epoch.
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert not (tmp_path / 'killed/epoch_3.pth').exists(), 'killed too late to prove anything'
    log = whole.communicate(timeout=60)[0]
    assert whole.returncode == 0, log[-3000:]
    run_tool('train.py', TOY_CONFIG, '--work-dir', 'killed', '--resume', *EVERYTHING)

    expected = load_checkpoint_file(tmp_path / 'whole/epoch_3.pth')
    found = load_checkpoint_file(tmp_path / 'killed/epoch_3.pth')
    for key in ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers'):
        assert_equal_trees(found[key], expected[key], key)
    # The test can fail: averaged and last weights differ, and so do the epochs.
    earlier = load_checkpoint_file(tmp_path / 'whole/epoch_2.pth')
    weight = 'layers.0.weight'
    assert not torch.equal(earlier['state_dict'][weight], expected['state_dict'][weight])
    assert 'AutocastOptimWrapper' in expected['meta']['cfg']


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint of the toy model, not trained."""
    sys.path.insert(0, str(TOY_CONFIG.parent))
    from toy import InstantCompletor

    torch.manual_seed(0)
    torch.save(dict(state_dict=InstantCompletor().state_dict()), tmp_path / 'toy.pth')
    return 'toy.pth'


def test_test_py_writes_the_figures(run_tool, tmp_path, checkpoint):
    done = run_tool('test.py', TOY_CONFIG, checkpoint, '--out', 'out/figures.json')
    figures = json.loads((tmp_path / 'out/figures.json').read_text())
    assert 0 < figures['ssc/SC_IoU'] <= 100
    assert 'SSC mIoU' in done.stdout + done.stderr
    # Without --work-dir the log goes to a folder named after the config, where the user is.
    assert list((tmp_path / 'work_dirs/toy_config').glob('*/*.log'))


def test_folded_batch_normalisation_changes_no_figure(run_tool, tmp_path, checkpoint):
    run_tool('test.py', TOY_CONFIG, checkpoint, '--out', 'apart.json')
    run_tool('test.py', TOY_CONFIG, checkpoint, '--out', 'folded.json', '--fuse')
    apart, folded = (
        json.loads((tmp_path / name).read_text()) for name in ('apart.json', 'folded.json')
    )
    assert apart == folded


def test_mixed_precision_needs_a_completor_of_mmssc(run_tool, checkpoint):
    done = run_tool('test.py', TOY_CONFIG, checkpoint, '--amp', status=2)
    assert done.stderr.splitlines()[-1] == (
        f'error: {TOY_CONFIG}: model: expected a BaseCompletor, found InstantCompletor. '
        'Leave --amp out (in Python: amp), or derive the model from BaseCompletor'
    )


def test_a_checkpoint_of_another_model_is_not_scored(run_tool, tmp_path, checkpoint):
    state = torch.load(tmp_path / checkpoint, weights_only=True)['state_dict']
    meta = dict(dataset_meta=dict(classes=('empty', 'road', 'tree')))
    torch.save(dict(state_dict=state, meta=meta), tmp_path / 'classes.pth')
    del state['layers.4.bias']
    torch.save(dict(state_dict=state), tmp_path / 'part.pth')
    (tmp_path / 'half.pth').write_bytes((tmp_path / checkpoint).read_bytes()[:1000])
    (tmp_path / 'text.pth').write_text('no weights')
    torch.save(dict(state_dict={**state, 'layers.4.bias': 5}), tmp_path / 'number.pth')
    os.mkfifo(tmp_path / 'pipe.pth')
    for name, message in (
        ('classes.pth', 'classes.pth: classes: expected'),
        ('part.pth', 'part.pth: weights: expected those of InstantCompletor'),
        (
            'half.pth',
            'half.pth: expected a whole file of torch.save, found an archive that is cut off',
        ),
        ('number.pth', 'number.pth: layers.4.bias: expected a tensor, found a value of type int'),
        ('pipe.pth', 'pipe.pth: expected a regular file, found a named pipe'),
        (
            'text.pth',
            "expected a whole file of torch.save, found a text file that starts with 'no weigh",
        ),
    ):
        errors = run_tool('test.py', TOY_CONFIG, name, status=2).stderr
        assert message in errors and 'Traceback' not in errors


def test_the_screen_is_short_and_the_log_complete(run_tool, tmp_path, checkpoint):
    for script, more in (('train.py', []), ('test.py', [checkpoint])):
        screen = run_tool(script, TOY_CONFIG, *more, '--work-dir', script).stdout
        (log,) = (tmp_path / script).glob('*/*.log')
        text = log.read_text()
        for detail in ('System environment', 'Hooks will be executed', 'optim_wrapper = dict(',
                       'ssc/SSC_road_IoU: ', 'ssc/SC_Recall: '):  # fmt: skip
            assert detail in text and detail not in screen
        first = screen.splitlines()[:3]
        assert f'mmssc {mmssc.__version__}, torch {torch.__version__}; cpu' in first[0]
        assert first[0].endswith('; seed 0') and first[1] == f'Work folder: {log.parents[1]}'
        assert first[2].endswith(f': {log}') and first[0] in text
        scores = [line for line in screen.splitlines() if 'ssc/' in line and 'Epoch(' in line]
        for line in scores:
            assert 'ssc/SC_IoU: ' in line and 'ssc/SSC_mIoU: ' in line and len(line) < 150
        assert len(scores) == (3 if script == 'train.py' else 1)
        assert len(screen.splitlines()) - 14 * len(scores) < 40
    figures = [line for line in read_scalars(tmp_path / 'train.py') if 'ssc/SC_IoU' in line]
    assert len(figures) == 3 and all('ssc/SSC_road_IoU' in line for line in figures)


def test_accumulated_gradients_print_no_warnings(run_tool):
    schedule = "dict(type='CosineAnnealingLR',by_epoch=False)"
    done = run_tool(
        'train.py', TOY_CONFIG, '--cfg-options', 'train_cfg.max_epochs=1',
        'optim_wrapper.accumulative_counts=2', f'param_scheduler=[{schedule}]',
    )  # fmt: skip
    assert 'Detected call' not in done.stderr + done.stdout


@pytest.mark.slow
def test_several_processes_print_no_warnings(run_tool, monkeypatch):
    monkeypatch.setattr(tool_runs, 'tool_environment', without_thread_numbers)
    # A warm-up that does not end is a warning of its own.
    options = ('train_cfg.max_epochs=1', 'param_scheduler.0.end=1')
    done = run_tool('dist_train.sh', TOY_CONFIG, 2, '--cfg-options', *options)
    assert done.stderr == '' and 'WARNING' not in done.stdout
    assert '; 2 processes on cpu (threads: 1); seed 0' in done.stdout
    assert done.stdout.count('mmssc ') == 1


def without_thread_numbers():
    environment = tool_environment()
    return {key: value for key, value in environment.items() if '_NUM_THREADS' not in key}


def start(run_tool, file, status=0):
    done = run_tool(
        'train.py', TOY_CONFIG, '--work-dir', 'run', '--cfg-options', 'train_cfg.max_epochs=1',
        f'load_from={file}', status=status,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_a_start_from_a_part_of_the_weights_is_short_on_the_screen(run_tool, tmp_path, checkpoint):
    state = load_checkpoint_file(tmp_path / checkpoint)['state_dict']
    state['layers.0.weight'] = torch.zeros(1)
    torch.save(dict(state_dict=state), tmp_path / 'part.pth')
    printed = start(run_tool, 'part.pth')
    assert printed.count('Weights that do not match: 1 with other sizes. The log file') == 1
    assert 'size mismatch' not in printed
    (log,) = tmp_path.glob('run/*/*.log')
    assert 'size mismatch for layers.0.weight' in log.read_text()


def test_a_start_from_weights_of_another_model_is_refused(run_tool, tmp_path, checkpoint):
    state = load_checkpoint_file(tmp_path / checkpoint)['state_dict']
    torch.save(
        dict(state_dict={f'model.{key}': value for key, value in state.items()}),
        tmp_path / 'lightning.pth',
    )
    last = start(run_tool, 'lightning.pth', status=2).splitlines()[-1]
    assert last.startswith('error: lightning.pth: weights: expected those of InstantCompletor')
    assert 'found 0 that fit; 8 others: model.layers.0.weight' in last
    os.utime(tmp_path / checkpoint, (1, 1))  # the clock may have shown the same time for both
    assert start(run_tool, 'nope.pth', status=2).splitlines()[-1] == (
        'error: nope.pth: expected a checkpoint, found no such file. '
        'The newest checkpoint beside it is lightning.pth'
    )


def test_a_start_from_a_part_says_how_much(run_tool, tmp_path, checkpoint):
    state = load_checkpoint_file(tmp_path / checkpoint)['state_dict']
    torch.save(dict(state_dict={key: state[key] for key in list(state)[:2]}), tmp_path / 'part.pth')
    printed = start(run_tool, 'part.pth')
    assert 'part.pth: 2 of the 8 weights of InstantCompletor are from this checkpoint' in printed


def test_a_work_folder_that_cannot_be_written_is_one_line(run_tool, tmp_path):
    (tmp_path / 'file').touch()
    for tool, arguments in (('train.py', ()), ('test.py', ('untrained',))):
        done = run_tool(tool, TOY_CONFIG, *arguments, '--work-dir', 'file/run', status=2)
        assert done.stderr == (
            'error: file/run: expected a folder for the results, found a file. '
            'Give another folder with --work-dir\n'
        )


def test_one_training_per_work_folder(run_tool, tmp_path):
    command = ('train.py', TOY_CONFIG, '--work-dir', 'run')
    with lock_folder(tmp_path / 'run'):
        errors = run_tool(*command, status=2).stderr
    assert 'error: run: expected no other command that writes to this folder' in errors
    (tmp_path / 'disk/run').mkdir(parents=True)
    left = [left_by_killed_process(tmp_path / name) for name in ('run', 'disk/run')]
    options = ['train_cfg.max_epochs=1', 'default_hooks.checkpoint.out_dir=disk']
    run_tool(*command, '--cfg-options', *options)
    assert (tmp_path / 'disk/run/epoch_1.pth').is_file()
    assert not any(path.exists() for path in left) and not list((tmp_path / 'run').glob('.mmssc*'))


@pytest.mark.slow
def test_two_processes_on_the_cpu(run_tool, tmp_path):
    run_tool('dist_train.sh', TOY_CONFIG, 2, '--work-dir', 'two', '--cfg-options',
             'train_cfg.max_epochs=1', 'train_dataloader.batch_size=1')  # fmt: skip
    cfg = load_checkpoint_file(tmp_path / 'two/epoch_1.pth')['meta']['cfg']
    assert 'find_unused_parameters=False' in cfg and 'device_ids=None' in cfg
    done = run_tool('dist_test.sh', TOY_CONFIG, tmp_path / 'two/epoch_1.pth', 2,
                    '--work-dir', 'two', '--out', 'two.json')  # fmt: skip
    # Three samples on two processes: the one that pads the second process is not counted.
    assert '3 samples' in done.stdout + done.stderr
    run_tool('test.py', TOY_CONFIG, tmp_path / 'two/epoch_1.pth', '--out', 'one.json')
    one, two = (json.loads((tmp_path / f'{name}.json').read_text()) for name in ('one', 'two'))
    assert one == two


@pytest.mark.parametrize(
    'script, args, message',
    [
        ('train.py', ['nowhere.py'], 'nowhere.py: expected a config file'),
        ('train.py', [TOY_CONFIG, '--resume', 'x.pth'], 'x.pth: expected a checkpoint'),
        ('test.py', [TOY_CONFIG, 'x.pth'], 'x.pth: expected a checkpoint'),
        ('misc/print_config.py', ['nowhere.py'], 'nowhere.py: expected a config file'),
        ('analysis_tools/benchmark.py', ['nowhere.py'], 'nowhere.py: expected a config file'),
        (
            'analysis_tools/check_parity.py',
            ['sgn-tiny', '--units', 'x', '--config', 'nowhere.py'],
            'nowhere.py: expected a config file',
        ),
        (
            'model_converters/import_checkpoint.py',
            ['sgn', 'x.pth', 'y.pth', '--config', 'nowhere.py'],
            'nowhere.py: expected a config file',
        ),
        ('test.py', [TOY_CONFIG, 'x.pth', '--format-only'], '--output-dir go together'),
        ('dist_train.sh', ['config.py'], 'usage:'),
        ('dist_test.sh', ['config.py', 'x.pth'], 'usage:'),
        ('slurm_train.sh', ['partition'], 'usage:'),
        ('slurm_test.sh', ['partition', 'job', 'config.py'], 'usage:'),
        ('dist_train.sh', ['config.py', '--work-dir', 'run'], 'usage:'),
        ('dist_test.sh', ['config.py', 'x.pth', '--out', 'a.json'], 'usage:'),
        ('slurm_train.sh', ['partition', 'config.py', '--work-dir', 'run'], 'usage:'),
        ('slurm_test.sh', ['partition', 'job', 'config.py', '--out', 'a.json'], 'usage:'),
        ('dist_train.sh', ['config.py', 'two'], 'PROCESSES: expected a whole number from 1 to'),
        ('dist_train.sh', ['config.py', '0'], 'PROCESSES: expected a whole number from 1 to'),
        ('dist_test.sh', ['config.py', 'x.pth', '1.5'], 'PROCESSES: expected a whole number'),
    ],
)
def test_wrong_command_lines_say_what_is_wrong(run_tool, script, args, message):
    errors = run_tool(script, *args, status=2).stderr
    assert message in errors and errors.count('\n') == 1


@pytest.mark.parametrize(
    ('script', 'name', 'value'),
    [
        ('dist_train.sh', 'NNODES', 'two'),
        ('dist_train.sh', 'NODE_RANK', '1'),
        ('dist_test.sh', 'PORT', '70000'),
        ('slurm_train.sh', 'GPUS', 'all'),
        ('slurm_test.sh', 'GPUS_PER_NODE', '0'),
        ('slurm_test.sh', 'CPUS_PER_TASK', '-1'),
    ],
)
def test_variables_of_distributed_runs_are_checked(run_tool, monkeypatch, script, name, value):
    monkeypatch.setenv('PORT', '29500')
    monkeypatch.setenv(name, value)
    arguments = ['a', 'b', 'c', 'd'] if 'slurm' in script else ['a', '1', '1']
    errors = run_tool(script, *arguments, status=2).stderr
    assert errors.startswith(f'error: {name}: expected a whole number from ')
    assert errors.endswith(f", found '{value}'\n")


@pytest.fixture
def run_to_resume(run_tool, tmp_path):
    """The content of a checkpoint after one of three epochs, to be changed and resumed from."""
    run_tool('train.py', TOY_CONFIG, '--work-dir', 'run', '--cfg-options', 'train_cfg.max_epochs=1')
    return load_checkpoint_file(tmp_path / 'run/epoch_1.pth')


def test_resuming_runs_no_text_of_the_checkpoint(run_tool, tmp_path, run_to_resume):
    """mmengine would run it as a configuration in Python, to count GPUs."""
    executed = tmp_path / 'executed'
    run_to_resume['meta']['config'] = f'open({str(executed)!r}, "w").close()\ngpu_ids = []'
    torch.save(run_to_resume, tmp_path / 'hostile.pth')
    run_tool('train.py', TOY_CONFIG, '--work-dir', 'next', '--resume', 'hostile.pth')
    assert (tmp_path / 'next/epoch_3.pth').exists() and not executed.exists()


def test_resuming_refuses_a_fused_state_that_is_smaller_than_its_parameter(
    run_tool, tmp_path, run_to_resume
):
    """torch would write past the end of the state. The checkpoint chooses state and kernel."""
    optimizer = run_to_resume['optimizer']
    optimizer['param_groups'][0]['fused'] = True
    torch.save(run_to_resume, tmp_path / 'fused.pth')
    run_tool('train.py', TOY_CONFIG, '--work-dir', 'fits', '--resume', 'fused.pth')
    optimizer['state'][0]['exp_avg'] = torch.zeros(1)
    torch.save(run_to_resume, tmp_path / 'small.pth')
    errors = run_tool(
        'train.py', TOY_CONFIG, '--work-dir', 'next', '--resume', 'small.pth', status=2
    ).stderr
    expected = 'exp_avg: expected shape (8, 1, 3, 3, 3), found shape (1,)'
    assert f'error: small.pth: optimizer, state 0, {expected}' in errors
    assert 'load_from=small.pth' in errors and 'Traceback' not in errors


def test_resuming_deletes_nothing_that_the_run_did_not_make(run_tool, tmp_path, run_to_resume):
    """mmengine deletes the file or folder that a checkpoint calls its best one so far."""
    victim = tmp_path / 'victim'
    victim.mkdir()
    (victim / 'thesis.tex').write_text('years of work')
    information = run_to_resume['message_hub']['runtime_info']
    information.update(best_ckpt=str(victim), best_score=0.0, keep_ckpt_ids=[1, 7, 8, 9])
    (tmp_path / 'next').mkdir()
    torch.save(run_to_resume, tmp_path / 'next/hostile.pth')
    mine = [tmp_path / f'next/epoch_{epoch}.pth' for epoch in (7, 8, 9)]
    for path in mine:
        path.touch()
    run_tool('train.py', TOY_CONFIG, '--work-dir', 'next', '--resume', 'next/hostile.pth')
    assert list((tmp_path / 'next').glob('best_*.pth')), 'no better one, nothing is proved'
    assert (victim / 'thesis.tex').exists() and all(path.exists() for path in mine)


def test_published_weights_are_no_state_to_resume_from(run_tool, tmp_path, run_to_resume):
    run_tool('model_converters/publish_checkpoint.py', 'run/epoch_1.pth', 'published.pth')
    done = run_tool('train.py', TOY_CONFIG, '--resume', 'published.pth', status=2)
    errors = done.stderr
    assert 'starts from scratch' not in done.stdout + errors
    assert 'error: published.pth: log of the training: expected the state of a training' in errors
    assert 'load_from=published.pth' in errors and 'Traceback' not in errors
