import os
import subprocess
import sys

import pytest
import torch

from mmssc.command_line import CLOSED_PIPE, FINDINGS, INTERRUPTED, USE_ERROR, command
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
