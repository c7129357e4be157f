"""Two commands that write to one place at the same time; folders that a lock has made."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

from mmssc import temporary_files
from mmssc.apis.infer_command import rgbd_scenes
from mmssc.errors import DataError
from mmssc.fileio import (
    atomic_write,
    check_outputs,
    lock_folder,
    note_outputs,
    output_folder,
    remove_stale_files,
    temporary_path,
)

NEWCOMER = 'a new file, found one that another process has written since the start'


def write(path, text):
    with atomic_write(path, 'w') as file:
        file.write(text)


@pytest.mark.parametrize('has_links', [True, False])
def test_a_file_that_appears_after_the_check_stays(tmp_path, monkeypatch, has_links):
    if not has_links:
        monkeypatch.setattr(os, 'link', lambda *_: os.close(-1))  # raises OSError
    path, folder = tmp_path / 'a.json', tmp_path / 'new'
    check_outputs([path, folder / 'b.json'], maker='draw')
    path.write_text('of another')
    note_outputs([path], 'draw')
    with pytest.raises(DataError, match=NEWCOMER):
        write(path, 'mine')
    assert os.listdir(tmp_path) == ['a.json'] and path.read_text() == 'of another'
    # What this process has written itself can be written again.
    for text in ('first', 'second'):
        write(folder / 'b.json', text)
    assert (folder / 'b.json').read_text() == 'second'
    # The next command finds the file at its check.
    note_outputs([folder / 'b.json'], 'draw')
    check_outputs([path], is_ours=lambda _: True, overwrite=True)
    write(path, 'mine')
    assert path.read_text() == 'mine'


def test_of_two_writers_at_once_the_first_wins(tmp_path):
    path = tmp_path / 'a.json'
    check_outputs([path])
    with pytest.raises(DataError, match=NEWCOMER), atomic_write(path, 'w') as file:
        file.write('slow')
        (tmp_path / 'fast').write_text('fast')
        os.rename(tmp_path / 'fast', path)
    assert path.read_text() == 'fast'


def test_a_link_to_nothing_gets_its_file_once(tmp_path):
    link = tmp_path / 'link'
    link.symlink_to('real')
    check_outputs([link])
    write(tmp_path / 'real', 'of another')
    with pytest.raises(DataError, match='link: expected a new file'):
        write(link, 'mine')
    assert (tmp_path / 'real').read_text() == 'of another'


def test_a_folder_for_results_has_one_writer(tmp_path, monkeypatch):
    monkeypatch.setattr(temporary_files, '_LOCK_TIMEOUT', 0.1)
    with output_folder(tmp_path / 'out'):
        with (
            pytest.raises(DataError, match='no other command that writes to this folder'),
            output_folder(tmp_path / 'out'),
        ):
            pass
        (tmp_path / 'out/a').touch()
    # One that has waited for the lock finds the files of the other.
    monkeypatch.setattr(temporary_files, '_LOCK_TIMEOUT', 9)
    failures = []

    def wait():
        try:
            with output_folder(tmp_path / 'two'):
                pass
        except DataError as error:
            failures.append(error)

    with output_folder(tmp_path / 'two'):
        waiting = threading.Thread(target=wait)
        waiting.start()
        (tmp_path / 'two/b').touch()
    waiting.join()
    assert failures[0].found == "'b'"


def test_a_folder_made_for_a_lock_goes_with_a_failure(tmp_path):
    for name in ('kept', 'gone'):
        with pytest.raises(KeyError), lock_folder(tmp_path / name / 'below'):
            (tmp_path / 'kept/file').touch() if name == 'kept' else None
            raise KeyError
    (tmp_path / 'mine').mkdir()
    with pytest.raises(KeyError), lock_folder(tmp_path / 'mine'):
        raise KeyError
    assert sorted(os.listdir(tmp_path)) == ['kept', 'mine']
    assert os.listdir(tmp_path / 'kept') == ['file']


def test_files_of_another_container_with_the_same_name_are_not_stale(tmp_path, monkeypatch):
    """Its process 7 runs there, but none here has this number."""
    here = temporary_path(tmp_path / 'a').name
    monkeypatch.setattr(os, 'readlink', lambda path: 'pid:[1]')
    temporary_files._host.cache_clear()
    there = temporary_path(tmp_path / 'a').name
    monkeypatch.undo()
    temporary_files._host.cache_clear()
    assert temporary_path(tmp_path / 'a').name.split('-')[:2] == here.split('-')[:2]
    file, folder = (
        tmp_path / there.replace(f'-{os.getpid()}-', f'-{number}-')
        for number in (10**20, 10**20 + 1)  # Numbers that no process has.
    )
    file.touch()
    folder.mkdir()
    (folder / 'film').touch()
    assert remove_stale_files(tmp_path) == 0
    # After a day nobody writes it.
    for path in (file, folder):
        os.utime(path, (0, 0))
    assert remove_stale_files(tmp_path) == 1 and folder.exists()
    os.utime(folder / 'film', (0, 0))
    assert remove_stale_files(tmp_path) == 1 and not folder.exists()


@pytest.fixture
def scene(tmp_path, monkeypatch):
    """Arguments of infer.py for a depth image of a floor."""
    monkeypatch.chdir(tmp_path)
    rows = np.mgrid[:120, :160][0].astype(np.float32)
    depth = np.where(rows > 70, 1.2 * 130 / np.maximum(rows - 60, 1), 3).astype(np.float32)
    np.save('depth.npy', depth)
    return [
        'light_depth_nyu', '--depth', 'depth.npy', '--cam2img', 130, 130, 80, 60,
        '--height', 1.2, '--device', 'cpu', '--out', 'out', '--formats',
    ]  # fmt: skip


@pytest.mark.parametrize(
    ('options', 'name'),
    [
        (['npy'], 'depth.npy'),
        (['mp4'], 'scenes.mp4'),
        (['html', '--one-page'], 'scenes.html'),
    ],
)
def test_infer_keeps_what_another_one_has_written(
    tool_in_process, scene, tmp_path, monkeypatch, options, name
):
    """The other command writes while this one predicts."""
    predict_all = rgbd_scenes.predict_all

    def write_first(*arguments):
        (tmp_path / 'out').mkdir()
        (tmp_path / 'out' / name).write_text('of another')
        return predict_all(*arguments)

    monkeypatch.setattr(rgbd_scenes, 'predict_all', write_first)
    status, printed = tool_in_process('infer.py')(*scene, *options)
    assert status == 2 and f'{name}: expected {NEWCOMER}' in printed
    assert (tmp_path / 'out' / name).read_text() == 'of another'


def test_figures_that_another_command_has_written_stay(tool_in_process, tmp_path, monkeypatch):
    def write_first(*_):
        (tmp_path / 'flops.json').write_text('of another')
        return ''

    monkeypatch.setattr('mmssc.evaluation.score_table.format_table', write_first)
    run = tool_in_process('analysis_tools/get_flops.py')
    status, printed = run('light_depth_nyu', '--out', tmp_path / 'flops.json')
    assert status == 2 and f'flops.json: expected {NEWCOMER}' in printed
    assert (tmp_path / 'flops.json').read_text() == 'of another'
