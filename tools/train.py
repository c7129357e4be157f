"""Train a model: ``python tools/train.py CONFIG``."""

from __future__ import annotations

from mmssc.command_line import add_overwrite_option, command, parse_early, prepare_process

prepare_process()

import argparse
import sys
from pathlib import Path

from mmssc.config_options import CONFIG_HELP
from mmssc.errors import DataError
from mmssc.fileio import check_writable
from mmssc.shared_options import add_common_arguments


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Train a model.')
    parser.add_argument('config', help=CONFIG_HELP)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='continue from this checkpoint or, without a value, from the newest one in the work '
        'folder (from the start if there is none)',
    )
    parser.add_argument(
        '--resume-settings',
        choices=('checkpoint', 'config'),
        default='checkpoint',
        help='with --resume: take the learning rate, other settings of the optimiser, and the '
        'schedules from the checkpoint (default), or from the config and --cfg-options, as if '
        'the training had used them from the start',
    )
    parser.add_argument(
        '--amp',
        action='store_true',
        help='mixed precision: bfloat16 on the CPU and on GPUs that support it, else float16',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate from auto_scale_lr.base_batch_size to the actual batch size',
    )
    add_overwrite_option(
        parser, 'replace the checkpoints of an earlier training in the work folder'
    )
    add_common_arguments(parser)
    return parser.parse_args()


if __name__ == '__main__':
    parse_early(parse_args)

from mmssc.compat import known_warnings_hidden, loader_worker_errors
from mmssc.config_file import config_errors
from mmssc.engine.build_checks import check_buildable
from mmssc.engine.earlier_training import check_earlier_training, checkpoint_folder_of
from mmssc.engine.launch import (
    build_runner,
    choose_checkpoint,
    close_process_group,
    disk_errors_named,
    enable_amp,
    load_config,
    lock_work_folder,
)
from mmssc.kept_memory import keep_memory_in_training


def train(args: argparse.Namespace) -> None:
    """Train as the command line says.

    Raises:
        DataError: The config, an option or a file is wrong.
    """
    cfg = load_config(args)
    if args.amp:
        enable_amp(cfg)
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            hint = '--auto-scale-lr needs it'
            raise DataError(args.config, 'auto_scale_lr.base_batch_size', 'a number', 'none', hint)
        cfg.auto_scale_lr.enable = True
    check_buildable(cfg, ('train', 'val'))
    check_writable(cfg.work_dir, 'Give another folder with --work-dir')
    if (folder := checkpoint_folder_of(cfg)) != Path(cfg.work_dir):
        hint = 'Give another one: --cfg-options default_hooks.checkpoint.out_dir=FOLDER'
        check_writable(folder, hint)
    with disk_errors_named(cfg.work_dir), lock_work_folder(cfg):
        choose_checkpoint(cfg, args.resume)
        replaced = check_earlier_training(cfg, args.overwrite)
        runner = build_runner(cfg, args.resume_settings)
        if cfg.load_from and not cfg.resume:
            runner.register_hook(dict(type='CheckpointMatchHook', partial=True))
        runner.register_hook(dict(type='ReplaceTrainingHook', files=replaced))
        keep_memory_in_training()
        runner.train()


@command
def main() -> None:
    """Train, and end the process group."""
    args = parse_args()
    with config_errors(args.config), loader_worker_errors(), known_warnings_hidden():
        train(args)
    close_process_group()


if __name__ == '__main__':
    sys.exit(main())
