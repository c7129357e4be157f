"""Measure time, memory and parameters of a config, or compare two versions of mmssc.

``python tools/analysis_tools/benchmark.py CONFIG`` measures loading, preprocessing, the forward
pass, prediction with its metric, losses, backward pass and optimiser step, on the CPU or a GPU; for
models that read a TSDF also how long it takes to make it (with the mapping) from a depth image.
With several optimisers it measures the training step as a whole. ``--synthetic-input`` needs no
data, and ``--prediction-only`` neither memory nor time for a training. ``--against COMMIT``
measures predictions and training steps of this version and of another one, by turns and in
processes of their own, and compares their outputs.
"""

from __future__ import annotations

from mmssc.command_line import FINDINGS, add_overwrite_option, command, parse_early, prepare_process

prepare_process()

import argparse
import json
import sys
import warnings
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmssc.config_options import CONFIG_HELP, add_cfg_options
from mmssc.errors import counted
from mmssc.fileio import atomic_write, check_outputs, note_outputs
from mmssc.option_choices import RUNS
from mmssc.resources import find_config

# Largest difference of outputs, relative to the largest value: rounding in float32 and bfloat16.
TOLERANCE, TOLERANCE_AMP = 1e-4, 3e-2


def environment_variable(text: str) -> tuple[str, str]:
    """``NAME=VALUE``, for ``type=`` of :mod:`argparse`."""
    name, equals, value = text.partition('=')
    if not name or not equals:
        raise argparse.ArgumentTypeError(f'{text}: expected NAME=VALUE')
    return name, value


def make_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('config', nargs='+', help=f'{CONFIG_HELP}; several with --against')
    add('--batch-size', type=int, default=1)
    add('--iters', type=int, help='measured iterations (default: 5, or 1 a process: --against)')
    add('--warmup', type=int, default=1, help='warm-up iterations before the measured ones')
    add('--device', help='default: the GPU if there is one')
    add('--threads', type=int, metavar='N', help='threads of torch on the CPU')
    add('--amp', action='store_true', help='train in mixed precision; with --against also predict')
    add('--out', metavar='FILE.json', help='also write the figures to this file')
    add_overwrite_option(parser)
    text = 'random samples instead of the data set'
    add('--synthetic-input', action='store_true', help=text)
    add('--prediction-only', action='store_true', help='measure no forward pass, no training')
    text = 'image size of the random samples'
    add('--shape', type=int, nargs=2, metavar=('HEIGHT', 'WIDTH'), help=text)
    text = 'points per frame of the random samples'
    add('--points', type=int, default=30000, help=text)
    add_cfg_options(parser)
    add = parser.add_argument_group('comparison').add_argument
    text = 'another version of mmssc: a folder with it, or a commit, tag or branch of this clone'
    add('--against', metavar='COMMIT|FOLDER', help=text)
    text = 'environment variables of the processes of --against only'
    add('--against-env', type=environment_variable, nargs='+', metavar='NAME=VALUE', help=text)
    text = 'with --amp: the other version computes in float32'
    add('--against-float32', action='store_true', help=text)
    add('--rounds', type=int, default=3, help='processes of each version (default: 3)')
    add('--runs', nargs='+', choices=RUNS, default=list(RUNS), help='default: both')
    text = f'largest difference of the outputs (default: {TOLERANCE:g}, {TOLERANCE_AMP:g} of --amp)'
    add('--tolerance', type=float, help=text)
    return parser


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser()
    args = parser.parse_args()
    if args.shape and not args.synthetic_input:
        parser.error('--shape needs --synthetic-input')
    if args.against is not None and args.prediction_only:
        parser.error('--prediction-only measures one version: use --runs inference')
    if args.against is None:
        if len(args.config) > 1:
            parser.error('give one config, or compare with --against')
        if args.against_env:
            parser.error('--against-env needs --against')
        if args.against_float32:
            parser.error('--against-float32 needs --against')
    elif args.against_float32 and not args.amp:
        parser.error('--against-float32 needs --amp')
    for name in ('batch_size', 'iters', 'threads', 'rounds', 'points'):
        value = getattr(args, name)
        if value is not None and value < 1:
            parser.error(f'--{name.replace("_", "-")} must be 1 or more')
    if args.warmup < 0:
        parser.error('--warmup must be 0 or more')
    args.iters = args.iters or (5 if args.against is None else 1)
    if args.tolerance is None:
        args.tolerance = TOLERANCE_AMP if args.amp else TOLERANCE
    return args


