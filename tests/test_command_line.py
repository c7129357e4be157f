import errno
import gc
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import cv2
import pytest
import torch

from mmssc.command_line import (
    CLOSED_PIPE,
    FINDINGS,
    INTERRUPTED,
    USE_ERROR,
    command,
    parse_early,
)
from mmssc.errors import DataError, MissingDependencyError
from mmssc.preparation.command_line import run_converter


@pytest.fixture(autouse=True)
def _no_traceback(monkeypatch):
    monkeypatch.delenv('MMSSC_TRACEBACK', raising=False)


@command
def fail(error):
    raise error


def test_the_result_is_the_status():
    assert command(lambda: None)() == 0
    assert command(lambda: FINDINGS)() == FINDINGS


@pytest.mark.parametrize(
    ('error', 'line'),
    [
        (DataError('a.bin', 'size', 16, 15), 'error: a.bin: size: expected 16, found 15'),
        (DataError('a.bin', found='two\nlines'), 'error: a.bin: found two lines'),
        (MissingDependencyError('no spconv'), 'error: no spconv'),
        (FileNotFoundError(2, 'No such file', 'a.png'), 'error: a.png: No such file'),
        (OSError('disk is full'), 'error: disk is full'),
    ],
)
def test_errors_of_use_are_one_line(error, line, capsys):
    assert fail(error) == USE_ERROR
    assert capsys.readouterr().err == f'{line}\n'


@pytest.mark.parametrize('error', [KeyError('x'), ValueError('x'), RuntimeError('x')])
def test_bugs_keep_their_traceback(error):
    with pytest.raises(type(error)):
        fail(error)


def test_the_traceback_can_be_shown(monkeypatch, capsys):
    monkeypatch.setenv('MMSSC_TRACEBACK', '1')
    assert fail(DataError('a.bin')) == USE_ERROR
    assert 'Traceback' in capsys.readouterr().err


def test_an_interrupt_is_one_line(capsys):
    assert fail(KeyboardInterrupt()) == INTERRUPTED
    assert capsys.readouterr().err == '\nstopped.\n'


def test_garbage_is_collected_from_the_start_of_main():
    frozen = gc.get_freeze_count()
    try:
        parse_early(lambda: None)
        assert not gc.isenabled()
        assert command(lambda: int(not gc.isenabled()))() == 0
        assert gc.get_freeze_count() > frozen
    finally:
        gc.unfreeze()
        gc.enable()
    assert command(lambda: gc.get_freeze_count())() == 0, 'only after parse_early()'


@pytest.mark.parametrize('early', [False, True])
def test_garbage_that_nobody_collects_stays(early):
    gc.disable()
    try:
        if early:
            parse_early(lambda: None)
        assert command(lambda: int(gc.isenabled()))() == 0
    finally:
        gc.unfreeze()
        gc.enable()


def test_warnings_for_users_are_one_line():
    code = (
        'import warnings\nfrom mmssc.command_line import command\n'
        '@command\ndef main():\n    warnings.warn("a.png: wrong unit?")\n'
        '    warnings.warn("old name", FutureWarning)\nmain()'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    lines = done.stderr.splitlines()
    assert lines[0] == 'warning: a.png: wrong unit?' and 'FutureWarning: old name' in lines[1]


def test_a_converter_says_how_to_go_on(capsys, tmp_path):
    def work():
        raise KeyboardInterrupt

    assert command(run_converter)(work, tmp_path) == INTERRUPTED
    assert capsys.readouterr().err == '\nstopped. Run the same command again to continue.\n'


@pytest.mark.parametrize('lines', [1, 100_000], ids=['at the end', 'in between'])
def test_a_closed_pipe_is_quiet(lines):
    code = (
        'import sys\nfrom mmssc.command_line import command\n'
        f'@command\ndef main():\n    for _ in range({lines}):\n        print("a line")\n'
        'sys.exit(main())'
    )
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, '-c', code], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (CLOSED_PIPE, b'')


@pytest.mark.parametrize(
    ('encoding', 'shown'),
    [('utf-8:strict', 'ü \\udcff'), ('ascii', '\\xfc \\udcff'), ('latin-1', 'ü \\udcff')],
)
def test_names_that_the_output_cannot_show_are_codes(encoding, shown):
    """Printing the name of a file ended the command after its work."""
    code = 'from mmssc.command_line import prepare_process\nprepare_process()\n'
    code += 'print("\\xfc", "\\udcff")'
    environment = {**os.environ, 'PYTHONIOENCODING': encoding}
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, env=environment)
    assert (done.returncode, done.stderr) == (0, b'')
    assert done.stdout.decode(encoding.partition(':')[0]).split('\n')[0].rstrip() == shown


def test_a_command_without_output_ends_well():
    code = (
        'import sys\nsys.stdout = None\nfrom mmssc.command_line import command\n'
        'sys.exit(command(lambda: None)())'
    )
    done = subprocess.run([sys.executable, '-c', code], stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b'')


