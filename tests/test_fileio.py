"""Atomic writing and the data error."""

from __future__ import annotations

import os
import pickle
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from mmssc.errors import DataError
from mmssc.fileio import (
    atomic_write,
    check_output_folder,
    check_outputs,
    check_writable,
    lock_folder,
    note_outputs,
    remove_stale_files,
    share_folder,
    temporary_path,
)
from mmssc.formats.numpy_arrays import write_npy
from mmssc.temporary_files import temporary_folder


def write_noted(*paths: Path) -> None:
    """Write files as the command ``draw``."""
    note_outputs(paths, 'draw')
    for path in paths:
        with atomic_write(path):
            pass


def test_file_appears_whole_with_ordinary_permissions(tmp_path):
    path = tmp_path / 'new' / 'folder' / 'a.txt'
    with atomic_write(path, 'w') as file:
        file.write('é')
        assert not path.exists()
    assert path.read_bytes() == 'é'.encode()
    plain = tmp_path / 'plain'
    plain.write_text('')
    assert stat.S_IMODE(os.stat(path).st_mode) == stat.S_IMODE(os.stat(plain).st_mode)


def test_failure_leaves_the_old_file_and_no_rest(tmp_path):
    path = tmp_path / 'a.bin'
    path.write_bytes(b'old')
    with pytest.raises(RuntimeError, match='half'), atomic_write(path) as file:
        file.write(b'new')
        raise RuntimeError('half way')
    assert path.read_bytes() == b'old'
    assert os.listdir(tmp_path) == ['a.bin']


def test_a_link_stays_and_its_file_changes(tmp_path):
    real = tmp_path / 'real' / 'a.txt'
    real.parent.mkdir()
    real.write_text('old')
    link, dangling = tmp_path / 'link.txt', tmp_path / 'dangling.txt'
    link.symlink_to('real/a.txt')
    dangling.symlink_to('real/new.txt')
    for path in (link, dangling):
        with atomic_write(path, 'w') as file:
            file.write('new')
        assert path.is_symlink()
    assert real.read_text() == (real.parent / 'new.txt').read_text() == 'new'
    assert sorted(os.listdir(real.parent)) == ['a.txt', 'new.txt']


def test_an_existing_file_keeps_its_permissions(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_text('old')
    path.chmod(0o640)
    with atomic_write(path) as file:
        file.write(b'new')
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_devices_and_pipes_are_written_to_not_replaced(tmp_path):
    with atomic_write('/dev/null') as file:
        file.write(b'away')
    assert stat.S_ISCHR(os.stat('/dev/null').st_mode)
    with pytest.raises(OSError, match='/dev/full'), atomic_write('/dev/full') as file:
        file.write(b'x')
    assert stat.S_ISCHR(os.stat('/dev/full').st_mode)
    pipe, received = tmp_path / 'pipe', []
    os.mkfifo(pipe)
    with pytest.raises(DataError, match='expected a process that reads this pipe'):
        atomic_write(pipe).__enter__()
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    for _ in range(500):  # the thread needs a moment to open its end
        try:
            with atomic_write(pipe) as file:
                file.write(b'text')
            break
        except DataError:
            time.sleep(0.01)
    reader.join()
    assert received == [b'text']
    assert stat.S_ISFIFO(os.stat(pipe).st_mode)


def test_standard_output_in_a_file_gets_everything(tmp_path):
    code = (
        'from mmssc.fileio import atomic_write\nprint("before", flush=True)\n'
        'with atomic_write("/dev/stdout", "w") as file: file.write("figures\\n")\nprint("after")'
    )
    out = tmp_path / 'out.txt'
    with out.open('a') as file:
        subprocess.run([sys.executable, '-c', code], stdout=file, check=True)
    assert out.read_text() == 'before\nfigures\nafter\n'


def test_errors_name_the_final_file(tmp_path):
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'file').write_text('')
    loop = tmp_path / 'loop'
    loop.symlink_to('loop')
    long_name = tmp_path / ('a' * 300)
    for path in (tmp_path / 'folder', tmp_path / 'file' / 'below', loop, long_name):
        with pytest.raises(OSError) as caught, atomic_write(path) as file:
            file.write(b'x')
        assert str(path).startswith(str(caught.value.filename))
    assert sorted(os.listdir(tmp_path)) == ['file', 'folder', 'loop']


