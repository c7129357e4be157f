"""Functions for ``tools/train.py`` and ``tools/test.py``: arguments, configs, devices, resuming."""

from __future__ import annotations

import argparse
import errno
import gc
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import get_world_size, is_main_process
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmssc.command_line import command
from mmssc.compat import init_cpu_process_group, own_configs_stay, short_screen_log
from mmssc.config_file import read_config_file
from mmssc.engine.earlier_training import checkpoint_folder_of, newest_checkpoint
from mmssc.engine.resuming import find_resume_checkpoint, require_whole_checkpoint
from mmssc.errors import DataError
from mmssc.evaluation.score_table import is_in_table
from mmssc.fileio import lock_folder, remove_stale_files
from mmssc.formats.regular_files import open_regular_file
from mmssc.model_index import find_checkpoint
from mmssc.models.half_precision import half_type
from mmssc.version import __version__

__all__ = [
    'build_runner', 'choose_checkpoint', 'close_process_group', 'disk_errors_named', 'enable_amp',
    'find_resume_checkpoint', 'is_first_process', 'load_config', 'lock_work_folder',
    'require_checkpoint', 'run_main', 'say',
]  # fmt: skip


def load_config(args: argparse.Namespace) -> Config:
    """Read ``args.config`` and apply the common arguments to it.

    Relative paths, also those in the config, are relative to the current folder.

    Raises:
        DataError: The config cannot be read.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = read_config_file(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    if args.work_dir:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir'):
        cfg.work_dir = str(cfg.work_dir)  # 3 is a folder name, too.
    else:
        cfg.work_dir = str(Path('work_dirs', Path(cfg.filename).stem))
    return cfg


def require_checkpoint(checkpoint: str | None, config: str | None = None) -> str:
    """Return the path or the URL of a checkpoint.

    Args:
        checkpoint: URL, file, or name of a model.
        config: The config as the user gave it. If it is a name, its weights can stand for a
            checkpoint that is None.

    Raises:
        DataError: There is no such file, or it is a folder, a pipe or a device.
    """
    found = find_checkpoint(checkpoint, config)
    if found is None:
        hint = 'Only a config that is given by name has weights of its own (mmssc info --list)'
        raise DataError('command line', 'checkpoint', 'a checkpoint file', 'none', hint)
    # URLs and names in mmengine's model zoos have a scheme.
    if '://' not in str(found):
        with open_regular_file(found, 'a checkpoint'):
            pass
    return str(found)


def enable_amp(cfg: Config) -> None:
    """Switch the config's optimiser wrapper to mixed precision.

    Uses bfloat16 on the CPU and on GPUs that support it, else float16 with loss scaling. If a
    constructor builds several wrappers, it switches all of them.

    Raises:
        DataError: The config has a custom optimiser wrapper.
    """
    wrapper = cfg.optim_wrapper
    nested = [value for value in wrapper.values() if isinstance(value, dict)]
    several = [value for value in nested if 'optimizer' in value]
    for one in several or [wrapper]:
        _enable_amp_of(one)


def _enable_amp_of(wrapper: Any) -> None:
    kind = wrapper.get('type', 'OptimWrapper')
    if kind in ('AmpOptimWrapper', 'AutocastOptimWrapper'):
        return
    if kind != 'OptimWrapper':
        raise DataError('config', 'optim_wrapper.type', 'OptimWrapper, which --amp replaces', kind)
    device_type = 'cuda' if torch.cuda.is_available() else 'cpu'
    if half_type(device_type) is torch.bfloat16:
        wrapper.type = 'AutocastOptimWrapper'
    else:
        wrapper.type = 'AmpOptimWrapper'
        wrapper.setdefault('loss_scale', 'dynamic')


@contextmanager
def disk_errors_named(folder: str) -> Iterator[None]:
    """Name ``folder`` in the error of a full disk that names no file, as those of mmengine.

    Args:
        folder: Where the body writes.

    Raises:
        OSError: As the body; the error names a file or ``folder``.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(folder)) from error


def build_runner(cfg: Config, resume_settings: str = 'checkpoint') -> Runner:
    """Build the runner, and set up several processes on machines without a GPU.

    Args:
        cfg: The config.
        resume_settings: ``settings`` of :class:`mmssc.engine.hooks.ResumeCheckHook`.
    """
    if cfg.launcher != 'none':
        # mmengine sets the same, with a warning in every process.
        for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS'):
            os.environ.setdefault(name, '1')
    if cfg.launcher != 'none' and not torch.cuda.is_available():
        init_cpu_process_group(cfg.launcher)
        cfg.setdefault('model_wrapper_cfg', dict(type='MMDistributedDataParallel'))
        cfg.model_wrapper_cfg.device_ids = None
        # Without this setting a wrapper built from a config would broadcast BatchNorm statistics in
        # every iteration, unlike mmengine's default.
        cfg.model_wrapper_cfg.setdefault('broadcast_buffers', False)
        unused = cfg.get('find_unused_parameters', False)
        cfg.model_wrapper_cfg.setdefault('find_unused_parameters', unused)
    deterministic = cfg.get('randomness', {}).get('deterministic', False)
    if deterministic:
        # cuBLAS reads the variable at its first use.
        os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
    with short_screen_log(is_in_table), own_configs_stay():
        runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    runner.logger.info(_description(runner))
    for hook in (
        dict(type='ClassCountHook'),
        dict(type='ScoreNameCheckHook'),
        dict(type='ResumeCheckHook', settings=resume_settings),
        dict(type='FiniteCheckHook', stop=cfg.get('stop_at_nan', True)),
        dict(type='ScheduleLengthHook'),
        dict(type='CustomKeysHook'),
        dict(type='ValidationCheckHook'),
        dict(type='BroadcastBuffersHook'),
        dict(type='ValidationRecordHook'),
        dict(type='SharedMemoryCheckHook'),
        dict(type='LoaderWorkersHook'),
    ):
        runner.register_hook(hook)
    if deterministic:
        # mmengine raises an error for every operation without a deterministic kernel, such as
        # trilinear up-sampling on CUDA. Warn instead, and continue training.
        torch.use_deterministic_algorithms(True, warn_only=True)
    return runner


