"""Ctrl-C, a closed output, and errors of one process out of several: one line, one status."""

import os
import signal
import subprocess
import sys
import time

import pytest
from tool_runs import ROOT, TOY_CONFIG, tool_environment

SLOW = ['--cfg-options', 'model.sleep=0.3', 'train_dataloader.num_workers=1']
ERROR = 'error: 0.bin: size: expected 16, found 15'


def lines_of(errors):
    """What a tool printed on stderr, without warnings of other packages."""
    return [line for line in errors.splitlines() if line and 'arn' not in line
            and not line.startswith('  super()')]  # fmt: skip


def listen_to_ctrl_c():
    """A process that a shell starts in the background ignores Ctrl-C, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupt(folder, script, args, seen):
    """Start a tool, wait for a text in its output, press Ctrl-C: (status, stderr)."""
    runner = 'bash' if script.endswith('.sh') else sys.executable
    with open(folder / 'out.txt', 'w') as out:
        tool = subprocess.Popen(
            [runner, str(ROOT / 'tools' / script), *map(str, args)], cwd=folder, text=True,
            env=tool_environment(), stdout=out, stderr=subprocess.PIPE, start_new_session=True,
            preexec_fn=listen_to_ctrl_c,
        )  # fmt: skip
    deadline = time.monotonic() + 90
    while seen not in (folder / 'out.txt').read_text():
        assert tool.poll() is None and time.monotonic() < deadline, tool.communicate()[1]
        time.sleep(0.05)
    os.killpg(tool.pid, signal.SIGINT)
    return tool.wait(60), tool.communicate()[1]


def test_ctrl_c_with_loader_workers_is_one_line(tmp_path):
    status, errors = interrupt(tmp_path, 'train.py', [TOY_CONFIG, *SLOW], 'Epoch(train)')
    assert (status, lines_of(errors)) == (130, ['stopped.'])


@pytest.mark.slow
def test_ctrl_c_in_several_processes_is_one_line(tmp_path):
    status, errors = interrupt(tmp_path, 'dist_train.sh', [TOY_CONFIG, 2, *SLOW], 'Epoch(train)')
    assert (status, lines_of(errors)) == (130, ['stopped.'])


def tools_with_imports():
    return sorted(
        path.relative_to(ROOT / 'tools').as_posix()
        for path in (ROOT / 'tools').rglob('*.py')
        if 'mmssc' in path.read_text() and path.name != 'check_env.py'
    )


@pytest.mark.parametrize('tool', tools_with_imports())
def test_every_tool_prepares_for_ctrl_c_before_other_imports(tool):
    first, second, *_ = (
        line
        for line in (ROOT / 'tools' / tool).read_text().splitlines()
        if line.startswith(('import ', 'from ', 'prepare_process')) and '__future__' not in line
    )
    assert 'mmssc.command_line' in first and second == 'prepare_process()'


def test_ctrl_c_during_imports_is_one_line(tmp_path):
    (tmp_path / 'torch.py').write_text('import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n')
    environment = tool_environment()
    environment['PYTHONPATH'] = os.pathsep.join([str(tmp_path), environment['PYTHONPATH']])
    done = subprocess.run(
        [sys.executable, str(ROOT / 'tools/train.py'), str(TOY_CONFIG)], cwd=tmp_path,
        env=environment, capture_output=True, text=True, preexec_fn=listen_to_ctrl_c,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (130, '', '\nstopped.\n')


def test_a_closed_output_ends_a_run_silently(tmp_path):
    command = [sys.executable, str(ROOT / 'tools/train.py'), str(TOY_CONFIG)]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, cwd=tmp_path, env=tool_environment(), stdout=writer,
                          stderr=subprocess.PIPE, text=True)  # fmt: skip
    os.close(writer)
    assert (done.returncode, lines_of(done.stderr)) == (141, [])
    assert not list(tmp_path.rglob('*.pth'))


@pytest.mark.slow
@pytest.mark.parametrize('workers', [0, 1])
def test_an_error_of_one_process_is_one_line(run_tool, workers):
    done = run_tool('dist_train.sh', TOY_CONFIG, 2, '--cfg-options',
                    'train_dataloader.dataset.failure=data',
                    f'train_dataloader.num_workers={workers}', status=2)  # fmt: skip
    assert lines_of(done.stderr) == [ERROR]


@pytest.mark.parametrize(
    ('script', 'arguments', 'file'),
    [
        ('dist_train.sh', ['none.py', 2], 'none.py'),
        pytest.param(
            'dist_test.sh', [TOY_CONFIG, 'none.pth', 2], 'none.pth', marks=pytest.mark.slow
        ),
    ],
)
def test_an_error_of_all_processes_is_one_line(run_tool, script, arguments, file):
    (line,) = lines_of(run_tool(script, *arguments, status=2).stderr)
    assert line.startswith(f'error: {file}: expected a ') and 'found no such file' in line


@pytest.mark.slow
def test_a_bug_of_one_process_has_one_traceback(run_tool):
    done = run_tool('dist_train.sh', TOY_CONFIG, 2, '--cfg-options',
                    'train_dataloader.dataset.failure=bug', status=1)  # fmt: skip
    assert done.stderr.count('Traceback') == 1 and done.stderr.count("KeyError: 'bug'\n") == 1


@pytest.mark.slow
def test_a_killed_process_is_named(run_tool):
    done = run_tool('dist_train.sh', TOY_CONFIG, 2, '--cfg-options',
                    'custom_hooks=[dict(type=KillHook, iteration=1)]', status=137)  # fmt: skip
    assert lines_of(done.stderr)[-1].endswith('was stopped by SIGKILL. Was there enough memory?')
