import io
import re
import sys
from pathlib import Path

from mmssc.progress import Progress, track

ROOT = Path(__file__).parents[1]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_log_file_gets_a_line_every_ten_percent(capsys):
    assert list(track(iter(range(1449)), 1449, 'rooms')) == list(range(1449))
    out, errors = capsys.readouterr()
    lines = errors.splitlines()
    assert out == '' and '\r' not in errors and len(lines) == 10
    assert lines[0] == 'rooms: 10 % (145 of 1449 frames)'
    assert lines[-1] == 'rooms: 100 % (1449 of 1449 frames)'


def test_a_short_job_has_a_line_per_step(capsys):
    with Progress(3, 'step', unit='file', done=1) as progress:
        progress.update()
        progress.write('error: x')
        progress.update()
    assert capsys.readouterr().err.splitlines() == [
        'step: 66 % (2 of 3 files)', 'error: x', 'step: 100 % (3 of 3 files)',
    ]  # fmt: skip


def test_one_step_is_singular(capsys):
    assert list(track('a', 1, 'step')) == ['a']
    assert capsys.readouterr().err == 'step: 100 % (1 of 1 frame)\n'


def test_an_empty_job_says_nothing(capsys):
    assert list(track([], 0, 'none')) == []
    assert capsys.readouterr().err == ''


def test_a_terminal_gets_one_bar(monkeypatch):
    monkeypatch.setattr(sys, 'stderr', Terminal())
    with Progress(20, 'step') as progress:
        for _ in range(20):
            progress.update()
        progress.write('a line')
    text = sys.stderr.getvalue()
    assert 'step: 100%' in text and '20/20' in text and 'a line\n' in text


def test_without_stderr_nothing_fails(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'stderr', None)
    assert list(track('ab', 2, 'step')) == ['a', 'b']
    assert capsys.readouterr().out == ''


def test_every_command_uses_this_bar():
    others = re.compile(r'\b(ProgressBar|track_\w*progress\w*|tqdm|rich\.progress)\b')
    folders = [ROOT / name for name in ('mmssc', 'tools', 'projects')]
    files = [path for folder in folders for path in folder.rglob('*.py')]
    found = [path for path in files if others.search(path.read_text('utf-8'))]
    assert found == [ROOT / 'mmssc/progress.py']


def test_a_generator_of_scenes_fills_no_log(tool_in_process, tmp_path):
    make = tool_in_process('dataset_converters/make_synthetic.py')
    status, text = make('--out', tmp_path, '--sequences', '00', '--frames', '2', '--label-step',
                        '1', '--grid-shape', '8', '8', '4', '--voxel-size', '6.4',
                        '--image-size', '16', '32', '--lidar-size', '4', '20')  # fmt: skip
    assert status == 0 and '\r' not in text
    assert [line for line in text.splitlines() if '%' in line] == [
        f'drives: {25 * number} % ({number} of 4 files)' for number in (1, 2, 3, 4)
    ]
