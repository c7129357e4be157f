"""One process of a measurement: ``python case_worker.py JOB.json OUT.json``.

:mod:`mmssc.performance.growth` writes the job. torchrun starts several of them for one step that
they share; then the first one writes the records.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path

import torch
import torch.distributed as dist

from mmssc.command_line import command, prepare_process
from mmssc.compat import init_cpu_process_group
from mmssc.config_file import config_errors
from mmssc.performance.cases import Case, measure_cases


def device_of_process(name: str) -> torch.device:
    """The device of this process; a distributed run gets its process group."""
    device = torch.device(name)
    if 'LOCAL_RANK' not in os.environ:
        return device
    if device.type == 'cpu':
        init_cpu_process_group()
        return device
    device = torch.device(device.type, int(os.environ['LOCAL_RANK']))
    torch.cuda.set_device(device)
    dist.init_process_group('nccl')
    return device


@command
def main() -> None:
    """Do the job."""
    warnings.simplefilter('ignore')
    job = json.loads(Path(sys.argv[1]).read_text('utf-8'))
    if job['threads']:
        torch.set_num_threads(job['threads'])
    device = device_of_process(job['device'])
    cases = [Case(**case) for case in job['cases']]
    with config_errors(job['config']):
        records = measure_cases(
            job['config'], cases, device, job['iters'], job['warmup'], job['cfg_options'],
            tuple(job['image_size']) if job['image_size'] else None,
        )  # fmt: skip
    if int(os.environ.get('RANK', 0)) == 0:
        Path(sys.argv[2]).write_text(json.dumps(records), 'utf-8')
    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == '__main__':
    prepare_process()
    sys.exit(main())
