import argparse
import errno
import logging
import os
import weakref
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner, set_random_seed

from mmssc.engine.launch import (
    build_runner,
    choose_checkpoint,
    close_process_group,
    disk_errors_named,
    enable_amp,
    find_resume_checkpoint,
    load_config,
    run_main,
)
from mmssc.errors import DataError
from mmssc.shared_options import add_common_arguments


def arguments(*words):
    parser = argparse.ArgumentParser()
    parser.add_argument('config')
    add_common_arguments(parser)
    return parser.parse_args(list(map(str, words)))


def test_options_override_the_config(tmp_path, monkeypatch):
    monkeypatch.delenv('LOCAL_RANK', raising=False)
    path = tmp_path / 'small.py'
    path.write_text('a = dict(b=1)\nwork_dir = None\n')
    cfg = load_config(arguments(path, '--cfg-options', 'a.b=2', 'default_hooks.ema.type=EMAHook'))
    assert cfg.a.b == 2 and cfg.default_hooks.ema.type == 'EMAHook'
    assert cfg.work_dir == 'work_dirs/small' and cfg.launcher == 'none'
    assert load_config(arguments(path, '--work-dir', 'there')).work_dir == 'there'


def test_missing_config_is_named():
    with pytest.raises(DataError, match='nowhere.py'):
        load_config(arguments('nowhere.py'))


@pytest.mark.skipif(torch.cuda.is_available(), reason='the type depends on the GPU')
def test_amp_on_the_cpu_keeps_the_other_settings():
    cfg = Config(dict(optim_wrapper=dict(type='OptimWrapper', clip_grad=dict(max_norm=35))))
    enable_amp(cfg)
    enable_amp(cfg)
    assert cfg.optim_wrapper == dict(type='AutocastOptimWrapper', clip_grad=dict(max_norm=35))


def test_amp_does_not_replace_a_special_wrapper():
    cfg = Config(dict(optim_wrapper=dict(type='AdversarialOptimWrapper')))
    with pytest.raises(DataError, match='found AdversarialOptimWrapper'):
        enable_amp(cfg)


def test_newest_checkpoint_is_found(tmp_path):
    assert find_resume_checkpoint(tmp_path / 'nothing') is None
    for name in ('epoch_9.pth', 'epoch_10.pth', 'best_epoch_99.pth'):
        (tmp_path / name).touch()
    assert find_resume_checkpoint(tmp_path) == str(tmp_path / 'epoch_10.pth')
    # The run says which one is the last, by a path that need not exist from here.
    (tmp_path / 'last_checkpoint').write_text('work_dirs/x/epoch_9.pth')
    assert find_resume_checkpoint(tmp_path) == str(tmp_path / 'epoch_9.pth')
    # A run that was killed while it wrote that file.
    (tmp_path / 'last_checkpoint').write_text('')
    assert find_resume_checkpoint(tmp_path) == str(tmp_path / 'epoch_10.pth')


@pytest.mark.parametrize('content', [bytes(range(256)), b'x' * 5000, b'a\0b', b'\r', b'..', None])
def test_a_damaged_last_checkpoint_counts_as_none(tmp_path, content):
    (tmp_path / 'epoch_9.pth').touch()
    pointer = tmp_path / 'last_checkpoint'
    if content is None:
        pointer.touch()
        os.truncate(pointer, 2**40)
    else:
        pointer.write_bytes(content)
    assert find_resume_checkpoint(tmp_path) == str(tmp_path / 'epoch_9.pth')
    pointer.unlink()
    os.mkfifo(pointer)
    assert find_resume_checkpoint(tmp_path) == str(tmp_path / 'epoch_9.pth')


def test_a_copied_folder_has_its_own_checkpoints(tmp_path):
    original, copy = tmp_path / 'original', tmp_path / 'copy'
    for folder, epochs in ((original, (1, 2, 3)), (copy, (1, 2))):
        folder.mkdir()
        for epoch in epochs:
            (folder / f'epoch_{epoch}.pth').touch()
        (folder / 'last_checkpoint').write_text(str(original / 'epoch_3.pth'))
    assert find_resume_checkpoint(copy) == str(copy / 'epoch_2.pth')
    assert find_resume_checkpoint(original) == str(original / 'epoch_3.pth')
    # CheckpointHook(out_dir=...) writes to a folder with the name of the work folder.
    (tmp_path / 'out').mkdir()
    copy.rename(tmp_path / 'out/original')
    found = find_resume_checkpoint(original, tmp_path / 'out')
    assert found == str(tmp_path / 'out/original/epoch_2.pth')


