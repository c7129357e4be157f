"""A new training, or a test, never replaces what is in its work folder unless it is told to."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from mmengine.config import Config
from tool_runs import HERE, TOY_CONFIG, run_tool_in

from mmssc.engine.earlier_training import check_earlier_training
from mmssc.errors import DataError

ONE_EPOCH = ['--work-dir', 'run', '--cfg-options', 'train_cfg.max_epochs=1']


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob('*')
        if path.is_file()
    }


@pytest.fixture(scope='module')
def trained(tmp_path_factory) -> Path:
    """A folder whose ``run`` is the work folder of one epoch."""
    folder = tmp_path_factory.mktemp('trained')
    run_tool_in(folder, 'train.py', TOY_CONFIG, *ONE_EPOCH)
    return folder


@pytest.mark.parametrize(
    ('tool', 'options'),
    [
        (('train.py', TOY_CONFIG), []),
        pytest.param(
            ('dist_train.sh', TOY_CONFIG, 2),
            ['load_from=run/epoch_1.pth'],
            marks=pytest.mark.slow,
        ),
    ],
    ids=['one process', 'two processes'],
)
def test_a_training_is_not_replaced(trained, tool, options):
    before = contents(trained)
    done = run_tool_in(trained, *tool, *ONE_EPOCH, *options, status=2)
    assert done.stderr.splitlines()[-1] == (
        'error: run: expected a work folder without checkpoints of another training, found '
        'epoch_1.pth. Continue that training with --resume, give another folder with --work-dir, '
        'or replace its checkpoints with --overwrite'
    )
    assert done.stderr.count('error: ') == 1 and contents(trained) == before


def test_a_training_is_replaced_on_request(trained):
    run = trained / 'run'
    made = [run / 'epoch_7.pth', run / 'best_a_iter_3.pth']
    own = [run / 'thesis.pth', run / 'epoch_1-0a1b2c3d.pth', run / 'notes.txt']
    for path in made + own:
        path.write_text('old')
    before = contents(run)
    printed = run_tool_in(trained, 'train.py', TOY_CONFIG, '--overwrite', *ONE_EPOCH,
                          'randomness.seed=7').stdout  # fmt: skip
    assert 'Removed 6 files of an earlier training' in printed
    assert not any(path.exists() for path in made)
    after = contents(run)
    assert all(after[path.name] == before[path.name] for path in own)
    assert after['epoch_1.pth'] != before['epoch_1.pth']
    assert (run / 'last_validation').read_text() == '1\n'


def config(work_dir: Path, **settings: object) -> Config:
    return Config(dict(work_dir=str(work_dir), load_from=None, resume=False, **settings))


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_a_folder_without_checkpoints_is_free(tmp_path):
    assert check_earlier_training(config(tmp_path / 'none'), False) == []
    touch(tmp_path / '20260101_000000/a.log', tmp_path / 'mine.pth', tmp_path / 'toy_config.py')
    assert check_earlier_training(config(tmp_path), False) == []


@pytest.mark.parametrize('name', ['epoch_1.pth', 'iter_20.pth', 'best_ssc_SSC_mIoU_epoch_3.pth'])
def test_every_name_of_a_checkpoint_counts(tmp_path, name):
    touch(tmp_path / name)
    with pytest.raises(DataError, match=f'found {name}. .*--work-dir, .*--overwrite') as refused:
        check_earlier_training(config(tmp_path), False)
    # --resume does not continue from a best checkpoint.
    assert ('--resume' in str(refused.value)) == (not name.startswith('best'))
    assert check_earlier_training(config(tmp_path), True) == [str(tmp_path / name)]


@pytest.mark.parametrize('name', ['last_checkpoint', 'last_validation'])
def test_notes_that_are_no_files_are_refused(tmp_path, name):
    """mmengine would write through a link, and wait for ever for a reader of a pipe."""
    note = tmp_path / name
    for make in (note.mkdir, lambda: os.mkfifo(note), lambda: note.symlink_to('precious.txt')):
        make()
        with pytest.raises(DataError, match=f'{name}: .*found something else. Remove it, or'):
            check_earlier_training(config(tmp_path), True)
        note.rmdir() if note.is_dir() else note.unlink()


def test_a_folder_for_checkpoints_that_cannot_be_written_to_is_refused(
    tmp_path, tool_in_process, monkeypatch
):
    monkeypatch.syspath_prepend(HERE)
    (tmp_path / 'file').write_text('')
    option = f'default_hooks.checkpoint.out_dir={tmp_path}/file'
    train = tool_in_process('train.py')
    status, text = train(TOY_CONFIG, '--work-dir', tmp_path / 'run', '--cfg-options', option)
    assert status == 2 and 'found a file. Give another one: --cfg-options' in text


def test_the_folder_of_the_checkpoint_hook_counts(tmp_path):
    hooks = dict(checkpoint=dict(out_dir=str(tmp_path / 'disk')))
    touch(tmp_path / 'disk/run/epoch_2.pth')
    with pytest.raises(DataError, match='disk/run: .*found epoch_2.pth'):
        check_earlier_training(config(tmp_path / 'run', default_hooks=hooks), False)
    # The name is the config's: last_checkpoint tells it.
    touch(tmp_path / 'run/small_2.pth')
    (tmp_path / 'run/last_checkpoint').write_text('run/small_2.pth')
    with pytest.raises(DataError, match='found small_2.pth'):
        check_earlier_training(config(tmp_path / 'run'), False)


def test_a_resumed_training_may_write_to_its_own_folder_only(tmp_path):
    touch(tmp_path / 'run/epoch_1.pth', tmp_path / 'other/epoch_5.pth')
    cfg = config(tmp_path / 'run')
    cfg.resume, cfg.load_from = True, str(tmp_path / 'other/../run/epoch_1.pth')
    assert check_earlier_training(cfg, False) == []
    cfg.load_from = str(tmp_path / 'other/epoch_5.pth')
    with pytest.raises(DataError, match='found epoch_1.pth'):
        check_earlier_training(cfg, False)
    cfg.load_from = 'https://example.org/epoch_5.pth'
    with pytest.raises(DataError, match='found epoch_1.pth'):
        check_earlier_training(cfg, False)


def test_a_training_that_goes_back_says_what_it_replaces(tmp_path, recwarn):
    names = ['epoch_1.pth', 'epoch_2.pth', 'epoch_10.pth', 'iter_99.pth', 'best_ssc_epoch_10.pth']
    touch(*(tmp_path / name for name in names))
    cfg = config(tmp_path)
    cfg.resume, cfg.load_from = True, str(tmp_path / 'epoch_10.pth')
    assert check_earlier_training(cfg, False) == [] and not recwarn
    cfg.load_from = str(tmp_path / 'epoch_2.pth')
    assert check_earlier_training(cfg, False) == []
    (warning,) = recwarn
    assert f'--resume: epoch_10.pth in {tmp_path} came after epoch_2.pth' in str(warning.message)


def test_a_training_does_not_remove_the_weights_that_it_starts_from(tmp_path):
    touch(tmp_path / 'epoch_1.pth')
    cfg = config(tmp_path)
    cfg.load_from = str(tmp_path / 'epoch_1.pth')
    with pytest.raises(DataError, match='epoch_1.pth, from which .*another folder with --work-dir'):
        check_earlier_training(cfg, True)
    (tmp_path / 'epoch_2.pth').symlink_to('epoch_2.pth')
    with pytest.raises(DataError, match='epoch_1.pth, from which'):
        check_earlier_training(cfg, True)


def test_the_config_of_the_user_stays(tmp_path, tool_in_process, monkeypatch):
    """mmengine copies the config to the work folder, over any file of that name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(HERE)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '-1')
    config = tmp_path / 'own.py'
    derived = tmp_path / 'next/own.py'
    config.write_text(f"_base_ = '{TOY_CONFIG}'  # mine\n")
    derived.parent.mkdir()
    derived.write_text("_base_ = '../own.py'\n")
    before = contents(tmp_path)
    test = tool_in_process('test.py')
    for path in (config, derived):
        status, printed = test(path, 'untrained', '--work-dir', tmp_path)
        assert status == 0
    after = contents(tmp_path)
    assert after['own.py'] == before['own.py'] and after['next/own.py'] == before['next/own.py']
    # A copy of an earlier run is replaced, unless it is what the run reads.
    assert test(config, 'untrained', '--work-dir', 'run')[0] == 0
    first = contents(tmp_path / 'run')['own.py']
    assert (
        test(config, 'untrained', '--work-dir', 'run', '--cfg-options', 'randomness.seed=3')[0] == 0
    )
    second = contents(tmp_path / 'run')['own.py']
    assert test('run/own.py', 'untrained', '--work-dir', 'run')[0] == 0
    assert first != second == contents(tmp_path / 'run')['own.py']
