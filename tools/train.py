"""Train a model: ``python tools/train.py CONFIG``."""

from __future__ import annotations

import argparse

from mmssc.engine.launch import (
    add_common_arguments,
    build_runner,
    close_process_group,
    enable_amp,
    find_resume_checkpoint,
    load_config,
    require_checkpoint,
    run_main,
    say,
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Train a model.')
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from this checkpoint or, without a value, from the newest one in the work '
        'folder (from the start when there is none)',
    )
    parser.add_argument(
        '--amp',
        action='store_true',
        help='mixed precision: bfloat16 on the CPU and on GPUs that have it, else float16',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate from auto_scale_lr.base_batch_size to the real batch size',
    )
    add_common_arguments(parser)
    return parser.parse_args()


def main() -> None:
    """Train as the command line says."""
    args = parse_args()
    cfg = load_config(args)
    if args.amp:
        enable_amp(cfg)
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise SystemExit(
                f'--auto-scale-lr needs auto_scale_lr.base_batch_size in {args.config}'
            )
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
    build_runner(cfg).train()
    close_process_group()


if __name__ == '__main__':
    run_main(main)
