"""Measure how many samples a second one loader process gives, and which transforms take the time.

``python tools/analysis_tools/loading_speed.py CONFIG [...]`` reads samples of the data set of each
config as one process of its data loader does. Times are CPU seconds of one core.
"""

from __future__ import annotations

from mmssc.command_line import add_overwrite_option, command, parse_early, prepare_process

prepare_process()

import argparse
import json
import sys
import warnings
from typing import Any

from mmssc.config_options import CONFIG_HELP, add_cfg_options
from mmssc.errors import DataError
from mmssc.fileio import atomic_write, check_outputs, note_outputs


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('config', nargs='+', help=CONFIG_HELP)
    add('--split', choices=('train', 'val', 'test'), default='train', help='default: train')
    add('--samples', type=int, default=20, help='samples to read (default: 20)')
    add('--out', metavar='FILE.json', help='also write the figures to this file')
    add_overwrite_option(parser)
    add_cfg_options(parser)
    args = parser.parse_args()
    if args.samples < 1:
        parser.error('--samples must be 1 or more')
    return args


if __name__ == '__main__':
    parse_early(parse_args)

import cv2
import torch
from mmengine.registry import DefaultScope

from mmssc.apis.model_loading import inputs_of, read_config
from mmssc.config_file import config_errors
from mmssc.evaluation.score_table import format_table
from mmssc.performance import describe_machine
from mmssc.performance.loading import measure_loading
from mmssc.registry import DATASETS

MAKER = 'loading_speed.py'


def measure(args: argparse.Namespace, config: str) -> dict[str, Any]:
    """Measure the data set of a config.

    Raises:
        DataError: The config has no such data set, or a file is wrong.
    """
    cfg = read_config(config, args.cfg_options)
    loader = cfg.get(f'{args.split}_dataloader')
    if not loader:
        raise DataError(config, f'{args.split}_dataloader', 'a data loader', 'none')
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'mmssc'):
        dataset = DATASETS.build(loader.dataset)
        return dict(config=config, **measure_loading(dataset, args.samples, config))


def print_result(result: dict[str, Any]) -> None:
    """Print the speed of a data set and the times of its transforms."""
    cpu = result['cpu_seconds']
    print(f'\n{result["config"]}: {1 / cpu:.1f} samples a second of one core')
    rows: list[list[str] | None] = [
        [name, f'{value:.4f}', f'{value / cpu:.0%}'] for name, value in result['transforms'].items()
    ]
    rows += [None, ['a sample', f'{cpu:.4f}', '100%']]
    print(format_table(['transform', 'CPU s', 'share'], rows))


@command
def main() -> None:
    """Measure the data sets that the command line names."""
    warnings.simplefilter('ignore')
    args = parse_args()
    # As in a worker of a data loader.
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    outputs = [args.out] if args.out else []
    for config in args.config:
        with config_errors(config):
            cfg = read_config(config, args.cfg_options)
            check_outputs(outputs, inputs_of(cfg), args.overwrite, MAKER)
    results = []
    for config in args.config:
        with config_errors(config):
            results.append(measure(args, config))
        print_result(results[-1])
    if args.out:
        machine = describe_machine(torch.device('cpu'))
        note_outputs(outputs, MAKER)
        with atomic_write(args.out, 'w') as file:
            json.dump(dict(machine=machine, data_sets=results), file, indent=2)


if __name__ == '__main__':
    sys.exit(main())
