"""Measure time, memory and parameters of a config, stage by stage.

``python tools/analysis_tools/benchmark.py CONFIG`` measures loading, preprocessing, the forward
pass, prediction with its metric, losses, backward pass and optimiser step, on the CPU or a GPU.
With several optimisers it measures the training step as a whole. ``--synthetic-input`` needs no
data, and ``--prediction-only`` neither memory nor time for a training.
"""

from __future__ import annotations

from mmssc.command_line import add_overwrite_option, command, prepare_process

prepare_process()

import argparse
import json
import os
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import OptimWrapperDict, build_optim_wrapper

from mmssc.apis import read_config
from mmssc.apis.model_loading import dataset_meta_of, info_files_of
from mmssc.apis.random_samples import random_samples
from mmssc.config_file import (
    CONFIG_HELP,
    add_cfg_options,
    config_errors,
    config_files_of,
    data_roots_of,
)
from mmssc.engine.launch import enable_amp
from mmssc.errors import counted
from mmssc.fileio import atomic_write, check_outputs, note_outputs
from mmssc.registry import DATASETS, METRICS, MODELS
from mmssc.version import __version__

MAKER = 'benchmark.py'
MIB = 2**20


class Stages:
    """Times and peak memory of named stages, over several iterations."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: dict[str, list[float]] = {}
        self.cpu_seconds: dict[str, list[float]] = {}
        self.peak_mib: dict[str, float] = {}

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Measure the body of ``with`` as one run of the stage."""
        self._reset_peak()
        start, cpu_start = time.perf_counter(), time.process_time()
        yield
        self._wait()
        self.seconds.setdefault(name, []).append(time.perf_counter() - start)
        self.cpu_seconds.setdefault(name, []).append(time.process_time() - cpu_start)
        peak = self._peak()
        if peak is not None:
            self.peak_mib[name] = max(peak, self.peak_mib.get(name, 0.0))

    def forget(self) -> None:
        """Delete the measurements so far (the warm-up)."""
        self.seconds.clear()
        self.cpu_seconds.clear()
        self.peak_mib.clear()

    def table(self) -> list[dict[str, Any]]:
        """One record per stage: mean and spread in milliseconds, peak memory in MiB.

        ``cpu_ms`` is the processor time of all threads: other programs do not change it much.
        """
        return [
            dict(
                stage=name,
                mean_ms=round(1e3 * statistics.mean(values), 3),
                spread_ms=round(1e3 * statistics.pstdev(values), 3),
                cpu_ms=round(1e3 * statistics.mean(self.cpu_seconds[name]), 3),
                peak_mib=round(self.peak_mib[name], 1) if name in self.peak_mib else None,
            )
            for name, values in self.seconds.items()
        ]

    def _wait(self) -> None:
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)

    def _reset_peak(self) -> None:
        self._wait()
        if self.device.type == 'cuda':
            torch.cuda.reset_peak_memory_stats(self.device)
        elif os.access('/proc/self/clear_refs', os.W_OK):
            Path('/proc/self/clear_refs').write_text('5')  # Linux: peak = current.

    def _peak(self) -> float | None:
        """Peak of the stage in MiB: allocated on the GPU, or resident in the process (Linux)."""
        if self.device.type == 'cuda':
            return torch.cuda.max_memory_allocated(self.device) / MIB
        status = Path('/proc/self/status')
        if not status.exists() or not os.access('/proc/self/clear_refs', os.W_OK):
            return None
        lines = [line for line in status.read_text().splitlines() if line.startswith('VmHWM:')]
        return int(lines[0].split()[1]) / 1024