class Missing(torch.utils.data.Dataset):
    """A sample whose file is not there."""

    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 1

    def __getitem__(self, index):
        try:
            raise DataError('a.bin', 'size', 16, 15)
        except DataError as error:
            raise self.error from error


@pytest.mark.parametrize('workers', [0, 1])
@pytest.mark.parametrize(
    ('error', 'line'),
    [
        (
            DataError('a.bin', 'frame 00/000000, size', 16, 15, 'Run: make'),
            'a.bin: frame 00/000000, size: expected 16, found 15. Run: make',
        ),
        (OSError('a.png is not there'), 'a.png is not there'),
    ],
)
def test_an_error_of_a_worker_is_one_line_too(workers, error, line, capsys):
    loader = torch.utils.data.DataLoader(Missing(error), num_workers=workers)
    assert command(lambda: list(loader))() == USE_ERROR
    assert capsys.readouterr().err == f'error: {line}\n'


def state_of_the_process():
    """What an import must not change."""
    return dict(
        hooks=(sys.excepthook, sys.unraisablehook, threading.excepthook),
        signals={number: signal.getsignal(number) for number in signal.valid_signals()},
        warnings=(warnings.formatwarning, warnings.showwarning, warnings.filters[:]),
        logging=(
            logging.Handler.handleError, logging.getLoggerClass(), logging.root.level,
            logging.root.handlers[:], logging.root.manager.disable,
        ),
        threads=(torch.get_num_threads(), torch.get_num_interop_threads(), cv2.getNumThreads()),
        processes=(multiprocessing.process.BaseProcess.start,
                   multiprocessing.get_start_method(allow_none=True)),
        environment=dict(os.environ),
    )  # fmt: skip


def interrupt_a_child():
    """Exit status of a forked process that gets Ctrl-C."""
    child = os.fork()
    if not child:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            os._exit(7)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_an_import_changes_nothing_in_the_process():
    """A program of a user stays as it was: hooks, signals, warnings, logging, threads."""
    code = (
        # What these packages change themselves is not ours.
        'import mmengine.runner, scipy.special\n'
        'from test_command_line import *\n'
        'before = state_of_the_process()\n'
        'import mmssc.apis, mmssc.command_line, mmssc.engine.launch, mmssc.visualization\n'
        'assert interrupt_a_child() == 7\n'
        'after = state_of_the_process()\n'
        'assert after == before, {key: (before[key], after[key]) for key in before '
        'if before[key] != after[key]}'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, cwd=Path(__file__).parent
    )
    assert (done.returncode, done.stderr) == (0, '')


@command
def wait_for_worker(method, folder):
    """Start a worker, press Ctrl-C on it at once, and wait for what it writes."""
    worker = multiprocessing.get_context(method).Process(target=write_late, args=(folder,))
    multiprocessing.set_start_method(method)
    worker.start()
    os.kill(worker.pid, signal.SIGINT)
    worker.join()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()


def write_late(folder):
    time.sleep(0.2)
    Path(folder, 'done').write_text('done')


@pytest.mark.parametrize(
    'method', ['fork', 'spawn', pytest.param('forkserver', marks=pytest.mark.slow)]
)
def test_ctrl_c_leaves_workers_to_their_parent_from_the_first_moment(method, tmp_path):
    code = f'from test_command_line import *\nwait_for_worker({method!r}, {str(tmp_path)!r})'
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, cwd=Path(__file__).parent
    )
    assert (done.returncode, done.stderr) == (0, '')
    assert (tmp_path / 'done').exists()


def test_a_full_disk_elsewhere_writes_nothing_to_the_output(capfd):
    @command
    def main() -> None:
        print('figures')
        raise OSError(errno.ENOSPC, 'No space left on device')

    assert main() == 2
    output = capfd.readouterr()
    assert output.out == 'figures\n' and output.err == 'error: [Errno 28] No space left on device\n'
    assert not {'write', 'flush'} & {*vars(sys.stdout)}


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='no device that is always full')
def test_a_full_disk_under_a_log_file_ends_the_run_in_one_line(capfd):
    @command
    def main() -> None:
        logger = logging.getLogger('full')
        logger.addHandler(logging.FileHandler('/dev/full'))
        logger.error('x')

    try:
        assert main() == 2
        assert capfd.readouterr().err == 'error: /dev/full: No space left on device\n'
    finally:
        logging.getLogger('full').handlers.clear()


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='no device that is always full')
@pytest.mark.parametrize('line', ["print('x' * 100_000)", "print('x')", 'log()'])
def test_a_full_disk_under_the_output_is_named(line):
    program = f"""
import logging, sys
from mmssc.command_line import command

def log():
    logger = logging.getLogger('x')
    logger.addHandler(logging.StreamHandler(sys.stdout))
    logger.error('x')

@command
def main():
    {line}

sys.exit(main())
"""
    with open('/dev/full', 'w', encoding='ascii') as full:
        done = subprocess.run(
            [sys.executable, '-c', program], stdout=full, stderr=subprocess.PIPE, text=True,
            check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == 'error: standard output: No space left on device\n'