if __name__ == '__main__':
    parse_early(parse_args)

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from mmssc.apis import read_config
from mmssc.apis.base_inferencer import build_test_transforms
from mmssc.apis.model_loading import dataset_meta_of, inputs_of
from mmssc.apis.random_samples import random_samples
from mmssc.config_file import config_errors
from mmssc.datasets.transforms import reading_transforms
from mmssc.engine.launch import enable_amp
from mmssc.evaluation.score_table import format_table
from mmssc.performance import (
    OWN_FOLDER,
    Measurement,
    Stages,
    Version,
    compare_versions,
    count_parameters,
    describe_machine,
    measure_peak,
    measure_volumes,
    open_version,
    plain_sample,
    run_iteration,
    usable_device,
)
from mmssc.registry import DATASETS, METRICS, MODELS
from mmssc.structures import VoxelGrid

MAKER = 'benchmark.py'


def sample_loaders(args: argparse.Namespace, cfg: Config) -> tuple:
    """Index -> sample for training and for validation, and the metainfo of the data set."""
    if args.synthetic_input:
        load = random_samples(cfg, args.shape, args.points)
        return load, load, dataset_meta_of(cfg)
    first = cfg.val_dataloader if args.prediction_only else cfg.train_dataloader
    datasets = [DATASETS.build(loader.dataset) for loader in (first, cfg.val_dataloader)]
    train, val = (
        lambda index, dataset=dataset: dataset[index % len(dataset)] for dataset in datasets
    )
    return train, val, datasets[1].metainfo


def reads_tsdf(cfg: Config) -> bool:
    """Whether the model reads a TSDF."""
    steps = build_test_transforms(cfg)
    return any('tsdf' in one.inputs for step in steps for one in reading_transforms(step))


def check_out(args: argparse.Namespace, cfg: Config) -> None:
    """Refuse an output file that a config or its data needs, or that exists."""
    if args.out:
        check_outputs([args.out], inputs_of(cfg), args.overwrite, MAKER)


def measure(args: argparse.Namespace, config: str) -> dict[str, Any]:
    """Measure the stages of this version.

    Raises:
        DataError: The config, an option or a file is wrong.
    """
    cfg = read_config(config, args.cfg_options)
    check_out(args, cfg)
    device = torch.device(args.device)
    if args.amp:
        enable_amp(cfg)
    torch.manual_seed(0)  # Which voxels sparse layers take depends on the weights.
    model = MODELS.build(cfg.model).to(device)
    optim_wrapper = None if args.prediction_only else build_optim_wrapper(model, cfg.optim_wrapper)
    evaluator = cfg.val_evaluator
    metric = METRICS.build(evaluator[0] if isinstance(evaluator, (list, tuple)) else evaluator)
    *loaders, metric.dataset_meta = sample_loaders(args, cfg)
    stages = Stages(device)
    image_size = args.shape or metric.dataset_meta.get('image_size')
    has_volumes = reads_tsdf(cfg) and image_size is not None
    with torch.cuda.device(device) if device.type == 'cuda' else nullcontext():
        for iteration in range(args.warmup + args.iters):
            if iteration == args.warmup:
                stages.forget()
            first = iteration * args.batch_size
            batch = list(range(first, first + args.batch_size))
            if has_volumes:
                measure_volumes(stages, VoxelGrid.build(cfg.model.voxel_grid), tuple(image_size))
            run_iteration(stages, model, optim_wrapper, metric, (loaders[0], loaders[1]), batch)
    return dict(
        config=config,
        batch_size=args.batch_size,
        iterations=args.iters,
        amp=args.amp,
        input='synthetic' if args.synthetic_input else 'data set',
        machine=describe_machine(device),
        parameters=count_parameters(model),
        stages=stages.table(),
    )


def print_result(result: dict[str, Any]) -> None:
    """Print the figures as tables."""
    print(', '.join(f'{key} {value}' for key, value in result['machine'].items()))
    print(f'batch size {result["batch_size"]}, {counted(result["iterations"], "iteration")}')
    print(f'\n{"stage":20} {"mean ms":>10} {"spread ms":>10} {"CPU ms":>10} {"peak MiB":>10}')
    for row in result['stages']:
        peak = '-' if row['peak_mib'] is None else f'{row["peak_mib"]:.0f}'
        times = ' '.join(f'{row[key]:10.1f}' for key in ('mean_ms', 'spread_ms', 'cpu_ms'))
        print(f'{row["stage"]:20} {times} {peak:>10}')
    print(f'\n{"part":20} {"parameters":>12}')
    for name, count in result['parameters'].items():
        print(f'{name:20} {count:12,}')


