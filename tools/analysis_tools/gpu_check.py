"""Check that mmssc works on this GPU, and measure how fast: at most 8 minutes.

``python tools/analysis_tools/gpu_check.py`` checks the environment, compares every method with the
authors' figures on the GPU, trains the quick start for a few iterations, and measures time and
memory of predictions and training steps. Every step is a process of its own: one that fails or
takes too long does not end the others. Without a GPU it runs fewer and smaller steps on the CPU.
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
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmssc.errors import DataError, counted
from mmssc.fileio import atomic_write, check_outputs, note_outputs
from mmssc.temporary_files import temporary_folder


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('--device', help='cuda, cuda:1 or cpu (default: the GPU if torch sees one)')
    text = 'time for all steps; what has not started by then is left out (default: 8)'
    add('--minutes', type=float, default=8.0, help=text)
    add('--only', nargs='+', metavar='WORD', help='only steps with one of these words in the name')
    add('--list', action='store_true', help='print the names of the steps and run none')
    add('--out', metavar='FILE.json', help='also write the results to this file')
    add_overwrite_option(parser)
    args = parser.parse_args()
    if not 0 < args.minutes <= 1440:
        parser.error('--minutes must be above 0 and at most 1440')
    return args


if __name__ == '__main__':
    parse_early(parse_args)

import torch

from mmssc.evaluation.score_table import format_table
from mmssc.performance import describe_machine, no_gpu_reason, usable_device
from mmssc.performance.gpu_check import check_steps, timing_steps
from mmssc.performance.processes import FAILED, LEFT_OUT, OK, StepResult, run_steps

MAKER = 'gpu_check.py'
NOTE_WIDTH = 90


def gpu_result(device: torch.device) -> StepResult:
    """Whether torch sees a GPU: no GPU is fine, but not one that torch cannot use."""
    reason = no_gpu_reason()
    if reason is None:
        name = torch.cuda.get_device_name(device if device.type == 'cuda' else None)
        return StepResult('GPU', OK, 0.0, f'{name}, CUDA {torch.version.cuda}')
    state = FAILED if shutil.which('nvidia-smi') else LEFT_OUT
    return StepResult('GPU', state, 0.0, reason)


def show(result: StepResult) -> None:
    """Print a result at once."""
    print(f'{result.state:8} {result.seconds:5.0f} s  {result.name}: {result.note}', flush=True)


def print_results(results: Sequence[StepResult]) -> None:
    """Print the output of what went wrong, then the table of all steps."""
    for result in results:
        if result.went_wrong and result.output:
            print(f'\n--- {result.name}: the end of its output\n{result.output}')
    rows = [[one.name, one.state, f'{one.seconds:.0f}', one.note[:NOTE_WIDTH]] for one in results]
    print(f'\n{format_table(["step", "state", "s", "note"], rows)}')


def print_times(records: Sequence[Mapping[str, Any]]) -> None:
    """Print time and memory of the measured models."""
    rows = []
    for one in records:
        row = [Path(one['config']).stem, one['run'], 'bf16' if one['amp'] else 'fp32']
        row.append(str(one['batch_size']))
        if one.get('seconds') is None:
            rows.append([*row, one['note'], '-'])
        else:
            peak = '-' if one['peak_mib'] is None else f'{one["peak_mib"]:.0f}'
            rows.append([*row, f'{one["seconds"]:.4f}', peak])
    if rows:
        header = ['model', 'run', 'type', 'batch', 'seconds', 'peak MiB']
        print(f'\n{format_table(header, rows)}')


def run(args: argparse.Namespace, device: torch.device) -> tuple[list[StepResult], list[dict]]:
    """Run the steps; returns their results and the figures of the measured models.

    Raises:
        DataError: No step has a word of ``--only``.
    """
    with temporary_folder() as scratch:
        timing = timing_steps(str(device), scratch)
        steps = [*check_steps(str(device), scratch), *timing.values()]
        if args.only:
            steps = [one for one in steps if any(word in one.name for word in args.only)]
        if not steps:
            hint = 'gpu_check.py --list shows the names'
            raise DataError('--only', None, 'a word of a step', args.only, hint)
        if args.list:
            print('\n'.join(one.name for one in steps))
            return [], []
        results = [gpu_result(device)]
        show(results[0])
        results += run_steps(steps, 60 * args.minutes, show)
        records = [
            record for path in timing if path.is_file()
            for record in json.loads(path.read_text('utf-8'))['records']
        ]  # fmt: skip
    return results, records


@command
def main() -> int:
    """Run the steps and print what they found."""
    args = parse_args()
    name = args.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    device = usable_device(name)
    outputs = [args.out] if args.out else []
    check_outputs(outputs, [], args.overwrite, MAKER)
    machine = describe_machine(device)
    print(', '.join(f'{key} {value}' for key, value in machine.items()))
    results, records = run(args, device)
    if not results:
        return 0
    print_results(results)
    print_times(records)
    if args.out:
        content = dict(machine=machine, steps=[asdict(one) for one in results], times=records)
        note_outputs(outputs, MAKER)
        with atomic_write(args.out, 'w') as file:
            json.dump(content, file, indent=2)
    wrong = sum(one.went_wrong for one in results)
    where = 'on this GPU' if device.type == 'cuda' else 'on the CPU; no GPU was used'
    print(f'\n{counted(wrong, "step")} went wrong {where}.' if wrong else f'\nAll is well {where}.')
    return FINDINGS if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
