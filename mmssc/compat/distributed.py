"""Process groups on machines without a GPU."""

from __future__ import annotations

import os

from ..errors import DataError

__all__ = ['init_cpu_process_group']


def init_cpu_process_group(launcher: str = 'pytorch') -> None:
    """Start torch.distributed with gloo, from the variables that torchrun or Slurm set.

    mmengine's ``init_dist`` calls ``torch.cuda.set_device`` for every backend. Does nothing if a
    group exists already (``Runner`` then keeps it).

    Args:
        launcher: ``'pytorch'`` (torchrun) or ``'slurm'``.

    Raises:
        DataError: The launcher is not one of these, or its variables are not set.
    """
    import torch.distributed as dist

    if dist.is_initialized():
        return
    if launcher == 'slurm':
        _set_environment_from_slurm()
    elif launcher != 'pytorch':
        raise DataError('--launcher', expected='pytorch or slurm on the CPU', found=launcher)
    names = ('RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT')
    missing = [name for name in names if name not in os.environ]
    if missing:
        hint = (
            'Start with torchrun (tools/dist_train.sh does) or, on a cluster, with srun '
            '(tools/slurm_train.sh does)'
        )
        raise DataError('environment', ', '.join(missing), 'values', 'none', hint)
    dist.init_process_group(backend='gloo')


def _set_environment_from_slurm() -> None:
    names = {'RANK': 'SLURM_PROCID', 'WORLD_SIZE': 'SLURM_NTASKS', 'LOCAL_RANK': 'SLURM_LOCALID'}
    for name, slurm_name in names.items():
        if slurm_name in os.environ:
            os.environ.setdefault(name, os.environ[slurm_name])
    # The first host of a list such as 'node[03-05],gpu7' is the master.
    nodes = os.environ.get('SLURM_NODELIST', '')
    head, _, rest = nodes.split(',')[0].partition('[')
    master = head + rest.rstrip(']').split('-')[0].split(',')[0]
    if master:
        os.environ.setdefault('MASTER_ADDR', master)
    os.environ.setdefault('MASTER_PORT', '29500')
