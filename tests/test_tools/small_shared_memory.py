"""A small ``/dev/shm`` for the tools: a module of ``custom_imports``.

``SMALL_SHARED_MEMORY`` is the number of free bytes and who sees it: ``20000 all`` or ``20000
workers``.
"""

from __future__ import annotations

import os
import shutil
from typing import NamedTuple

from torch.utils.data import get_worker_info
from toy import InstantDataset

from mmssc.compat import loader_workers
from mmssc.registry import DATASETS


class Usage(NamedTuple):
    """As ``shutil.disk_usage`` returns it."""

    total: int
    used: int
    free: int


FREE, WHO = os.environ['SMALL_SHARED_MEMORY'].split()
real_disk_usage = shutil.disk_usage


def disk_usage(path):
    if path != loader_workers.SHARED_MEMORY:
        return real_disk_usage(path)
    small = WHO == 'all' or get_worker_info() is not None
    return Usage(64000, 0, int(FREE) if small else 2**50)


shutil.disk_usage = disk_usage


@DATASETS.register_module()
class GrowingDataset(InstantDataset):
    """Its third sample is large."""

    def prepare_data(self, idx: int) -> dict:
        sample = super().prepare_data(idx)
        more = 10 if idx == 2 else 1
        sample['inputs']['more'] = sample['inputs']['volume'].repeat(1, more, more, more)
        return sample
