"""Print how many CPU cores this process may use: ``python tools/misc/cores.py``."""

from __future__ import annotations

import os


def available_cores() -> int:
    """Number of cores that the scheduler allows; all cores where it does not say (macOS)."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


if __name__ == '__main__':
    print(available_cores())
