"""How time and memory of a step grow with the batch, the grid, the frames and the processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby, product
from pathlib import Path
from typing import Any

from mmssc.errors import DataError
from mmssc.temporary_files import temporary_folder

from .cases import Case
from .versions import OWN_FOLDER

__all__ = ['AXES', 'Settings', 'cases_of', 'efficiency', 'growth_panels', 'measure_growth']

#: Names of what grows; fields of a case.
AXES = ('batch_size', 'grid', 'frames', 'processes')
_WORKER = Path(__file__).with_name('case_worker.py')


@dataclass(frozen=True)
class Settings:
    """How the cases are measured.

    Args:
        device: Where the model runs.
        threads: Threads of torch in each process; None: as many as torch takes.
        iters: Measured runs of each case.
        warmup: Runs before these.
        cfg_options: Settings of the user for every config.
        image_size: (height, width) of the random images; None: that of the config.
    """

    device: str = 'cpu'
    threads: int | None = None
    iters: int = 3
    warmup: int = 1
    cfg_options: Mapping[str, Any] = field(default_factory=dict)
    image_size: tuple[int, int] | None = None


def cases_of(
    runs: Iterable[str], precisions: Iterable[str], sizes: Mapping[str, Sequence[int]]
) -> list[Case]:
    """Cases in which one thing grows and the others stay at their first size.

    Args:
        runs: ``'inference'``, ``'training'``.
        precisions: ``'fp32'``, ``'bf16'``.
        sizes: Axis (one of :data:`AXES`) -> its sizes; without ``frames``, those of the config.
            Processes share a training step whose batch is their largest number.
    """
    cases: list[Case] = []
    for run in runs:
        for precision in precisions:
            amp, first = precision == 'bf16', sizes['batch_size'][0]
            cases += [Case(run, batch, amp) for batch in sizes['batch_size']]
            cases += [Case(run, first, amp, grid=grid) for grid in sizes.get('grid', ())]
            cases += [Case(run, first, amp, frames=count) for count in sizes.get('frames', ())]
            processes = sizes.get('processes', ()) if run == 'training' else ()
            cases += [Case(run, max(processes), amp, processes=count) for count in processes]
    # Cases that one process can measure are neighbours.
    return sorted(dict.fromkeys(cases), key=_model_of)


def _model_of(case: Case) -> tuple[int, int, int]:
    return case.processes, case.grid, case.frames or 0


def measure_growth(
    config: str, cases: Sequence[Case], settings: Settings, report: Callable[[dict], None]
) -> list[dict[str, Any]]:
    """Measure cases of one config in processes of their own.

    On a GPU, cases with the same model share a process, because starting takes longer than
    measuring.

    Args:
        config: File or name.
        cases: See :func:`cases_of`.
        settings: How.
        report: Gets each record at once.

    Returns:
        Records, see :func:`.measure_cases`.

    Raises:
        DataError: A process has failed.
    """
    groups: list[list[Case]] = [[case] for case in cases]
    if not settings.device.startswith('cpu'):
        groups = [list(group) for _, group in groupby(cases, _model_of)]
    records = []
    with temporary_folder() as scratch:
        for group in groups:
            found = _run_process(config, group, settings, scratch)
            records += found
            for record in found:
                report(record)
    return records


def _run_process(
    config: str, cases: list[Case], settings: Settings, scratch: Path
) -> list[dict[str, Any]]:
    job, out, count = scratch / 'job', scratch / 'out', cases[0].processes
    content = dict(asdict(settings), config=config, cases=[asdict(case) for case in cases])
    job.write_text(json.dumps(content), 'utf-8')
    program = [sys.executable, str(_WORKER)]
    if count > 1:
        launcher = ['-m', 'torch.distributed.run', '--standalone', f'--nproc-per-node={count}']
        program[1:1] = launcher
    paths = [str(OWN_FOLDER), os.environ.get('PYTHONPATH', '')]
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(filter(None, paths))}
    if settings.threads:
        environment['OMP_NUM_THREADS'] = str(settings.threads)
    done = subprocess.run(
        [*program, str(job), str(out)], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith('error: ')] or lines[-1:]
        found = errors[0].removeprefix('error: ') if errors else f'status {done.returncode}'
        raise DataError(config, cases[0].run, 'a run without an error', found)
    return json.loads(out.read_text('utf-8'))


def efficiency(records: Sequence[Mapping[str, Any]]) -> dict[int, float]:
    """Processes -> time of one process divided by their time and their number.

    Args:
        records: Those of one config with the same batch size.
    """
    seconds = {one['processes']: one['seconds'] for one in records if one.get('seconds')}
    if 1 not in seconds:
        return {}
    return {count: seconds[1] / (count * value) for count, value in sorted(seconds.items())}


def growth_panels(records: Sequence[Mapping[str, Any]]) -> dict[str, tuple]:
    """Time and memory over all that grows, for :func:`mmssc.visualization.charts.draw_curves`."""
    panels: dict[str, tuple] = {}
    for axis, (key, unit) in product(AXES, (('seconds', 'seconds'), ('peak_mib', 'peak MiB'))):
        lines: dict[tuple, tuple[list[float], list[float]]] = {}
        for one in records:
            if one.get(key) is None or one[axis] is None:
                continue
            kind = 'bf16' if one['amp'] else 'fp32'
            label = f'{Path(one["config"]).stem}, {one["run"]}, {kind}'
            x, y = lines.setdefault((label, *(one[n] for n in AXES if n != axis)), ([], []))
            x.append(one[axis])
            y.append(one[key])
        drawn = {label: line for (label, *_), line in lines.items() if len(line[0]) > 1}
        if drawn:
            name = axis.replace('_', ' ')
            panels[f'{unit} by {name}'] = (name, drawn, {})
    return panels
