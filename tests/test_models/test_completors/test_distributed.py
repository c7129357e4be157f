"""Two processes with one sample each equal one process with both."""

import pytest
import torch
import torch.distributed as dist
from tiny_sgn import build_tiny_sgn, collate, make_sample
from torch import multiprocessing
from torch.nn.parallel import DistributedDataParallel

NORM = dict(type='DistributedBN')


def _step(model, wrapped, samples):
    losses = wrapped(**collate(model, *samples), mode='loss')
    total, log = model.parse_losses(losses)
    total.backward()
    gradients = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    statistics = {n: b for n, b in model.named_buffers() if 'running' in n}
    return {name: value.item() for name, value in log.items()}, gradients, statistics


def _build():
    points_head = dict(type='mmssc.PointOccupancyHead', norm_cfg=NORM)
    return build_tiny_sgn(norm_cfg=NORM, points_head=points_head).train()


def _run_process(rank, folder):
    init_method = f'file://{folder}/init'
    dist.init_process_group('gloo', init_method=init_method, rank=rank, world_size=2)
    model = _build()
    wrapped = DistributedDataParallel(model, broadcast_buffers=False)
    torch.save(_step(model, wrapped, [make_sample(rank)]), f'{folder}/{rank}.pt')
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_equal_one_with_both_samples(tmp_path):
    multiprocessing.spawn(_run_process, (str(tmp_path),), nprocs=2)
    model = _build()
    expected = _step(model, model, [make_sample(0), make_sample(1)])
    for rank in range(2):
        log, gradients, statistics = torch.load(tmp_path / f'{rank}.pt', weights_only=True)
        assert log == pytest.approx(expected[0], rel=1e-5)
        scale = max(float(grad.norm()) for grad in expected[1].values())
        for name, grad in expected[1].items():
            # DDP has averaged over the processes, as the losses average over the samples.
            error = float((gradients[name] - grad).norm())
            assert error <= 1e-4 * float(grad.norm()) + 1e-6 * scale, name
        for name, value in expected[2].items():
            torch.testing.assert_close(statistics[name], value, rtol=1e-4, atol=1e-6)
