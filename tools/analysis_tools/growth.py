"""Measure how time and memory of a step grow with batch, grid, frames and processes.

``python tools/analysis_tools/growth.py CONFIG [...]`` runs predictions and training steps on random
samples of the config's size. One of these grows at a time, the others keep their first value. It
needs no data. Options with one value (``--grids 1``) leave out what should not be measured.
"""

from __future__ import annotations

from mmssc.command_line import (
    FINDINGS,
    add_overwrite_option,
    command,
    parse_early,
    prepare_process,
)

prepare_process()

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mmssc.config_options import CONFIG_HELP, add_cfg_options
from mmssc.errors import counted
from mmssc.fileio import atomic_write, check_outputs, note_outputs
from mmssc.option_choices import RUNS
from mmssc.shared_options import positive_integer


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('config', nargs='+', help=CONFIG_HELP)
    add('--batch-sizes', dest='batch_size', type=positive_integer, nargs='+', default=[1, 2, 4])
    text = 'times as many voxels as the config has, along the first axis (default: 1 2)'
    add('--grids', dest='grid', type=positive_integer, nargs='+', default=[1, 2], help=text)
    text = 'images of a sample, for driving configs (default: those of the config)'
    add('--frames', type=positive_integer, nargs='+', default=[], help=text)
    text = 'processes that share a training step with one sample each (default: none)'
    add('--processes', type=positive_integer, nargs='+', default=[], help=text)
    add('--runs', nargs='+', choices=RUNS, default=list(RUNS), help='default: both')
    add('--precisions', nargs='+', choices=('fp32', 'bf16'), default=['fp32'])
    add('--iters', type=positive_integer, default=3, help='measured runs of each case')
    add('--warmup', type=positive_integer, default=1, help='runs before the measured ones')
    add('--device', help='default: the GPU if there is one')
    add('--threads', type=positive_integer, metavar='N', help='threads of torch on the CPU')
    text = 'image size of the random samples'
    add('--shape', type=positive_integer, nargs=2, metavar=('HEIGHT', 'WIDTH'), help=text)
    add('--out', metavar='FILE.json', help='also write the figures to this file')
    add('--plot', metavar='FILE.png', help='also draw time and memory')
    add_overwrite_option(parser)
    add_cfg_options(parser)
    return parser.parse_args()


if __name__ == '__main__':
    parse_early(parse_args)

import torch

from mmssc.apis.model_loading import inputs_of, read_config
from mmssc.config_file import config_errors
from mmssc.evaluation.score_table import format_table
from mmssc.performance import describe_machine, usable_device
from mmssc.performance.growth import (
    AXES,
    Settings,
    cases_of,
    efficiency,
    growth_panels,
    measure_growth,
)
from mmssc.visualization.charts import check_chart_suffix, draw_curves, save_chart

MAKER = 'growth.py'
HEADER = ['run', 'type', 'batch', 'grid', 'frames', 'processes', 'seconds', 'CPU s', 'peak MiB', '']


def describe(record: Mapping[str, Any]) -> list[str]:
    """The row of a record in the table."""
    row = [record['run'], 'bf16' if record['amp'] else 'fp32', str(record['batch_size'])]
    row += [f'{record["grid"]}x', str(record['frames'] or 'config'), str(record['processes'])]
    if record.get('seconds') is None:
        return [*row, '-', '-', '-', record['note']]
    peak = '-' if record['peak_mib'] is None else f'{record["peak_mib"]:.0f}'
    row += [f'{record["seconds"]:.4f}', f'{record["cpu_seconds"]:.4f}', peak]
    return [*row, '' if record['finite'] else 'NaN or infinite']


def show(record: Mapping[str, Any]) -> None:
    """Print a record at once: a killed run has shown what it measured."""
    print('  '.join(describe(record)).rstrip(), flush=True)


def print_efficiency(records: Sequence[Mapping[str, Any]]) -> None:
    """Print what several processes gain, for each precision."""
    most = max(one['processes'] for one in records)
    for amp in (False, True):
        shared = [
            one for one in records
            if one['run'] == 'training' and one['batch_size'] == most and one['amp'] is amp
            and one['grid'] == 1 and one['frames'] is None
        ]  # fmt: skip
        for count, share in efficiency(shared).items():
            if count > 1:
                kind = 'bf16' if amp else 'fp32'
                print(f'{count} processes, {kind}, batch {most}: efficiency {share:.0%}')


def measure(args: argparse.Namespace, config: str) -> list[dict[str, Any]]:
    """Measure one config and print its table.

    Raises:
        DataError: The config or an option is wrong.
    """
    sizes = {axis: getattr(args, axis) for axis in AXES}
    options = {
        key: list(value) if isinstance(value, (list, tuple)) else value
        for key, value in (args.cfg_options or {}).items()
    }
    settings = Settings(
        args.device, args.threads, args.iters, args.warmup, options, args.shape and (*args.shape,)
    )
    print(f'\n{config}')
    records = measure_growth(config, cases_of(args.runs, args.precisions, sizes), settings, show)
    print(f'\n{config}\n{format_table(HEADER, [describe(record) for record in records])}')
    print_efficiency(records)
    measured = sum(one.get('seconds') is not None for one in records)
    print(f'{measured} of {counted(len(records), "case")} measured')
    return records


@command
def main() -> int:
    """Measure what the command line asks for."""
    args = parse_args()
    args.device = args.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    outputs = [path for path in (args.out, args.plot) if path]
    if args.plot:
        check_chart_suffix(args.plot, '--plot')
    for config in args.config:
        with config_errors(config):
            cfg = read_config(config, args.cfg_options)
            check_outputs(outputs, inputs_of(cfg), args.overwrite, MAKER)
    machine = describe_machine(usable_device(args.device))
    print(', '.join(f'{key} {value}' for key, value in machine.items()))
    records = []
    for config in args.config:
        with config_errors(config):
            records += measure(args, config)
    note_outputs(outputs, MAKER)
    if args.out:
        with atomic_write(args.out, 'w') as file:
            json.dump(dict(machine=machine, records=records), file, indent=2)
    if args.plot:
        save_chart(args.plot, draw_curves(growth_panels(records)))
    return 0 if all(one.get('finite', True) for one in records) else FINDINGS


if __name__ == '__main__':
    sys.exit(main())
