"""Compare the time, the memory and the outputs of two versions of mmssc."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmssc.errors import DataError
from mmssc.option_choices import RUNS
from mmssc.temporary_files import temporary_folder

from .versions import Version

__all__ = ['RUNS', 'Measurement', 'compare_versions', 'largest_difference', 'plain_sample']

_WORKER = Path(__file__).with_name('worker.py')


@dataclass(frozen=True)
class Measurement:
    """Figures of one version over all rounds.

    Args:
        version: Name of the version.
        cpu_seconds: CPU time of every measured run, all threads together.
        wall_seconds: Time of every measured run.
        peak_mib: Largest memory of its processes (of the GPU, if they use one); None if the system
            does not say.
        multiply_adds: Of one run, counted during the warm-up; None without a warm-up.
    """

    version: str
    cpu_seconds: list[float]
    wall_seconds: list[float]
    peak_mib: float | None
    multiply_adds: int | None


def plain_sample(sample: Mapping[str, Any]) -> dict[str, Any]:
    """A sample as tensors and plain values, for a version with other classes.

    Args:
        sample: As ``dataset[i]`` returns it.
    """
    data_sample = sample['data_samples']
    meta = {
        key: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        for key, value in data_sample.metainfo_items()
    }
    meta['voxel_grid'] = data_sample.voxel_grid.to_dict()
    return dict(inputs=dict(sample['inputs']), data=dict(data_sample.items()), metainfo=meta)


def compare_versions(
    versions: Sequence[Version], config: Path, job: Mapping[str, Any], rounds: int
) -> tuple[list[Measurement], float]:
    """Measure versions in processes of their own, by turns.

    Every process gets the same weights and samples, and counts its multiply-adds. The first
    version makes the weights, with seed 0.

    Args:
        versions: Two or more.
        config: Config of the clone that runs, see :meth:`Version.config`.
        job: ``run`` (one of :data:`RUNS`), ``samples`` (list of :func:`plain_sample`),
            ``cfg_options``, ``warmup``, ``iters``, ``threads``, ``device``, ``amp``.
        rounds: Processes of each version.

    Returns:
        A measurement of each version; the largest difference of the outputs from those of the first
        version, see :func:`largest_difference`.

    Raises:
        DataError: A version has no such config, or its process has failed.
    """
    configs = [str(version.config(config)) for version in versions]
    figures: list[list[dict[str, Any]]] = [[] for _ in versions]
    outputs: list[dict[str, torch.Tensor]] = [{} for _ in versions]
    with temporary_folder() as scratch:
        for _ in range(rounds):
            for index, version in enumerate(versions):
                amp = job['amp'] and version.amp
                one = dict(job, config=configs[index], folder=str(version.folder), amp=amp)
                found, outputs[index] = _run_process(version, one, scratch)
                figures[index].append(found)
    measurements = [
        Measurement(
            version.name,
            [seconds for one in rows for seconds in one['cpu_seconds']],
            [seconds for one in rows for seconds in one['wall_seconds']],
            max((one['peak_mib'] for one in rows if one['peak_mib'] is not None), default=None),
            rows[0]['multiply_adds'],
        )
        for version, rows in zip(versions, figures)
    ]
    return measurements, max(largest_difference(outputs[0], one) for one in outputs[1:])


def _run_process(
    version: Version, job: dict[str, Any], scratch: Path
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    files = {name: str(scratch / name) for name in ('weights', 'outputs', 'out')}
    path = scratch / 'job'
    torch.save(dict(job, **files), path)
    environment = {**os.environ, 'OMP_NUM_THREADS': str(job['threads']), **version.environment}
    environment['PYTHONPATH'] = version.python_path(environment.get('PYTHONPATH', ''))
    done = subprocess.run(
        [sys.executable, str(_WORKER), str(path)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        if os.environ.get('MMSSC_TRACEBACK', '0') != '0':
            print(done.stderr, file=sys.stderr)
        lines = done.stderr.strip().splitlines() or [f'status {done.returncode}']
        hint = 'MMSSC_TRACEBACK=1 shows all that it printed'
        raise DataError(version.name, job['run'], 'a run without an error', lines[-1], hint)
    found = json.loads(Path(files['out']).read_bytes())
    if Path(found['folder']).resolve() != version.folder.resolve():
        raise DataError(version.name, 'mmssc', version.folder, found['folder'])
    return found, torch.load(files['outputs'], weights_only=True)


def largest_difference(
    first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]
) -> float:
    """Largest absolute difference of the outputs that both have, relative to each one's largest.

    Class ids count as the share of voxels that differ.

    Args:
        first: Name -> tensor.
        second: Another version may give some of them other names.
    """
    shared = first.keys() & second.keys()
    return max((_difference(first[key], second[key]) for key in shared), default=math.inf)


def _difference(first: torch.Tensor, second: torch.Tensor) -> float:
    if first.shape != second.shape:
        return math.inf
    if not first.is_floating_point():
        return float((first != second).double().mean())
    first, second = first.double(), second.double()
    scale = float(first.abs().max())
    return float((first - second).abs().max()) / scale if scale else float(second.abs().max())
