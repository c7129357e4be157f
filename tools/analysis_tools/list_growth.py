"""Measure how start-up time and memory of data sets grow with their lists.

``python tools/analysis_tools/list_growth.py`` writes lists of made-up frames to a temporary folder,
opens the data set of each in a new process, and prints a table. It needs no data. A million frames
need a minute, and 4 GB of memory and 400 MB of disk for a while.
"""

from __future__ import annotations

from mmssc.command_line import add_overwrite_option, command, parse_early, prepare_process

prepare_process()

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mmssc.fileio import atomic_write, check_outputs, note_outputs
from mmssc.option_choices import LIST_KINDS


def number_of_frames(text: str) -> int:
    """A whole number from 1 to 10 million, for ``type=`` of :mod:`argparse`."""
    if not text.isdecimal() or not 1 <= int(text) <= 10**7:
        raise argparse.ArgumentTypeError(f'{text}: expected a whole number from 1 to 10000000')
    return int(text)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    text = 'lengths of the lists (default: 100 10000 1000000)'
    add('--frames', type=number_of_frames, nargs='+', default=[100, 10**4, 10**6], help=text)
    add('--kinds', nargs='+', choices=LIST_KINDS, default=LIST_KINDS, help='default: all')
    add('--out', metavar='FILE.json', help='also write the figures to this file')
    add('--plot', metavar='FILE.png', help='also draw time and memory')
    add_overwrite_option(parser)
    return parser.parse_args()


if __name__ == '__main__':
    parse_early(parse_args)

import torch

from mmssc.evaluation.score_table import format_table
from mmssc.performance import describe_machine
from mmssc.performance.lists import measure_list
from mmssc.visualization.charts import check_chart_suffix, draw_curves, save_chart

MAKER = 'list_growth.py'
HEADER = [
    'list', 'frames', 'file MiB', 'start CPU s', 'us a frame', 'shuffle s', 'item us', 'memory MiB',
    'peak MiB',
]  # fmt: skip


def describe(record: Mapping[str, Any]) -> list[str]:
    """The row of a record in the table."""
    start, frames = record['start_seconds'], record['frames']
    memory = [record[key] for key in ('memory_mib', 'peak_mib')]
    return [
        record['kind'], str(frames), f'{record["file_mib"]:.1f}', f'{start:.3f}',
        f'{1e6 * start / frames:.1f}', f'{record["sampler_seconds"]:.3f}',
        f'{1e6 * record["item_seconds"]:.0f}',
        *('-' if value is None else f'{value:.0f}' for value in memory),
    ]  # fmt: skip


def panels_of(records: Sequence[Mapping[str, Any]]) -> dict[str, tuple]:
    """Start-up time and memory over the number of frames, for the chart."""
    panels: dict[str, tuple] = {}
    for key, title in (('start_seconds', 'start-up, CPU seconds'), ('memory_mib', 'memory, MiB')):
        lines: dict[str, tuple[list[float], list[float]]] = {}
        for one in records:
            if one[key] is not None:
                x, y = lines.setdefault(one['kind'], ([], []))
                x.append(one['frames'])
                y.append(one[key])
        panels[title] = ('frames', lines, {})
    return panels


@command
def main() -> None:
    """Measure the lists that the command line asks for."""
    args = parse_args()
    outputs = [path for path in (args.out, args.plot) if path]
    if args.plot:
        check_chart_suffix(args.plot, '--plot')
    check_outputs(outputs, [], args.overwrite, MAKER)
    machine = describe_machine(torch.device('cpu'))
    print(', '.join(f'{key} {value}' for key, value in machine.items()))
    records = []
    for kind in args.kinds:
        for frames in sorted(args.frames):
            records.append(measure_list(kind, frames))
            print('  '.join(describe(records[-1])), flush=True)
    print(f'\n{format_table(HEADER, [describe(record) for record in records])}')
    note_outputs(outputs, MAKER)
    if args.out:
        with atomic_write(args.out, 'w') as file:
            json.dump(dict(machine=machine, records=records), file, indent=2)
    if args.plot:
        save_chart(args.plot, draw_curves(panels_of(records)))


if __name__ == '__main__':
    sys.exit(main())
