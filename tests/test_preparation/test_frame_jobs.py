from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from mmssc.errors import DataError, MMSSCError
from mmssc.preparation.command_line import run_converter
from mmssc.preparation.folder_settings import (
    RECIPE_NAME,
    claim_folder,
    read_recipe,
    replace_if_changed,
)
from mmssc.preparation.frame_jobs import FrameRunner, StepReport, _interrupts_later


@dataclass(frozen=True)
class ToyTask:
    output: Path
    frame_id: str
    behaviour: str = 'write'
    sequence: str = '08'

    def is_finished(self) -> bool:
        if self.behaviour == 'unreadable':
            raise DataError(self.frame_id, 'image', 'an image', 'none')
        return self.output.exists()

    def make(self) -> None:
        if self.behaviour == 'bad':
            raise DataError(self.frame_id, 'size', 2, 1)
        if self.behaviour == 'full':
            raise OSError(28, 'No space left on device', str(self.output))
        if self.behaviour == 'die':
            os._exit(3)
        self.output.write_text(self.frame_id)


def toy_tasks(folder: Path, behaviours: dict[int, str], count: int = 5) -> list[ToyTask]:
    return [ToyTask(folder / str(n), f'{n:06d}', behaviours.get(n, 'write')) for n in range(count)]


def test_bad_frames_are_reported_and_the_others_made(tmp_path: Path) -> None:
    (tmp_path / '0').write_text('here')
    report = FrameRunner().run('toy', toy_tasks(tmp_path, {2: 'bad', 3: 'unreadable'}))
    assert (report.made, report.kept) == (2, 1)
    assert set(report.failures) == {('08', '000002'), ('08', '000003')}
    assert report.failures['08', '000002'] == '000002: size: expected 2, found 1'
    assert (tmp_path / '0').read_text() == 'here'


def test_every_failure_is_printed_once_and_many_are_counted(tmp_path: Path, capsys) -> None:
    for count, more in ((5, 0), (25, 5)):
        behaviours = dict.fromkeys(range(count), 'bad') | {1: 'unreadable'}

        def work(behaviours: dict = behaviours, count: int = count) -> list[StepReport]:
            return [FrameRunner().run('toy', toy_tasks(tmp_path, behaviours, count))]

        assert run_converter(work, tmp_path) == 1
        lines = [one for one in capsys.readouterr().err.splitlines() if 'error: ' in one]
        assert len({*lines}) == len(lines) == count - more + bool(more)
        assert 'error: toy: 08/000001: 000001: image: expected an image' in lines[0]
        assert not more or lines[-1] == 'error: toy: 5 more frames failed'


def test_a_full_disk_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(OSError, match='No space left'):
        FrameRunner().run('toy', toy_tasks(tmp_path, {1: 'full'}))
    assert not (tmp_path / '2').exists()


@pytest.mark.slow
def test_a_pool_reports_and_survives_like_one_process(tmp_path: Path) -> None:
    other = tmp_path / 'other'
    other.mkdir()
    with FrameRunner(2) as runner:
        report = runner.run('toy', toy_tasks(tmp_path, {2: 'bad'}, 30))
        assert (report.made, list(report.failures)) == (29, [('08', '000002')])
        with pytest.raises(OSError, match='No space left'):
            runner.run('toy', toy_tasks(other, {0: 'full'}))
        with pytest.raises(MMSSCError, match='08/000002'):
            runner.run(
                'toy', toy_tasks(tmp_path, {2: 'die'}, 3) + toy_tasks(tmp_path, {2: 'die'}, 3)
            )


@pytest.mark.skipif(not hasattr(signal, 'pthread_sigmask'), reason='POSIX signals')
def test_an_interrupt_while_workers_start_is_not_lost() -> None:
    # A shell ignores the signal in what it runs in the background.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    survived = False
    try:
        with pytest.raises(KeyboardInterrupt), _interrupts_later():
            os.kill(os.getpid(), signal.SIGINT)
            survived = True
        assert survived
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, set())
    with _interrupts_later():
        pass


def test_a_folder_belongs_to_its_recipe(tmp_path: Path) -> None:
    folder = tmp_path / 'depth'
    assert claim_folder(folder, {'source': 'stereo', 'n': 128}, ('.npy',))
    # No result yet: another setting may still take over.
    assert claim_folder(folder, {'source': 'stereo', 'n': 64}, ('.npy',))
    assert read_recipe(folder) == {'source': 'stereo', 'n': 64}
    (folder / '000000.npy').write_text('')
    assert claim_folder(folder, {'source': 'stereo', 'n': 64}, ('.npy',))
    with pytest.raises(DataError, match='expected n 128, found n 64'):
        claim_folder(folder, {'source': 'stereo', 'n': 128}, ('.npy',))
    assert claim_folder(folder, {'source': 'stereo', 'n': 128}, ('.npy',), overwrite=True)
    assert [path.name for path in folder.iterdir()] == [RECIPE_NAME]


def test_a_recipe_of_somebody_else_stays_and_so_do_the_files_beside_it(tmp_path):
    recipe, mine = tmp_path / 'recipe.json', tmp_path / 'mine.npy'
    recipe.write_text('{"flour": 500}')
    mine.touch()
    for overwrite in (False, True):
        with pytest.raises(DataError, match='recipe.json: expected settings of this command'):
            claim_folder(tmp_path, {'source': 'stereo'}, ('.npy',), overwrite)
    assert mine.exists() and recipe.read_text() == '{"flour": 500}'


def test_a_folder_of_the_user_is_not_claimed(tmp_path: Path) -> None:
    (tmp_path / '000000.npy').write_text('mine')
    assert not claim_folder(tmp_path, {'source': 'stereo'}, ('.npy',), overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ['000000.npy']


@pytest.mark.parametrize('content', ['{', '[1]', ''])
def test_a_damaged_recipe_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / RECIPE_NAME).write_text(content)
    with pytest.raises(DataError, match=RECIPE_NAME):
        read_recipe(tmp_path)


def test_an_info_list_of_the_user_is_not_replaced(tmp_path: Path) -> None:
    path, other = tmp_path / 'own_infos.json', tmp_path / 'other.json'
    written = '{"metainfo": {}}'
    for made in (
        lambda: path.write_text('mine'),
        lambda: path.write_text('{"frames": []}'),
        path.mkdir,
        lambda: os.mkfifo(path),
        lambda: path.symlink_to('/dev/null'),
        lambda: path.symlink_to(path.name),
    ):
        made()
        before = path.lstat()
        with pytest.raises(DataError, match='own_infos.json: .* Move it'):
            replace_if_changed(path, lambda draft: draft.write_text(written))
        assert path.lstat() == before
        assert list(tmp_path.iterdir()) == [path]
        path.rmdir() if path.is_dir() else path.unlink()
    path.symlink_to(other)
    for changed in (True, False):
        assert replace_if_changed(path, lambda draft: draft.write_text(written)) is changed
    assert path.is_symlink() and other.read_text() == written
