"""Time and memory of predictions and training steps of one config, on random samples."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.model import MMDistributedDataParallel, is_model_wrapper
from torch import nn

from mmssc.apis import read_config
from mmssc.apis.model_loading import dataset_config_of
from mmssc.apis.random_samples import random_samples
from mmssc.apis.rgbd_inferencer import is_rgbd_config
from mmssc.errors import DataError
from mmssc.registry import MODELS
from mmssc.structures import VoxelGrid

from .worker import Clock, predict, train

__all__ = ['OUT_OF_MEMORY', 'Case', 'measure_cases', 'scaled_config']

#: The note of a case for which the memory of the GPU is too small.
OUT_OF_MEMORY = 'out of memory'


@dataclass(frozen=True)
class Case:
    """What is measured.

    Args:
        run: ``'inference'`` or ``'training'``, see :data:`.RUNS`.
        batch_size: Samples of a step, in all processes together.
        amp: bfloat16 (mixed precision) instead of float32.
        grid: The grid gets so many times as many voxels along its first axis.
        frames: Images of a sample; None: as many as the config says.
        processes: Processes that share a step.
    """

    run: str
    batch_size: int = 1
    amp: bool = False
    grid: int = 1
    frames: int | None = None
    processes: int = 1


def scaled_config(
    config: str, cfg_options: Mapping[str, Any] | None, grid: int, frames: int | None
) -> Config:
    """A config with a larger grid or another number of frames.

    Args:
        config: File or name.
        cfg_options: Settings of the user.
        grid: See :class:`Case`.
        frames: See :class:`Case`.

    Raises:
        DataError: The config has no grid, or it reads one frame only and others are asked for.
    """
    cfg = read_config(config, dict(cfg_options or {}))
    for owner in _owners_of_grids(cfg.model):
        one = VoxelGrid.build(owner['voxel_grid'])
        first, *others = one.shape
        owner['voxel_grid'] = dict(one.to_dict(), shape=[first * grid, *others])
    if frames is not None:
        if is_rgbd_config(cfg):
            hint = 'Leave out --frames, or give a config of a driving data set'
            raise DataError('--frames', None, 'a config that reads several frames', config, hint)
        dataset_config_of(cfg)['frame_offsets'] = tuple(range(-1, -frames, -1))
    return cfg


def _owners_of_grids(node: Any) -> list[dict[str, Any]]:
    """Every part of a config with its own ``voxel_grid``."""
    if isinstance(node, (list, tuple)):
        return [owner for value in node for owner in _owners_of_grids(value)]
    if not isinstance(node, dict):
        return []
    own = [node] if 'voxel_grid' in node else []
    return own + [owner for value in node.values() for owner in _owners_of_grids(value)]


def measure_cases(
    config: str,
    cases: Sequence[Case],
    device: torch.device,
    iters: int = 3,
    warmup: int = 1,
    cfg_options: Mapping[str, Any] | None = None,
    image_size: tuple[int, int] | None = None,
) -> list[dict[str, Any]]:
    """Measure cases in this process; all have the same weights, grid and frames.

    On the CPU the peak is that of the process, so give one case only. In a distributed run, every
    process measures its share of the batch.

    Args:
        config: File or name.
        cases: What to measure.
        device: Where the model runs.
        iters: Measured runs of each case.
        warmup: Runs before these.
        cfg_options: Settings of the user.
        image_size: (height, width) of the random images; None: that of the config.

    Returns:
        A record for each case: its settings, ``seconds`` (median of a run), ``cpu_seconds``,
        ``peak_mib``, ``finite`` (whether no output is NaN or infinite), and ``note``. Only the
        note is there if the memory of the GPU is too small.

    Raises:
        DataError: The config is wrong.
    """
    cfg = scaled_config(config, cfg_options, cases[0].grid, cases[0].frames)
    load = random_samples(cfg, image_size)
    torch.manual_seed(0)  # Which voxels sparse layers take depends on the weights.
    with torch.cuda.device(device) if device.type == 'cuda' else nullcontext():
        model = _distributed(MODELS.build(cfg.model).to(device), cfg, device)
        # Not on the GPU, where they would count in its peak.
        weights = {key: one.to('cpu', copy=True) for key, one in model.state_dict().items()}
        records = []
        for case in cases:
            model.load_state_dict(weights)
            rank, share = int(os.environ.get('RANK', 0)), case.batch_size // case.processes
            numbers = range(rank * share, (rank + 1) * share)
            batch = pseudo_collate([load(number) for number in numbers])
            job = dict(warmup=warmup, iters=iters, amp=case.amp)
            records.append(
                dict(asdict(case), config=config, **_measure(model, batch, job, case, cfg, device))
            )
    return records


def _measure(
    model: nn.Module, batch: Any, job: dict[str, Any], case: Case, cfg: Config, device: torch.device
) -> dict[str, Any]:
    clock, outputs = Clock(device), None
    try:
        if case.run == 'inference':
            outputs = predict(model, batch, job, clock)
        else:
            outputs = train(model, batch, job, clock, copy.deepcopy(cfg))
    except torch.cuda.OutOfMemoryError:
        pass  # Not in here: the error keeps what fills the memory.
    model.zero_grad(set_to_none=True)
    if outputs is None:
        torch.cuda.empty_cache()
        return dict(note=OUT_OF_MEMORY)
    figures = job['figures']
    return dict(
        seconds=_median(figures['wall_seconds']),
        cpu_seconds=_median(figures['cpu_seconds']),
        peak_mib=figures['peak_mib'],
        finite=all(bool(value.isfinite().all()) for value in outputs.values()),
        note='',
    )


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2] if values else math.nan


def _distributed(model: nn.Module, cfg: Config, device: torch.device) -> nn.Module:
    """The model for its part of a distributed run, which torchrun has started; else the model."""
    if int(os.environ.get('WORLD_SIZE', 1)) == 1 or is_model_wrapper(model):
        return model
    return MMDistributedDataParallel(
        model, device_ids=[device.index] if device.type == 'cuda' else None,
        broadcast_buffers=False, find_unused_parameters=cfg.get('find_unused_parameters', False),
    )  # fmt: skip
