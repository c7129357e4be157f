"""The machine that figures were measured on."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import Any

import torch

from mmssc.version import __version__

__all__ = ['describe_machine', 'measure_peak']


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


def measure_peak(device: torch.device, size: int = 2048, repeats: int = 5) -> float:
    """The most multiply-adds that the device does, by a plain product of matrices.

    Args:
        device: Where to measure, with the threads that torch has now.
        size: Rows and columns of the matrices, float32.
        repeats: Products; the fastest counts, because other programs can only slow it down.

    Returns:
        10^9 multiply-adds in a second: of CPU time of all threads, or of time on a GPU.
    """
    first, second = torch.rand(2, size, size, device=device)
    clock = time.perf_counter if device.type == 'cuda' else time.process_time
    seconds = []
    for _ in range(repeats + 1):
        start = clock()
        torch.mm(first, second)
        if device.type == 'cuda':
            torch.cuda.synchronize(device)
        seconds.append(clock() - start)
    # The first product is the warm-up.
    return size**3 / min(seconds[1:]) / 1e9
