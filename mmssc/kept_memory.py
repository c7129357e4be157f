"""Keep the memory of large volumes in the process, instead of returning it after every operation.

glibc returns the memory of every large tensor to the system and asks for it again: on a CPU a
fifth to a third of the time of a network is page faults. Other C libraries stay as they are.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

__all__ = ['SWITCH', 'free_memory', 'keep_memory', 'keep_memory_in_training']

#: ``0`` in this environment variable leaves the allocator as it is.
SWITCH = 'MMSSC_KEEP_MEMORY'
# The peak grows by up to a sixth, by free blocks between used ones: only where there is room. The
# largest training step of a config of ours takes 15 GiB.
_LEAST_FREE, _LEAST_FREE_IN_TRAINING = 8 * 2**30, 18 * 2**30

# Names of <malloc.h>, and the values that keep all memory.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_KEEP = {_MMAP_MAX: 0, _TRIM_THRESHOLD: -1}
# What glibc itself adapts to after it has freed a block of 32 MiB.
_RETURN = {_MMAP_MAX: 65536, _MMAP_THRESHOLD: 32 * 2**20, _TRIM_THRESHOLD: 64 * 2**20}
# A setting of the user's own counts more.
_OWN_SETTINGS = ('MALLOC_MMAP_MAX_', 'MALLOC_MMAP_THRESHOLD_', 'MALLOC_TRIM_THRESHOLD_')


@cache
def keep_memory() -> bool:
    """Keep the memory of this process from now on; only the first call does something.

    Forked processes, such as the workers of a data loader, return memory as usual. Nothing changes
    without glibc, in worker processes, with less than 8 GiB of free memory (also of the container),
    with :data:`SWITCH` set to 0, or if an environment variable of glibc sets its allocator.

    Returns:
        Whether the memory is kept.
    """
    is_set = any(name in os.environ for name in _OWN_SETTINGS)
    if os.environ.get(SWITCH, '1') == '0' or is_set or _has_tunables():
        return False
    if multiprocessing.parent_process() is not None or not _is_glibc():
        return False
    free = free_memory()
    if free is None or free < _LEAST_FREE or not _set_allocator(_KEEP):
        return False
    os.register_at_fork(after_in_child=lambda: _set_allocator(_RETURN))
    return True


def keep_memory_in_training() -> bool:
    """Return memory as usual from now on, if less than 18 GiB are free for a training.

    Returns:
        Whether the memory is kept.
    """
    if not keep_memory():
        return False
    free = free_memory()
    return free is not None and (free >= _LEAST_FREE_IN_TRAINING or not _set_allocator(_RETURN))


def _has_tunables() -> bool:
    return 'glibc.malloc.' in os.environ.get('GLIBC_TUNABLES', '')


def _is_glibc() -> bool:
    try:
        return os.confstr('CS_GNU_LIBC_VERSION') is not None
    except (AttributeError, OSError, ValueError):  # Windows; macOS; musl
        return False


def _set_allocator(values: dict[int, int]) -> bool:
    mallopt = ctypes.CDLL(None).mallopt
    return all(mallopt(ctypes.c_int(name), ctypes.c_int(value)) for name, value in values.items())


def free_memory() -> int | None:
    """Bytes that this process can still take: of the machine and of every control group above it.

    Returns:
        None if the system does not say (it is not Linux).
    """
    machine = re.search(r'^MemAvailable: +(\d+) kB', _text('/proc/meminfo'), re.M)
    if machine is None:
        return None
    return min([int(machine[1]) * 1024, *_free_in_groups()])


def _free_in_groups() -> Iterator[int]:
    """Limit minus use of every control group; a container shows its own group as the root."""
    for line in _text('/proc/self/cgroup').splitlines():
        _, kinds, name = line.split(':', 2)
        if kinds == '':
            root, limit, use = '/sys/fs/cgroup', 'memory.max', 'memory.current'
        elif 'memory' in kinds.split(','):
            root, limit = '/sys/fs/cgroup/memory', 'memory.limit_in_bytes'
            use = 'memory.usage_in_bytes'
        else:
            continue
        group = Path(root, name.lstrip('/'))
        for folder in (group, *group.parents):
            most, used = _text(folder / limit).strip(), _text(folder / use).strip()
            if most.isdigit() and used.isdigit():
                # The system drops cached files where a program needs the memory. Version 1 names
                # those of the group itself, and the sum with the groups inside it.
                cached = re.findall(r'inactive_file (\d+)', _text(folder / 'memory.stat'))
                yield int(most) - int(used) + max(map(int, cached), default=0)


def _text(path: str | Path) -> str:
    """The text of a file of the kernel; '' if there is none."""
    try:
        return Path(path).read_text(encoding='ascii')
    except OSError:
        return ''