def count_parameters(model: torch.nn.Module) -> dict[str, int]:
    """Number of parameters of each part, of the model, and of the trained parameters."""
    counts = {
        name: sum(parameter.numel() for parameter in child.parameters())
        for name, child in model.named_children()
    }
    parameters = list(model.parameters())
    counts['all'] = sum(parameter.numel() for parameter in parameters)
    counts['trained'] = sum(
        parameter.numel() for parameter in parameters if parameter.requires_grad
    )
    return {name: count for name, count in counts.items() if count}


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Hardware and versions that the figures depend on."""
    cpu = platform.processor() or platform.machine()
    info = Path('/proc/cpuinfo')
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith('model name')]
        cpu = names[0].split(':', 1)[1].strip() if names else cpu
    machine = dict(
        mmssc=__version__,
        torch=torch.__version__,
        python=platform.python_version(),
        cpu=cpu,
        cores=os.cpu_count(),
        threads=torch.get_num_threads(),
        device=str(device),
    )
    if device.type == 'cuda':
        machine.update(gpu=torch.cuda.get_device_name(device), cuda=torch.version.cuda)
    return machine


def run_iteration(
    stages: Stages,
    model: Any,
    optim_wrapper: Any,
    metric: Any,
    loaders: tuple[Callable[[int], dict], Callable[[int], dict]],
    batch: list[int],
) -> None:
    """Run one batch through every stage.

    Args:
        stages: What measures them.
        model: The model.
        optim_wrapper: Its optimiser; None: only prediction.
        metric: The metric.
        loaders: Training and validation samples: index -> sample.
        batch: Indices of the samples.
    """
    load, load_val = loaders
    with stages.measure('loading'):
        data = pseudo_collate([load(index) for index in batch])
    # Only the validation pipeline loads what the metric needs (masks, for example).
    val_data = data if load_val is load else pseudo_collate([load_val(index) for index in batch])
    model.eval()
    with torch.no_grad():
        with stages.measure('preprocessing'):
            prepared = model.data_preprocessor(val_data, False)
        if optim_wrapper is not None:
            with stages.measure('forward'):
                model(**prepared, mode='tensor')
        with stages.measure('prediction'):
            predictions = model(**prepared, mode='predict')
    with stages.measure('metric'):
        metric.process(val_data, [sample.to_dict() for sample in predictions])
    if optim_wrapper is None:
        return
    model.train()
    if isinstance(optim_wrapper, OptimWrapperDict):
        with stages.measure('training step'):
            model.train_step(data, optim_wrapper)
        return
    with optim_wrapper.optim_context(model):
        prepared = model.data_preprocessor(data, True)
        with stages.measure('forward and losses'):
            loss, _ = model.parse_losses(model(**prepared, mode='loss'))
    with stages.measure('backward'):
        optim_wrapper.backward(loss)
    with stages.measure('optimiser'):
        optim_wrapper.step()
        optim_wrapper.zero_grad()


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Time, memory and parameters of a config.')
    parser.add_argument('config', help=CONFIG_HELP)
    parser.add_argument('--batch-size', type=int, default=1)
    parser.add_argument('--iters', type=int, default=5, help='measured iterations')
    parser.add_argument(
        '--warmup', type=int, default=1, help='warm-up iterations before the measured ones'
    )
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--amp', action='store_true', help='train in mixed precision')
    parser.add_argument('--out', metavar='FILE.json', help='also write the figures to this file')
    add_overwrite_option(parser)
    parser.add_argument(
        '--synthetic-input', action='store_true', help='random samples instead of the data set'
    )
    parser.add_argument(
        '--prediction-only', action='store_true', help='measure no forward pass, no training'
    )
    parser.add_argument(
        '--shape',
        type=int,
        nargs=2,
        metavar=('HEIGHT', 'WIDTH'),
        help='image size of the random samples',
    )
    parser.add_argument(
        '--points', type=int, default=30000, help='points per frame of the random samples'
    )
    add_cfg_options(parser)
    args = parser.parse_args()
    if args.shape and not args.synthetic_input:
        parser.error('--shape needs --synthetic-input')
    return args


def build(args: argparse.Namespace, cfg: Config, device: torch.device) -> tuple:
    """Model, optimiser wrapper or None, metric, loaders of training and validation samples."""
    if args.amp:
        enable_amp(cfg)
    torch.manual_seed(0)  # Which voxels sparse layers take depends on the weights.
    model = MODELS.build(cfg.model).to(device)
    optim_wrapper = None if args.prediction_only else build_optim_wrapper(model, cfg.optim_wrapper)
    evaluator = cfg.val_evaluator
    metric = METRICS.build(evaluator[0] if isinstance(evaluator, (list, tuple)) else evaluator)
    if args.synthetic_input:
        load = random_samples(cfg, args.shape, args.points)
        metric.dataset_meta = dataset_meta_of(cfg)
        return model, optim_wrapper, metric, (load, load)
    datasets = [
        DATASETS.build(loader.dataset)
        for loader in (
            cfg.val_dataloader if args.prediction_only else cfg.train_dataloader,
            cfg.val_dataloader,
        )
    ]
    metric.dataset_meta = datasets[1].metainfo
    loaders = tuple(
        lambda index, dataset=dataset: dataset[index % len(dataset)] for dataset in datasets
    )
    return model, optim_wrapper, metric, loaders


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Measure the figures that the command line asks for.

    Raises:
        DataError: The config, an option or a file is wrong.
    """
    cfg = read_config(args.config, args.cfg_options)
    if args.out:
        inputs = [*config_files_of(cfg), *info_files_of(cfg), *data_roots_of(cfg)]
        check_outputs([args.out], inputs, args.overwrite, MAKER)
    device = torch.device(args.device)
    model, optim_wrapper, metric, loaders = build(args, cfg, device)
    stages = Stages(device)
    with torch.cuda.device(device) if device.type == 'cuda' else nullcontext():
        for iteration in range(args.warmup + args.iters):
            if iteration == args.warmup:
                stages.forget()
            first = iteration * args.batch_size
            batch = list(range(first, first + args.batch_size))
            run_iteration(stages, model, optim_wrapper, metric, loaders, batch)
    return dict(
        config=str(args.config),
        batch_size=args.batch_size,
        iterations=args.iters,
        amp=args.amp,
        input='synthetic' if args.synthetic_input else 'data set',
        machine=describe_machine(device),
        parameters=count_parameters(model),
        stages=stages.table(),
    )


@command
def main() -> None:
    """Measure what the command line asks for."""
    warnings.simplefilter('ignore')
    args = parse_args()
    with config_errors(args.config):
        result = measure(args)
    print_result(result)
    if args.out:
        note_outputs([args.out], MAKER)
        with atomic_write(args.out, 'w') as file:
            json.dump(result, file, indent=2)


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


if __name__ == '__main__':
    sys.exit(main())
