"""Compare a method with the figures of its reference implementation, array by array.

This tool rebuilds the reference checkpoint and the inputs from the seed in each case file, imports
the checkpoint and runs our model. A figure outside its tolerance is run again with inputs moved by
one part in ten million; if it moves as much as it is off, the line says so and it counts as ok. The
tool exits with 1 if any other figure is outside its tolerance, and with 2 if a file or option is
wrong.
"""

from __future__ import annotations

from mmssc.command_line import FINDINGS, command, parse_early, prepare_process

prepare_process()

import argparse
import sys
import time
from functools import partial

from mmssc.config_options import CONFIG_HELP
from mmssc.errors import counted
from mmssc.option_choices import PARITY_METHODS


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'method', help=f"method and variant: {', '.join(PARITY_METHODS)}, or a project's"
    )
    parser.add_argument('--project', metavar='DIR', help='folder of a project with recipes')
    parser.add_argument('--manifest', metavar='CSV', help='keys and shapes of the checkpoint')
    parser.add_argument('--case', nargs='+', default=[], metavar='NPZ', help='case files')
    parser.add_argument('--units', metavar='NPZ', help='file of unit cases')
    parser.add_argument(
        '--data', metavar='DIR',
        help='raw files that figures were made from (units of sketch: NYU; carla-...: a '
        'SemanticKITTI tree)',
    )  # fmt: skip
    text = 'the official checkpoint that the figures were made with (carla-...)'
    parser.add_argument('--weights', metavar='FILE', help=text)
    text = f'check its model instead of the default one: {CONFIG_HELP}'
    parser.add_argument('--config', help=text)
    parser.add_argument('--device', default='cpu', help='device of the model (default: cpu)')
    parser.add_argument(
        '--forward-only',
        action='store_true',
        help='skip gradients and training mode: a third of the time, half of the memory',
    )
    parser.add_argument('--failures-only', action='store_true', help='print only failures')
    args = parser.parse_args()
    if not args.case and not args.units:
        parser.error('nothing to check: give --case and --manifest, or --units')
    if args.case and not args.manifest:
        parser.error('--case needs --manifest')
    return args


if __name__ == '__main__':
    parse_early(parse_args)

import torch

from mmssc.apis.model_loading import read_config
from mmssc.config_file import config_errors
from mmssc.parity.methods import get_recipe
from mmssc.parity.recipe import ParityOptions, ParityRecipe, ParityRun
from mmssc.parity.report import ParityCase, ParityReport
from mmssc.parity.rounding import compare
from mmssc.performance import usable_device
from mmssc.plugins import import_project


def run_checks(args: argparse.Namespace) -> ParityReport:
    """Compare all cases that the command line names.

    Raises:
        DataError: A file is not a case file of this method, or the config does not exist.
    """
    if args.device != 'cpu':
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    model_config = None
    if args.config:
        model_config = read_config(args.config).model
    if args.project:
        import_project(args.project, 'parity')
    options = ParityOptions(args.forward_only, args.device, model_config, args.weights)
    recipe, report = get_recipe(args.method), ParityReport(verbose=not args.failures_only)
    for path in args.case:
        print(f'\n{args.method}: {path}\n{report.header()}', flush=True)
        compare(report, partial(_check_case, recipe, args.manifest, path, options, args.data))
    if args.units:
        print(f'\nunit cases: {args.units}\n{report.header()}', flush=True)
        compare(report, lambda table: recipe.check_units(ParityCase(args.units, args.data), table))
    return report


def _check_case(
    recipe: ParityRecipe,
    manifest: str,
    path: str,
    options: ParityOptions,
    data: str | None,
    report: ParityReport,
) -> None:
    recipe.check_case(ParityRun(manifest, ParityCase(path, data), report, options))


@command
def main() -> int:
    """Check as the command line says."""
    args = parse_args()
    usable_device(args.device)
    start = time.perf_counter()
    with config_errors(args.config):
        report = run_checks(args)
    failures = report.failures
    seconds = time.perf_counter() - start
    figures = counted(len(report.rows), 'figure')
    print(f'\n{figures} compared in {seconds:.0f} s, {len(failures)} failed')
    for row in failures:
        print(row)
    if report.unchecked:
        print(f'not checked: {counted(len(report.unchecked), "array")} of the files, see above')
    return 0 if report.ok else FINDINGS


if __name__ == '__main__':
    sys.exit(main())
