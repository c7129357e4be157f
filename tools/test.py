"""Test a model: ``python tools/test.py CONFIG CHECKPOINT``."""

from __future__ import annotations

from mmssc.command_line import add_overwrite_option, command, parse_early, prepare_process

prepare_process()

import argparse
import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path

from mmssc.config_options import CONFIG_HELP
from mmssc.errors import DataError
from mmssc.fileio import (
    atomic_write,
    check_output_folder,
    check_outputs,
    check_writable,
    note_outputs,
    output_folder,
)
from mmssc.model_index import UNTRAINED
from mmssc.shared_options import AMP_HELP, add_common_arguments


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Test a model, draw or export its predictions.')
    parser.add_argument('config', help=CONFIG_HELP)
    text = (
        "checkpoint file or URL, name of a model, or 'untrained': the initial weights of the "
        'config (default: the weights of a config that is given by name)'
    )
    parser.add_argument('checkpoint', nargs='?', help=text)
    parser.add_argument('--out', metavar='FILE.json', help='also write the figures to this file')
    parser.add_argument('--show-dir', help='write a picture of every prediction to this folder')
    text = 'also write every prediction to this folder, for tools/analysis_tools (.npy, train ids)'
    parser.add_argument('--save-predictions', metavar='DIR', help=text)
    parser.add_argument(
        '--format-only',
        action='store_true',
        help='write predictions for the test server (to --output-dir) without scoring',
    )
    text = (
        'fold batch normalisation into the convolutions: faster; through rounding, the scores can '
        'differ from those of the validation in the last digits'
    )
    parser.add_argument('--fuse', action='store_true', help=text)
    parser.add_argument('--amp', action='store_true', help=AMP_HELP)
    parser.add_argument('--output-dir', help='folder for the predictions of --format-only')
    add_overwrite_option(parser)
    add_common_arguments(parser)
    args = parser.parse_intermixed_args()  # CONFIG --out FILE CHECKPOINT works, too.
    if args.format_only != bool(args.output_dir):
        parser.error('--format-only and --output-dir go together')
    return args


if __name__ == '__main__':
    parse_early(parse_args)

from mmengine.config import Config

from mmssc.apis.model_loading import inputs_of
from mmssc.compat import known_warnings_hidden, loader_worker_errors
from mmssc.config_file import config_errors, data_roots_of
from mmssc.engine.build_checks import check_buildable
from mmssc.engine.hooks.checkpoint_match_hook import unwrap_model
from mmssc.engine.hooks.prediction_files_hook import PREDICTION_FILES
from mmssc.engine.hooks.ssc_visualization_hook import PICTURES
from mmssc.engine.launch import (
    build_runner,
    close_process_group,
    disk_errors_named,
    is_first_process,
    load_config,
    require_checkpoint,
    say,
)
from mmssc.evaluation.result_comparison import is_figures_file

# The makers of the files of --format-only and of --out.
PREDICTIONS = 'test.py --format-only'
FIGURES = 'test.py --out'


def check_apart(args: argparse.Namespace) -> None:
    """Refuse an output in the folder of another one: --overwrite takes that folder as a whole.

    Raises:
        DataError: Two options name the same place, or one inside of the other.
    """
    names = ('show_dir', 'save_predictions', 'output_dir', 'out')
    given = {f'--{name.replace("_", "-")}': getattr(args, name) for name in names}
    real = {option: Path(os.path.realpath(path)) for option, path in given.items() if path}
    for option, folder in real.items():
        for other, path in real.items():
            if other != option != '--out' and folder in (path, *path.parents):
                expected = f'a place outside of {option} {given[option]}'
                raise DataError(other, None, expected, given[other], 'Choose another folder')


def export_only(cfg: Config, output_dir: str) -> None:
    """Make every metric of the test evaluator write predictions instead of scores."""
    evaluator = cfg.test_evaluator
    for metric in evaluator if isinstance(evaluator, (list, tuple)) else [evaluator]:
        metric.format_only = True
        metric.output_dir = output_dir


def output_folders(args: argparse.Namespace) -> dict[str, str]:
    """Folder to write to -> maker of its files."""
    makers = {
        args.show_dir: PICTURES,
        args.output_dir: PREDICTIONS,
        args.save_predictions: PREDICTION_FILES,
    }
    return {folder: maker for folder, maker in makers.items() if folder}


def check_arguments(args: argparse.Namespace, cfg: Config) -> None:
    """Refuse what does not fit, before anything is written.

    Raises:
        DataError: An option, the config or the checkpoint is wrong.
    """
    check_writable(cfg.work_dir, 'Give another folder with --work-dir')
    if args.checkpoint != UNTRAINED:
        cfg.load_from = require_checkpoint(args.checkpoint, args.config)
    else:
        cfg.load_from = None
    cfg.resume = False
    if args.show_dir and os.path.realpath(args.show_dir) == os.path.realpath(cfg.work_dir):
        hint = f'Give --show-dir {Path(args.show_dir, "pictures")}'
        raise DataError('--show-dir', None, 'a folder of pictures only', 'the work folder', hint)
    check_apart(args)
    if args.out:
        inputs = [*inputs_of(cfg), *filter(None, [cfg.load_from])]
        check_outputs([args.out], inputs, args.overwrite, FIGURES, is_figures_file)
    for folder, maker in output_folders(args).items():
        check_output_folder(folder, args.overwrite, maker, data_roots_of(cfg))
    check_buildable(cfg, ['test'])


def run_test(args: argparse.Namespace, cfg: Config) -> None:
    """Test as the command line says."""
    if args.format_only:
        names = ('sequences', 'submission.zip')
        note_outputs((Path(args.output_dir, name) for name in names), PREDICTIONS)
        export_only(cfg, args.output_dir)
    if args.show_dir:
        hooks = cfg.setdefault('default_hooks', {})
        settings = hooks.get('visualization') or dict(type='SSCVisualizationHook')
        hooks['visualization'] = dict(settings, draw=True, show_dir=args.show_dir)
    runner = build_runner(cfg)
    if args.checkpoint == UNTRAINED:
        unwrap_model(runner).init_weights()
    else:
        runner.register_hook(dict(type='CheckpointMatchHook'))
    if args.fuse:
        runner.register_hook(dict(type='FuseForInferenceHook'))
    if args.amp:
        runner.register_hook(dict(type='HalfPrecisionHook'))
    if args.save_predictions:
        runner.register_hook(dict(type='PredictionFilesHook', folder=args.save_predictions))
    figures = runner.test()
    if args.show_dir:
        say(f'Pictures written to {args.show_dir}')
    if args.out and runner.rank == 0:
        note_outputs([args.out], FIGURES)
        with atomic_write(args.out, 'w') as file:
            json.dump({key: float(value) for key, value in figures.items()}, file, indent=2)
        say(f'Figures written to {args.out}')


@command
def main() -> None:
    """Test, and end the process group cleanly."""
    args = parse_args()
    with config_errors(args.config), loader_worker_errors(), known_warnings_hidden():
        cfg = load_config(args)
        with disk_errors_named(cfg.work_dir), ExitStack() as folders:
            check_arguments(args, cfg)
            # The processes of a run share their folders.
            for folder, maker in output_folders(args).items() if is_first_process(cfg) else ():
                folders.enter_context(
                    output_folder(folder, args.overwrite, maker, data_roots_of(cfg))
                )
            run_test(args, cfg)
    close_process_group()


if __name__ == '__main__':
    sys.exit(main())