def _dead_process() -> int:
    return int(subprocess.run(['sh', '-c', 'echo $$'], capture_output=True, text=True).stdout)


def test_only_files_of_dead_writers_are_stale(tmp_path):
    mine = temporary_path(tmp_path / 'a.npy')
    dead = mine.with_name(mine.name.replace(f'-{os.getpid()}-', f'-{_dead_process()}-'))
    other_host = tmp_path / f'.mmssc-elsewhere-{_dead_process()}-0123abcd.tmp'
    foreign = [tmp_path / name for name in ('.a.npy.x1.tmp', '.tmp', 'b.tmp', '.mmssc-x.tmp')]
    # A number that no process can have.
    odd = mine.with_name(mine.name.replace(f'-{os.getpid()}-', f'-{10**20}-'))
    for path in (mine, dead, odd, other_host, *foreign):
        path.write_text('')
    assert remove_stale_files(tmp_path) == 2
    assert not dead.exists()
    os.utime(other_host, (0, 0))
    assert remove_stale_files(tmp_path) == 1
    assert sorted(tmp_path.iterdir()) == sorted([mine, *foreign])
    assert remove_stale_files(tmp_path / 'missing') == 0


def test_temporary_folders_of_killed_processes_are_removed(tmp_path, monkeypatch):
    """A film or the files of a commit stayed in /tmp for ever."""
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path))
    with temporary_folder() as mine:
        dead, other = (
            tmp_path / mine.name.replace(*words)
            for words in ((f'-{os.getpid()}-', f'-{_dead_process()}-'), ('.mmssc-', '.mmssc-x'))
        )
        for folder in (mine, dead, other):
            (folder / 'a').mkdir(parents=True)
            (folder / 'a/video.mp4').touch()
        os.utime(other, (0, 0))
        with temporary_folder():
            assert mine.is_dir() and not dead.exists()
    assert [*tmp_path.iterdir()] == [other]


def test_a_command_removes_what_a_killed_one_has_left_beside_its_outputs(tmp_path, monkeypatch):
    def leave():
        name = temporary_path(tmp_path / 'a').name
        path = tmp_path / name.replace(f'-{os.getpid()}-', f'-{_dead_process()}-')
        path.write_text('half')
        return path

    left = leave()
    check_output_folder(tmp_path)
    assert not left.exists()
    mine = tmp_path / 'mine.tmp'
    mine.write_text('')
    left = leave()
    check_outputs([tmp_path / 'a.json'])
    assert sorted(tmp_path.iterdir()) == [mine]

    def refuse(path, missing_ok=False):
        raise PermissionError(path)

    # A file of another user in /tmp.
    left = leave()
    monkeypatch.setattr(Path, 'unlink', refuse)
    check_outputs([tmp_path / 'a.json'])
    assert left.exists()


