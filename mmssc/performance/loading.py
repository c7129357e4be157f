"""How fast one process of a data loader makes samples, and what takes the time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from mmssc.errors import DataError
from mmssc.inspection.config_checks import without_wrappers

__all__ = ['measure_loading']


class _Timed:
    """A transform that adds its CPU time to a record."""

    def __init__(self, transform: Callable[[dict], Any], seconds: dict[str, float]) -> None:
        self.transform, self.seconds = transform, seconds
        self.name = type(transform).__name__

    def __call__(self, results: dict) -> Any:
        start = time.process_time()
        results = self.transform(results)
        passed = time.process_time() - start
        self.seconds[self.name] = self.seconds.get(self.name, 0.0) + passed
        return results


def measure_loading(dataset: Any, samples: int, name: str = 'data set') -> dict[str, Any]:
    """Read samples in this process, as a loader process does.

    Args:
        dataset: With its pipeline; one with wrappers, too. Its transforms are timed from now on.
        samples: How many to read, from the first on; a short data set is read again.
        name: Of the data set, for errors.

    Returns:
        ``samples``; ``seconds`` that pass and ``cpu_seconds`` of a sample; ``transforms``: name ->
        CPU seconds of a sample, the slowest first, with ``others`` for what no transform does.

    Raises:
        DataError: The data set is empty, or a file is wrong.
    """
    if not len(dataset):
        raise DataError(name, None, 'at least one sample', 'none')
    seconds: dict[str, float] = {}
    dataset[0]  # Imports, calibrations and tables that all samples share.
    for inner in without_wrappers(dataset):
        pipeline = getattr(inner, 'pipeline', None)
        steps = getattr(pipeline, 'transforms', [])
        steps[:] = [_Timed(one, seconds) for one in steps]
    start, cpu_start = time.perf_counter(), time.process_time()
    for number in range(samples):
        dataset[number % len(dataset)]
    cpu_seconds = time.process_time() - cpu_start
    passed = time.perf_counter() - start
    seconds['others'] = max(cpu_seconds - sum(seconds.values()), 0.0)
    slowest_first = sorted(seconds.items(), key=lambda pair: -pair[1])
    return dict(
        samples=samples,
        seconds=passed / samples,
        cpu_seconds=cpu_seconds / samples,
        transforms={name: value / samples for name, value in slowest_first},
    )
