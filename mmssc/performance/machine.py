"""The machine that figures were measured on."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from mmssc.errors import DataError
from mmssc.ops.products import matmul
from mmssc.version import __version__

__all__ = ['describe_machine', 'measure_peak', 'no_gpu_reason', 'usable_device']


def no_gpu_reason() -> str | None:
    """Why torch sees no GPU; None if it sees one."""
    if torch.cuda.is_available():
        return None
    if torch.version.cuda is None and torch.version.hip is None:
        return f'torch {torch.__version__} is a CPU build'
    built = f'torch {torch.__version__} is built for CUDA {torch.version.cuda}'
    if os.environ.get('CUDA_VISIBLE_DEVICES') in ('', '-1'):
        return f'{built}, but CUDA_VISIBLE_DEVICES hides every GPU'
    return f'{built}, but finds no GPU or no driver that is new enough (nvidia-smi shows both)'


def usable_device(name: str, option: str = '--device') -> torch.device:
    """The device of an option.

    Args:
        name: ``'cpu'``, ``'cuda'`` or ``'cuda:1'``.
        option: Its name, for the error.

    Raises:
        DataError: There is no such device here.
    """
    expected = 'cpu, cuda or cuda:NUMBER'
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DataError(option, None, expected, repr(name)) from error
    if device.type not in ('cpu', 'cuda'):
        raise DataError(option, None, expected, repr(name))
    count = torch.cuda.device_count() if device.type == 'cuda' else 1
    if not count:
        raise DataError(option, None, 'a GPU', no_gpu_reason(), 'Give --device cpu')
    if device.type == 'cuda' and (device.index or 0) >= count:
        hint = f'GPUs are counted from 0, up to {count - 1}'
        raise DataError(option, None, f'one of {count} GPUs', name, hint)
    return device


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


def measure_peak(
    device: torch.device,
    size: int = 2048,
    repeats: int = 5,
    dtype: torch.dtype = torch.float32,
) -> float:
    """The most multiply-adds that the device does, by a plain product of matrices.

    Args:
        device: Where to measure, with the threads that torch has now.
        size: Rows and columns of the matrices.
        repeats: Products; the fastest counts, because other programs can only slow it down.
        dtype: Of the matrices.

    Returns:
        10^9 multiply-adds in a second: of CPU time of all threads, or of time on a GPU.
    """
    first, second = (one.to(dtype) for one in torch.rand(2, size, size, device=device))
    clock = time.perf_counter if device.type == 'cuda' else time.process_time
    # oneDNN is faster than PyTorch's own choice for float32 on some processors.
    products: list[Callable[..., torch.Tensor]]
    products = [torch.mm] if device.type == 'cuda' else [torch.mm, matmul]
    seconds = []
    with torch.no_grad():
        for product in products:
            product(first, second)  # the warm-up
            for _ in range(repeats):
                start = clock()
                product(first, second)
                if device.type == 'cuda':
                    torch.cuda.synchronize(device)
                seconds.append(clock() - start)
    return size**3 / min(seconds) / 1e9