def compare_config(
    args: argparse.Namespace, config: str, versions: list[Version], peaks: list[float]
) -> list[dict[str, Any]]:
    """Compare the versions on a config: a record for inference and one for the training step.

    Args:
        args: The command line.
        config: The config.
        versions: This version and the other one.
        peaks: Of the machine in the precision of each version, see :func:`measure_peak`.

    Raises:
        DataError: The config, an option or a file is wrong, or a process has failed.
    """
    cfg = read_config(config, args.cfg_options)
    train, val, _ = sample_loaders(args, cfg)
    # Plain values, for a process of another version.
    options = {
        key: list(value) if isinstance(value, list) else value
        for key, value in (args.cfg_options or {}).items()
    }
    records = []
    for run in args.runs:
        load = train if run == 'training' else val
        job = dict(
            run=run, samples=[plain_sample(load(index)) for index in range(args.batch_size)],
            cfg_options=options, warmup=args.warmup, iters=args.iters, amp=args.amp,
            threads=torch.get_num_threads(), device=args.device,
        )  # fmt: skip
        figures, difference = compare_versions(versions, find_config(config), job, args.rounds)
        print_comparison(config, run, figures, difference, peaks, args.device != 'cpu')
        records.append(
            dict(
                config=config, run=run, difference=difference,
                versions=[{**asdict(one), 'cpu_seconds_min': min(one.cpu_seconds)}
                          for one in figures],
                ratio=min(figures[1].cpu_seconds) / min(figures[0].cpu_seconds),
            )
        )  # fmt: skip
    return records


def print_comparison(
    config: str,
    run: str,
    figures: list[Measurement],
    difference: float,
    peaks: list[float],
    on_gpu: bool,
) -> None:
    """Print a row for each version.

    Ratios are those of the other version to this one. The share of the peak is that of the machine
    (:func:`measure_peak`) which the multiply-adds of a run reach.
    """
    own = figures[0]
    rows: list[list[str] | None] = []
    for one, peak in zip(figures, peaks):
        cpu, wall = min(one.cpu_seconds), min(one.wall_seconds)
        row = [one.version, f'{cpu:.3f}', f'{max(one.cpu_seconds) - cpu:.3f}']
        row += [f'{cpu / min(own.cpu_seconds):.2f}', f'{wall:.3f}']
        row.append('-' if one.peak_mib is None else f'{one.peak_mib:.0f}')
        if one.multiply_adds is None:
            rows.append([*row, '-', '-'])
            continue
        count = one.multiply_adds / 1e9
        share = count / (peak * (wall if on_gpu else cpu))
        rows.append([*row, f'{count:.1f}', f'{share:.0%}'])
    print(f'\n{config}, {run}; largest relative difference of the outputs: {difference:.1e}')
    names = ['version', 'CPU s', 'spread', 'ratio', 'wall s', 'peak MiB', '10^9 multiply-adds']
    print(format_table([*names, 'share of the peak'], rows))


def compare(args: argparse.Namespace) -> dict[str, Any]:
    """Compare this version with that of ``--against``, config by config."""
    environment = dict(args.against_env or ())
    device = torch.device(args.device)
    comparisons = []
    with open_version(args.against, environment, amp=not args.against_float32) as other:
        # Before the work: a wrong config would end it, and what is measured would be lost.
        for config in args.config:
            with config_errors(config):
                check_out(args, read_config(config, args.cfg_options))
                other.config(find_config(config))
        machine = describe_machine(device)
        versions = [Version('this version', OWN_FOLDER), other]
        dtypes = [torch.bfloat16 if args.amp and one.amp else torch.float32 for one in versions]
        peaks = {dtype: measure_peak(device, dtype=dtype) for dtype in sorted(set(dtypes), key=str)}
        for dtype, peak in peaks.items():
            machine[f'peak in {dtype}'] = f'{peak:.1f} x 10^9 multiply-adds a second'
        print(', '.join(f'{key} {value}' for key, value in machine.items()))
        print(f'batch size {args.batch_size}, {counted(args.rounds, "round")} of '
              f'{counted(args.iters, "iteration")}')  # fmt: skip
        for config in args.config:
            with config_errors(config):
                own_peaks = [peaks[dtype] for dtype in dtypes]
                comparisons += compare_config(args, config, versions, own_peaks)
    return dict(
        against=args.against, environment=environment, batch_size=args.batch_size,
        rounds=args.rounds, iterations=args.iters, amp=args.amp,
        against_float32=args.against_float32, machine=machine,
        tolerance=args.tolerance, comparisons=comparisons,
    )  # fmt: skip


@command
def main() -> int:
    """Measure what the command line asks for."""
    warnings.simplefilter('ignore')
    args = parse_args()
    args.device = args.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    usable_device(args.device)
    if args.threads:
        torch.set_num_threads(args.threads)
    status = 0
    if args.against is None:
        with config_errors(args.config[0]):
            result = measure(args, args.config[0])
        print_result(result)
    else:
        result = compare(args)
        largest = max(one['difference'] for one in result['comparisons'])
        if largest > args.tolerance:
            print(f'\nthe outputs differ by more than {args.tolerance:g} (--tolerance)')
            status = FINDINGS
    if args.out:
        note_outputs([args.out], MAKER)
        with atomic_write(Path(args.out), 'w') as file:
            json.dump(result, file, indent=2)
    return status


if __name__ == '__main__':
    sys.exit(main())
