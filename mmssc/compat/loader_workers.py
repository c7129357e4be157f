"""Data loader workers that report a full ``/dev/shm``.

A worker sends the tensors of a batch through ``/dev/shm``, from a background thread. If that
thread fails, torch prints its traceback and the training process waits for the batch for ever;
torch before 2.10 ends the worker with a bus error. Here the worker moves the tensors itself, so an
error reaches the training process like any other error of a worker.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from .import_hooks import after_import

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    'SHARED_MEMORY', 'SharingCollate', 'full_shared_memory', 'loader_worker_errors',
    'readable_size', 'report_full_shared_memory', 'shared_bytes',
]  # fmt: skip

#: The folder of Linux for memory that processes share; other systems have none.
SHARED_MEMORY = Path('/dev/shm')
_PAGE = 4096
_FEWER_WORKERS = (
    '--cfg-options train_dataloader.num_workers=0 train_dataloader.persistent_workers=False, and '
    'the same for val_dataloader and test_dataloader'
)


class _Nowhere:
    """A file that forgets what is written."""

    def write(self, data: Any) -> int:
        """Forget the bytes."""
        return len(data)


class _TensorFinder(ForkingPickler):
    """Collects the tensors of a batch by pickling it to nowhere: any container, at any depth."""

    def __init__(self) -> None:
        super().__init__(_Nowhere())
        self.tensors: list[Tensor] = []

    def persistent_id(self, value: Any) -> int | None:
        """Keep a tensor; None lets other objects be pickled."""
        import torch

        if not isinstance(value, torch.Tensor) or value.layout != torch.strided:
            return None
        if not value.is_cuda and value.untyped_storage().nbytes():
            self.tensors.append(value)
        return id(value)


def _tensors_of(batch: Any) -> list[Tensor]:
    finder = _TensorFinder()
    finder.dump(batch)
    return finder.tensors


def shared_bytes(batch: Any) -> int:
    """Bytes of ``/dev/shm`` that a worker needs to send a sample or a batch: whole pages.

    Args:
        batch: Tensors in containers and objects of any kind that can be pickled.
    """
    storages = [tensor.untyped_storage() for tensor in _tensors_of(batch)]
    sizes = {storage.data_ptr(): storage.nbytes() for storage in storages}
    return sum(-(-size // _PAGE) * _PAGE for size in sizes.values())


def full_shared_memory(
    expected: str, free: int | None = None, fewer_workers: str = _FEWER_WORKERS
) -> DataError:
    """The error for a ``/dev/shm`` that is too small.

    Args:
        expected: What the loader needs.
        free: Free bytes; None asks the system now.
        fewer_workers: The option that makes the loader need less.
    """
    usage = shutil.disk_usage(SHARED_MEMORY)
    free = usage.free if free is None else free
    found = f'{readable_size(free)} free of {readable_size(usage.total)}'
    hint = (
        'The workers of the data loader send their batches through it. Start the container with '
        f'more (docker run --shm-size=8g or --ipc=host), or use fewer workers: {fewer_workers}'
    )
    return DataError(SHARED_MEMORY, 'size', expected, found, hint)


def readable_size(count: int) -> str:
    """A number of bytes as text, e.g. ``'64.0 MB'``."""
    return f'{count / 2**20:.1f} MB' if count >= 2**20 else f'{count / 2**10:.0f} kB'


class SharingCollate:
    """Wraps the collate function of a loader: a worker moves the tensors to shared memory here.

    Args:
        collate_fn: From a list of samples to a batch.
    """

    def __init__(self, collate_fn: Callable[[Sequence[Any]], Any]) -> None:
        self.collate_fn = collate_fn

    def __call__(self, samples: Sequence[Any]) -> Any:
        """Return the batch.

        Raises:
            DataError: ``/dev/shm`` has no room for the batch.
        """
        from torch.utils.data import get_worker_info

        batch = self.collate_fn(samples)
        if get_worker_info() is not None and SHARED_MEMORY.is_dir():
            _share(batch)
        return batch


def _share(batch: Any) -> None:
    need = shared_bytes(batch)
    expected = f'{readable_size(need)} for the next batch'
    # Asked first: torch before 2.10 takes what is not there, and the process dies.
    if need > shutil.disk_usage(SHARED_MEMORY).free:
        raise full_shared_memory(expected)
    try:
        for tensor in _tensors_of(batch):
            tensor.share_memory_()
    except RuntimeError as error:
        # Not the number of the error: torch 2.10 reports a wrong one.
        if 'unable to allocate shared memory' not in str(error):
            raise
        raise full_shared_memory(expected) from error


@contextmanager
def loader_worker_errors() -> Iterator[None]:
    """Turn the death of a worker by a full ``/dev/shm`` into a :class:`DataError`.

    Raises:
        DataError: A worker died of a bus error.
    """
    try:
        yield
    except RuntimeError as error:
        if 'Bus error' not in f'{error} {error.__cause__}':
            raise
        raise full_shared_memory('room for every batch of the loader') from error


def _wrap_collate_functions(runner_module: ModuleType) -> None:
    runner = runner_module.Runner
    build = runner.build_dataloader
    if hasattr(build, '__wrapped__'):
        return

    @functools.wraps(build)
    def build_dataloader(*args: Any, **kwargs: Any) -> Any:
        loader = build(*args, **kwargs)
        if not isinstance(loader.collate_fn, SharingCollate):
            loader.collate_fn = SharingCollate(loader.collate_fn)
        return loader

    runner.build_dataloader = staticmethod(build_dataloader)


def report_full_shared_memory() -> None:
    """Let the loaders that mmengine's runner builds report a full ``/dev/shm``."""
    after_import('mmengine.runner.runner', _wrap_collate_functions)