def test_a_config_that_says_resume_is_as_the_option(tmp_path, capsys):
    cfg = Config(dict(work_dir=str(tmp_path), resume=True, load_from=None))
    choose_checkpoint(cfg, None)
    assert not cfg.resume and cfg.load_from is None
    assert 'no checkpoint in' in capsys.readouterr().out
    torch.save(dict(state_dict={}), tmp_path / 'epoch_1.pth')
    cfg.resume = True
    choose_checkpoint(cfg, None)
    assert cfg.resume and cfg.load_from == str(tmp_path / 'epoch_1.pth')
    cfg.load_from = str(tmp_path / 'none.pth')
    with pytest.raises(DataError, match='none.pth: expected a checkpoint, found no such file'):
        choose_checkpoint(cfg, None)


def test_deterministic_runs_warn_where_torch_has_no_such_kernel(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, 'deterministic', False)
    monkeypatch.setenv('CUBLAS_WORKSPACE_CONFIG', ':16:8')

    # All that mmengine's Runner does with the setting.
    def build(cfg):
        set_random_seed(0, deterministic=True)
        return SimpleNamespace(
            register_hook=lambda hook: None, logger=logging.getLogger('toy'), log_dir='logs',
            work_dir='work', seed=0,
        )  # fmt: skip

    monkeypatch.setattr(Runner, 'from_cfg', build)
    try:
        build_runner(Config(dict(launcher='none', randomness=dict(deterministic=True))))
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


def test_the_old_way_to_run_a_tool_still_works(capsys):
    def main():
        raise DataError('a.bin')

    with (
        pytest.warns(FutureWarning, match='mmssc.command_line'),
        pytest.raises(SystemExit, match='2'),
    ):
        run_main(main)
    assert capsys.readouterr().err == 'error: a.bin\n'


def test_nothing_holds_the_process_group_after_closing_it(tmp_path):
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1
    )
    wrapped = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 2))
    # Like a runner, whose loops and hooks point back to it.
    wrapped.owner = wrapped
    wrapped(torch.ones(1, 2)).sum().backward()
    alive = weakref.ref(wrapped)
    del wrapped
    close_process_group()
    assert alive() is None and not torch.distributed.is_initialized()
    close_process_group()  # a run of one process has no group


def test_a_checkpoint_in_resume_and_a_number_as_file(tmp_path, monkeypatch):
    cfg = Config(dict(work_dir=str(tmp_path), resume='epoch_3.pth', load_from=None))
    with pytest.raises(DataError, match="resume: .* found 'epoch_3.pth'. Give .*--resume CHECK"):
        choose_checkpoint(cfg, None)
    monkeypatch.chdir(tmp_path)
    torch.save(dict(state_dict={}), tmp_path / '3')
    cfg = Config(dict(work_dir=str(tmp_path), resume=False, load_from=3))
    choose_checkpoint(cfg, None)
    assert cfg.load_from == '3'


def test_an_error_of_a_full_disk_names_the_folder_if_no_file():
    for error, name in (
        (OSError(errno.ENOSPC, 'No space left on device'), 'work'),
        (OSError(errno.ENOSPC, 'No space left on device', 'a.log'), 'a.log'),
        (OSError(errno.EINVAL, 'Invalid argument'), None),
    ):
        with pytest.raises(OSError) as caught, disk_errors_named('work'):
            raise error
        assert caught.value.filename == name


def test_a_file_that_cannot_be_resumed_names_a_whole_one(tmp_path):
    torch.save(dict(state_dict={}, meta=dict(epoch=1)), tmp_path / 'epoch_1.pth')
    pipe, link = tmp_path / 'epoch_2.pth', tmp_path / 'epoch_3.pth'
    os.mkfifo(pipe)
    link.symlink_to(link)
    for resume, found in (
        (str(pipe), 'a named pipe'),
        (str(link), 'a link that leads back to itself'),
        ('auto', 'a link that leads back to itself'),
    ):
        cfg = Config(dict(work_dir=str(tmp_path), resume=False))
        whole = tmp_path / 'epoch_1.pth'
        with pytest.raises(DataError, match=f'found {found}. This one is whole: --resume {whole}'):
            choose_checkpoint(cfg, resume)