def _description(runner: Runner) -> str:
    """What runs where: the beginning of the log on the screen."""
    versions = f'mmssc {__version__}, torch {torch.__version__}'
    if torch.cuda.is_available():
        device = torch.cuda.get_device_name()
    else:
        device = f'{get_device()} (threads: {torch.get_num_threads()})'
    processes = f'{get_world_size()} processes on ' if get_world_size() > 1 else ''
    handlers = runner.logger.handlers
    files = [one.baseFilename for one in handlers if isinstance(one, logging.FileHandler)]
    return '\n'.join(
        (
            f'{versions}; {processes}{device}; seed {runner.seed}',
            f'Work folder: {runner.work_dir}',
            f'Log with environment, hooks and config: {files[0] if files else runner.log_dir}',
        )
    )


def run_main(main: Callable[[], int | None]) -> None:
    """The old name of :func:`mmssc.command_line.command`; it also ends the process."""
    warnings.warn(
        'run_main will be removed in the next release; decorate main with '
        'mmssc.command_line.command and call sys.exit(main())',
        FutureWarning,
        stacklevel=2,
    )
    raise SystemExit(command(main)())


def close_process_group() -> None:
    """End the process group of a successful distributed run, in all processes together.

    Call it when no reference to the runner is left. A group that still exists when the interpreter
    shuts down can abort the process after all results are written, and the launcher then reports a
    failure. Does nothing in a run with one process.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
        # A runner has reference cycles, and its wrapped model refers to the group.
        gc.collect()
        torch.distributed.destroy_process_group()


def choose_checkpoint(cfg: Config, resume: str | None) -> None:
    """Set ``cfg.resume`` and ``cfg.load_from`` for a training, and check the file.

    Args:
        cfg: The config; may itself say ``resume=True``.
        resume: Value of ``--resume``: a checkpoint, ``'auto'`` (the newest one in the work folder),
            or None without the option.

    Raises:
        DataError: There is no such file, or a checkpoint to resume from is damaged or no regular
            file.
    """
    if not isinstance(cfg.get('resume'), (bool, type(None))):
        hint = 'Give a checkpoint with --resume CHECKPOINT'
        raise DataError('config', 'resume', 'True or False', repr(cfg.resume), hint)
    if cfg.get('load_from') is not None:
        cfg.load_from = str(cfg.load_from)  # 3 is a file name, too.
    if resume is None and cfg.get('resume'):
        resume = cfg.get('load_from') or 'auto'
    checkpoint = resume
    if resume == 'auto':
        checkpoint = newest_checkpoint(cfg)
        if checkpoint is None:
            say(f'--resume: no checkpoint in {cfg.work_dir} yet, starting from the beginning')
    cfg.resume = checkpoint is not None
    cfg.load_from = checkpoint or cfg.get('load_from')
    # require_whole_checkpoint() refuses pipes and links to themselves, too, and names a whole file.
    if cfg.load_from and not (cfg.resume and os.path.lexists(cfg.load_from)):
        cfg.load_from = require_checkpoint(cfg.load_from)
    if cfg.resume:
        require_whole_checkpoint(cfg.load_from)


def is_first_process(cfg: Config) -> bool:
    """Whether this is the first of several processes, before they know each other."""
    variable = dict(pytorch='RANK', slurm='SLURM_PROCID', mpi='OMPI_COMM_WORLD_RANK')
    return not int(os.environ.get(variable.get(cfg.launcher, ''), 0))


@contextmanager
def lock_work_folder(cfg: Config) -> Iterator[None]:
    """Be the only training in a work folder, and remove temporary files of killed ones.

    Only the first of several processes holds the lock.

    Raises:
        DataError: Another training runs there, or the name of a folder is not UTF-8.
    """
    if not is_first_process(cfg):
        yield
        return
    folders = Path(cfg.work_dir), checkpoint_folder_of(cfg)
    for folder in folders:
        try:
            os.path.abspath(folder).encode()
        except UnicodeEncodeError:
            expected = 'UTF-8, as in the text file last_checkpoint'
            hint = 'Give another folder with --work-dir'
            raise DataError(folder, 'name', expected, 'other bytes', hint) from None
    with lock_folder(cfg.work_dir):
        for folder in folders:
            remove_stale_files(folder)
        yield


def say(message: str) -> None:
    """Print in the main process only."""
    if is_main_process():
        print(message, flush=True)
