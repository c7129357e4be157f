"""Train a model: ``python tools/train.py CONFIG``."""

from __future__ import annotations

from mmssc.command_line import command

import argparse
import sys

from mmssc.config_file import config_errors
from mmssc.engine.launch import (
    add_common_arguments,
    build_runner,
    close_process_group,
    enable_amp,
    find_resume_checkpoint,
    load_config,
    require_checkpoint,
    say,
)
from mmssc.errors import DataError


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Train a model.')
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='continue from this checkpoint or, without a value, from the newest one in the work '
        'folder (from the start if there is none)',
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
    add_common_arguments(parser)
    return parser.parse_args()


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
    if args.resume:
        checkpoint = args.resume
        if checkpoint == 'auto':
            checkpoint = find_resume_checkpoint(cfg.work_dir)
        else:
            require_checkpoint(checkpoint)
        if checkpoint is None:
            say(f'--resume: no checkpoint in {cfg.work_dir} yet, starting from the beginning')
        cfg.resume = checkpoint is not None
        cfg.load_from = checkpoint or cfg.get('load_from')
    elif cfg.get('load_from'):
        require_checkpoint(cfg.load_from)
    runner = build_runner(cfg)
    if cfg.get('load_from') and not cfg.get('resume'):
        runner.register_hook(dict(type='CheckpointMatchHook', partial=True))
    runner.train()


@command
def main() -> None:
    """Train, and end the process group."""
    args = parse_args()
    with config_errors(args.config):
        train(args)
    close_process_group()


if __name__ == '__main__':
    sys.exit(main())
