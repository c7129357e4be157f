"""Draw the curves of one or several trainings, and print their last and best values.

A run is a work folder of ``tools/train.py`` (a resumed training is one curve) or a
``scalars.json``.
"""

from __future__ import annotations

from mmssc.command_line import add_overwrite_option, command, parse_early, prepare_process

prepare_process()

import argparse
import sys
from fnmatch import fnmatchcase
from pathlib import Path

from mmssc.errors import DataError, counted
from mmssc.fileio import check_outputs, note_outputs
from mmssc.option_choices import CHART_SUFFIXES


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('runs', nargs='+', type=Path, metavar='RUN', help='work folders or scalars.json files')
    text = 'values to show, also patterns such as "ssc/*_IoU" (default: losses, learning rate, '
    text += 'SC IoU and SSC mIoU of the protocol that save_best selects by, else of the first one)'
    add('--keys', nargs='+', metavar='KEY', help=text)
    add('--list-keys', action='store_true', help='print the names of all values, and stop')
    add('--names', nargs='+', metavar='NAME', help='names of the runs (default: the paths)')
    text = 'smooth losses; weight of the past values, 0 to below 1 (default: 0)'
    add('--smooth', type=float, default=0.0, metavar='WEIGHT', help=text)
    add('--out', type=Path, metavar='FILE', help=f'picture ({", ".join(CHART_SUFFIXES)})')
    add_overwrite_option(parser)
    arguments = parser.parse_args()
    if arguments.names and len(arguments.names) != len(arguments.runs):
        parser.error(f'--names needs {counted(len(arguments.runs), "name")}')
    if not 0 <= arguments.smooth < 1:
        parser.error('--smooth must be 0 or more, and less than 1')
    return arguments


if __name__ == '__main__':
    parse_early(parse_args)

from mmssc.evaluation.result_comparison import result_names
from mmssc.evaluation.score_table import figure_view, format_table
from mmssc.inspection.training_logs import Curve, TrainingLog, default_keys, smooth
from mmssc.visualization.charts import check_chart_suffix, draw_curves, save_chart

MAKER = 'analyze_logs.py'


def choose_keys(logs: dict[str, TrainingLog], patterns: list[str] | None) -> list[str]:
    """The keys to show.

    Raises:
        DataError: A pattern fits no key of any run.
    """
    known = [*dict.fromkeys(key for log in logs.values() for key in log.keys)]
    if patterns is None:
        return default_keys(logs.values()) or known
    chosen: dict[str, None] = {}
    for pattern in patterns:
        found = [key for key in known if key == pattern or fnmatchcase(key, pattern)]
        if not found:
            raise DataError('--keys', None, f'some of {", ".join(known)}', pattern)
        chosen.update(dict.fromkeys(found))
    return [*chosen]


def describe(curve: Curve | None, is_score: bool) -> str:
    """Last value of a curve, and the best one of a score."""
    if curve is None:
        return '-'
    last = f'{curve.y[-1]:.4g} ({curve.unit} {curve.x[-1]:g})'
    if not is_score or curve.best is None:
        return last
    x, y = curve.best
    return f'{last}, best {y:.4g} ({curve.unit} {x:g})'


def analyse(args: argparse.Namespace) -> None:
    """Print the table and draw the curves.

    Raises:
        DataError: A file or an option is wrong.
    """
    if args.out is not None:
        check_chart_suffix(args.out, '--out')
        check_outputs([args.out], args.runs, args.overwrite, MAKER)
    names = result_names(args.runs, args.names)
    logs = {name: TrainingLog(path) for name, path in zip(names, args.runs)}
    if args.list_keys:
        print(*dict.fromkeys(key for log in logs.values() for key in log.keys), sep='\n')
        return
    keys = choose_keys(logs, args.keys)
    has_scores = any(map(figure_view, keys))
    rows, panels = [], {}
    for key in keys:
        curves = {name: log.curve(key) for name, log in logs.items()}
        is_score = (view := figure_view(key)) is not None
        title = f'{key} ({view})' if is_score else key
        rows.append([title, *(describe(curve, is_score) for curve in curves.values())])
        found = {name: curve for name, curve in curves.items() if curve is not None}
        lines = raw = {name: (curve.x, curve.y) for name, curve in found.items()}
        smoothed = args.smooth and not is_score and not key.endswith('lr')
        if smoothed:
            lines = {name: (x, smooth(y, args.smooth)) for name, (x, y) in raw.items()}
        unit = ' or '.join(dict.fromkeys(curve.unit for curve in found.values()))
        panels[title] = (unit, lines, raw if smoothed else {})
    heading = 'last value (protocol)' if has_scores else 'last value'
    print(format_table([heading, *names], rows))
    if args.out is not None:
        note_outputs([args.out], MAKER)
        save_chart(args.out, draw_curves(panels))
        print(args.out)


@command
def main() -> None:
    """Analyse as the command line says."""
    analyse(parse_args())


if __name__ == '__main__':
    sys.exit(main())
