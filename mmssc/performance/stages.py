"""Time and memory of the stages of a model: loading, prediction, losses, backward pass, step."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.dataset import pseudo_collate
from mmengine.optim import OptimWrapperDict

from mmssc.geometry import depth_volumes, place_grid, tilted_camera
from mmssc.structures import VoxelGrid

__all__ = ['Stages', 'count_parameters', 'measure_volumes', 'run_iteration']

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


def measure_volumes(stages: Stages, box: VoxelGrid, image_size: tuple[int, int]) -> None:
    """Measure what a depth image needs before the network: TSDF and voxel-pixel mapping.

    The image shows a wall at 3 m. The time hardly depends on what an image shows.

    Args:
        stages: What measures it.
        box: Grid of the network; its origin does not matter.
        image_size: (height, width) in pixels.
    """
    height, width = image_size
    depth = torch.full(image_size, 3.0, device=stages.device)
    focal = 0.8 * width  # As of a Kinect.
    cam2img = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    pose = tilted_camera(1.4, 0.2)
    grid = place_grid(pose, box.voxel_size[0], box.shape, box.axes)
    with stages.measure('TSDF and mapping'):
        depth_volumes(depth, cam2img, pose, grid)


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