def test_one_writer_per_folder_and_a_killed_one_frees_it(tmp_path):
    code = (
        'import sys, time\nfrom mmssc.fileio import lock_folder\n'
        'with lock_folder(sys.argv[1]): print("locked", flush=True); time.sleep(60)'
    )
    arguments = [sys.executable, '-c', code, str(tmp_path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == 'locked\n'
        with (
            pytest.raises(DataError, match='no other command that writes to this folder'),
            lock_folder(tmp_path, timeout=0.1),
        ):
            pass
        other.kill()
    for _ in range(2):
        with lock_folder(tmp_path, timeout=5):
            pass
        assert not any(tmp_path.iterdir())


def test_a_lock_that_is_a_link_or_no_file_is_refused(tmp_path):
    """Older releases of filelock empty the file that a link names."""
    (tmp_path / 'mine.txt').write_text('mine')
    lock = tmp_path / 'folder/.mmssc.lock'
    lock.parent.mkdir()
    for make in (lambda: lock.symlink_to('../mine.txt'), lambda: os.mkfifo(lock), lock.mkdir):
        make()
        for lock_it in (lock_folder, share_folder):
            with (
                pytest.raises(DataError, match='lock: expected a regular file of mmssc'),
                lock_it(lock.parent, timeout=0.1),
            ):
                pass
        lock.rmdir() if lock.is_dir() else lock.unlink()
    assert (tmp_path / 'mine.txt').read_text() == 'mine'


def test_outputs_never_replace_inputs_nor_other_files_unasked(tmp_path):
    depth, old, new = (tmp_path / name for name in ('depth.png', 'old.json', 'new.json'))
    depth.write_bytes(b'depth')
    old.write_text('{}')
    link = tmp_path / 'link.png'
    link.symlink_to(depth)
    hard = tmp_path / 'hard.png'
    hard.hardlink_to(depth) if hasattr(Path, 'hardlink_to') else os.link(depth, hard)
    check_outputs([new, '/dev/null'], [depth])
    for output in (depth, link, hard, tmp_path / 'x' / '..' / 'depth.png'):
        (tmp_path / 'x').mkdir(exist_ok=True)
        with pytest.raises(DataError, match='found an input of this command'):
            check_outputs([new, output], [depth], overwrite=True)
    foreign = 'old.json: expected a new file, found one that this command did not write. Choose ano'
    for overwrite in (False, True):
        with pytest.raises(DataError, match=foreign):
            check_outputs([new, old], [depth], overwrite, 'draw')
    known = dict(maker='draw', is_ours=lambda path: path == old)
    with pytest.raises(DataError, match=r'old.json: expected a new file.* --overwrite'):
        check_outputs([new, old], [depth], **known)
    check_outputs([new, old], [depth], overwrite=True, **known)
    with pytest.raises(DataError, match='found a folder'):
        check_outputs([tmp_path], overwrite=True)


def test_a_folder_is_listed_once_for_all_outputs(tmp_path, monkeypatch):
    listed = []
    monkeypatch.setattr('mmssc.fileio.remove_stale_files', listed.append)
    check_outputs([tmp_path / f'{number}.json' for number in range(9)])
    assert listed == [tmp_path]


def test_places_that_cannot_be_written_to_are_known_before_the_work(tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('')
    check_outputs([tmp_path / 'new' / 'folder' / 'a.json', 'a.json'])
    for check in (check_output_folder, lambda folder: check_outputs([folder / 'a.json'])):
        with pytest.raises(DataError, match='file.*: expected a folder .*found a file'):
            check(tmp_path / 'file' / 'below')
    monkeypatch.setattr(os, 'access', lambda *_: False)
    for check in (check_output_folder, lambda folder: check_outputs([folder / 'a.json'])):
        with pytest.raises(DataError, match='found no permission to write'):
            check(tmp_path / 'new')


def test_odd_links_and_notes_are_known_before_the_work(tmp_path):
    loop, dangling, notes = tmp_path / 'loop', tmp_path / 'dangling', tmp_path / '.mmssc-outputs'
    loop.symlink_to('loop')
    dangling.symlink_to('nothing')
    check_outputs([dangling, '/dev/stdout', '/dev/fd/1'])
    with pytest.raises(DataError, match='loop: .*found a link to itself'):
        check_outputs([loop])
    for folder in (loop, dangling, dangling / 'below'):
        with pytest.raises(DataError, match='expected a folder .*found a link to nothing. Advice'):
            check_writable(folder, 'Advice')
    with pytest.raises(DataError, match='expected a folder .*found File name too long. Advice'):
        check_writable(tmp_path / ('x' * 300), 'Advice')
    for make in (notes.mkdir, lambda: os.mkfifo(notes), lambda: notes.symlink_to('nothing')):
        make()
        with pytest.raises(DataError, match='.mmssc-outputs: .*Remove it'):
            check_outputs([tmp_path / 'a'], maker='draw')
        notes.rmdir() if notes.is_dir() else notes.unlink()


def test_a_folder_for_results_is_new_or_empty(tmp_path):
    check_output_folder(tmp_path / 'new')
    check_output_folder(tmp_path)
    write_noted(tmp_path / 'a')
    with pytest.raises(DataError, match='found files. Choose another folder, or .*--overwrite'):
        check_output_folder(tmp_path, maker='draw')
    check_output_folder(tmp_path, overwrite=True, maker='draw')
    with pytest.raises(DataError, match='found a file'):
        check_output_folder(tmp_path / 'a', overwrite=True)


def test_files_of_others_are_not_replaced(tmp_path):
    pictures, image = tmp_path / 'pictures', tmp_path / 'pictures/0.png'
    write_noted(image, pictures / 'new\nline.png')
    (pictures / '.DS_Store').touch()
    check_output_folder(pictures, overwrite=True, maker='draw')
    check_outputs([image], overwrite=True, maker='draw')
    foreign = 'new or empty folder, or one with files of this command only, found '
    for other in ('browse', ''):
        with pytest.raises(DataError, match=f"{foreign}'0.png' and 1 more. Choose another fol"):
            check_output_folder(pictures, overwrite=True, maker=other)
    with pytest.raises(DataError, match='found one that this command did not write. Choose ano'):
        check_outputs([image], overwrite=True, maker='browse')
    (pictures / 'sequences').mkdir()
    with pytest.raises(DataError, match=f"{foreign}'sequences'. "):
        check_output_folder(pictures, overwrite=True, maker='draw')


def test_a_folder_for_results_is_outside_of_the_data(tmp_path):
    data = tmp_path / 'data'
    (data / 'images').mkdir(parents=True)
    (data / 'images/0.png').write_text('')
    (tmp_path / 'link').symlink_to(data / 'images')
    for folder in (data, data / 'new', data / 'images', tmp_path / 'link/new', tmp_path / 'link'):
        with pytest.raises(DataError, match='found a folder of the data in .*data. Choose anoth'):
            check_output_folder(folder, overwrite=True, maker='draw', data=['none', data])
    check_output_folder(tmp_path / 'data2', data=[data])
    for file in (data / 'images/0.png', tmp_path / 'link/0.png'):
        with pytest.raises(DataError, match='found a file of the data in .*data. Choose another'):
            check_outputs([file], [data], overwrite=True)
    for file in (data / 'new.json', data / 'new/new.json', tmp_path / 'link/new.json'):
        with pytest.raises(DataError, match='expected a file outside of the data in .*data, found'):
            check_outputs([file], [data], overwrite=True)
    check_outputs([tmp_path / 'data2.json', '/dev/null'], [data])


@pytest.mark.parametrize('root', ['.', '..', '{}'])
def test_new_results_can_lie_in_data_that_are_around_the_current_folder(
    tmp_path, monkeypatch, root
):
    here = tmp_path / 'here'
    here.mkdir()
    (here / 'old.npy').touch()
    monkeypatch.chdir(here)
    data = root.format(here)
    check_outputs(['new.json', 'results/new.json'], [data])
    check_output_folder('pictures', data=[data])
    with pytest.raises(DataError, match='found a file of the data in'):
        check_outputs(['old.npy'], [data], overwrite=True)


def test_a_note_after_one_that_a_full_disk_has_cut_is_read(tmp_path):
    (tmp_path / '.mmssc-outputs').write_text('["draw", "a"]\n["draw", "lo')
    for name in 'bc':
        write_noted(tmp_path / name)
    check_outputs([tmp_path / 'b', tmp_path / 'c'], overwrite=True, maker='draw')


def test_notes_of_a_stranger_do_no_harm(tmp_path):
    notes = tmp_path / '.mmssc-outputs'
    os.mkfifo(notes)
    (tmp_path / 'a').touch()
    with pytest.raises(DataError, match="found 'a'"):
        check_output_folder(tmp_path, overwrite=True, maker='draw')
    with pytest.raises(DataError, match='outputs: expected a regular file'):
        note_outputs([tmp_path / 'b'], 'draw')
    notes.unlink()
    (tmp_path / 'precious').write_text('["draw", "a"]')
    notes.symlink_to(tmp_path / 'precious')
    with pytest.raises(DataError, match='outputs: expected a regular file'):
        check_outputs([tmp_path / 'a'], overwrite=True, maker='draw')
    with pytest.raises(DataError, match='outputs: expected a regular file'):
        note_outputs([tmp_path / 'b'], 'draw')
    assert (tmp_path / 'precious').read_text() == '["draw", "a"]'
    notes.unlink()
    notes.write_bytes(b'\xff\x00' * 1000)
    write_noted(tmp_path / 'b')


def test_only_what_was_written_is_noted(tmp_path):
    first, second, folder = tmp_path / 'a', tmp_path / 'b', tmp_path / 'c'
    note_outputs([first, second, folder], 'draw')
    with pytest.raises(RuntimeError), atomic_write(second) as file:
        file.write(b'half')
        raise RuntimeError
    for path in (first, folder / '1', folder / '2'):
        with atomic_write(path) as file:
            file.write(b'ours')
    second.write_text('of the user')
    check_outputs([first], overwrite=True, maker='draw')
    with pytest.raises(DataError, match='b: .*found one that this command did not write'):
        check_outputs([second], overwrite=True, maker='draw')
    second.unlink()
    check_output_folder(tmp_path, overwrite=True, maker='draw')
    assert len((tmp_path / '.mmssc-outputs').read_text().splitlines()) == 2


def test_a_pipe_needs_a_reader_at_the_check(tmp_path):
    pipe = tmp_path / 'pipe'
    os.mkfifo(pipe)
    with pytest.raises(
        DataError, match='pipe: expected a process that reads this pipe, found none'
    ):
        check_outputs([pipe])
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    for _ in range(100):
        try:
            check_outputs([pipe, '/dev/null'])
            break
        except DataError:  # The reader has not opened it yet.
            time.sleep(0.01)
    time.sleep(0.05)
    assert reader.is_alive()  # It waits for the result.
    with atomic_write(pipe, 'w') as file:
        file.write('result')
    reader.join(5)
    assert read == ['result']


def test_data_error_says_everything_and_survives_pickle():
    error = DataError('calib.txt', 'P2', '12 numbers', 11, 'Download it again')
    text = 'calib.txt: P2: expected 12 numbers, found 11. Download it again'
    assert str(error) == text
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, DataError)
    assert str(copy) == text
    assert copy.field == 'P2'


@pytest.mark.parametrize('folder', ['', 'new/deep'])
def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch, folder):
    check_writable(tmp_path / folder)
    assert not (tmp_path / 'new').exists()
    monkeypatch.setattr(os, 'access', lambda path, mode: False)
    text = f'expected a folder for the results, found no permission to write to {tmp_path}. Hint'
    with pytest.raises(DataError, match=text):
        check_writable(tmp_path / folder, 'Hint')


def test_a_disk_that_refuses_files_is_named(tmp_path, monkeypatch):
    def full(**_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('mmssc.fileio.tempfile.TemporaryFile', full)
    with pytest.raises(DataError, match=f'new: .*found No space left on .* {tmp_path}.. Hint'):
        check_writable(tmp_path / 'new', 'Hint')


def test_a_file_is_no_folder_for_results(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(DataError, match='file/below: expected a folder for the results'):
        check_writable(tmp_path / 'file/below')


@pytest.mark.parametrize(
    ('value', 'text'),
    [
        (['nyu', 'nyucad'], 'nyu, nyucad'),
        ({'height': 1.3, 'poses': None}, 'height 1.3, poses none'),
        ((60, 36, 60), '(60, 36, 60)'),
        ((np.int64(3),), '(3,)'),
        ([np.float64(0.5), 1], '[0.5, 1]'),
        ([], 'none'),
    ],
)
def test_values_are_in_words(value, text):
    error = DataError('a.npz', 'sources', value, value)
    assert str(error) == f'a.npz: sources: expected {text}, found {text}'
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='needs /dev/full')
def test_a_full_disk_is_named_when_an_array_is_written():
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        write_npy('/dev/full', np.zeros(10**5, np.float32))
