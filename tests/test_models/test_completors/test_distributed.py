"""Two processes with one sample each equal one process with both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from mmengine.registry import init_default_scope
from tiny_rgbd import CROSS_ENTROPY, SHAPE, tiny_batch, tiny_network
from tiny_sgn import build_tiny_sgn, collate, make_sample
from tiny_sketch import tiny_sketch
from torch import multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

from mmssc.registry import MODELS

NORM = dict(type='DistributedBN')
PER_SAMPLE = dict(CROSS_ENTROPY, reduction='sample')


def _build_sgn(folder: str) -> nn.Module:
    points_head = dict(type='mmssc.PointOccupancyHead', norm_cfg=NORM)
    return build_tiny_sgn(norm_cfg=NORM, points_head=points_head).train()


def _build_cleaners(folder: str) -> nn.Module:
    cfg = tiny_network(loss_2d=PER_SAMPLE, loss_3d=PER_SAMPLE, augmentation=None)
    cfg['backbone'].update(drop_path_rate=0.0)
    cfg['image_head'].update(norm_cfg=NORM, dropout=0.0)
    cfg['tsdf_encoder'].update(norm_cfg=NORM, dropout=0.0)
    cfg['head'].update(norm_cfg=NORM, dropout=0.0)
    file = Path(folder) / 'teacher.pth'
    torch.manual_seed(5)
    teacher = MODELS.build(cfg)
    if not file.exists():
        torch.save(teacher.state_dict(), file)
    distillation = {
        f'loss_kd_{name}': dict(type=f'mmssc.{kind}DistillationLoss')
        for name, kind in (('t', 'Feature'), ('sc', 'ClassCenter'), ('sa', 'ClassAffinity'))
    }
    cfg = {**cfg, 'type': 'mmssc.CleanerS', 'teacher': dict(checkpoint=str(file)), **distillation}
    torch.manual_seed(0)
    return MODELS.build(cfg).train().double()


def _build_sketch(folder: str) -> nn.Module:
    cfg = tiny_sketch(loss_3d=dict(PER_SAMPLE, label_smoothing=0.0), ignored_in_divisor=False)
    cfg['backbone'].update(norm_cfg=dict(type='mmssc.DistributedBN'))
    cfg['neck'].update(norm_cfg=NORM)
    head = dict(cfg['sketch_head'], norm_cfg=NORM, dropout=0.0)
    for name in ('raw', 'posterior', 'prior'):
        head[f'loss_{name}'] = dict(head[f'loss_{name}'], reduction='sample')
    cfg.update(sketch_head=head)
    cfg['head'].update(norm_cfg=NORM, dropout=0.0)
    torch.manual_seed(0)
    return MODELS.build(cfg).train().double()


BUILDERS = dict(sgn=_build_sgn, cleaners=_build_cleaners, sketch=_build_sketch)


def _batch(kind: str, model: nn.Module, indices: list[int]) -> dict[str, Any]:
    if kind == 'sgn':
        # In samples 0 and 1, rounding of float32 decides about a ReLU: an image changed by 1e-7
        # moves gradients by 1 %. In these it moves none by more than 1e-6.
        return collate(model, *(make_sample(index + 2) for index in indices))
    inputs, samples = tiny_batch(2)
    generator = torch.Generator().manual_seed(1)
    codes = torch.randn(4, 2, 4, *(side // 4 for side in SHAPE), generator=generator)[:, indices]
    inputs = {key: value[indices] for key, value in inputs.items()}
    inputs.update(sketch_codes=codes, sketch_noise=codes.flip(0))
    # Elements that are exactly 0 are filled: in float32 rounding decides about some of them.
    inputs = {k: v.double() if v.is_floating_point() else v for k, v in inputs.items()}
    return dict(inputs=inputs, data_samples=[samples[index] for index in indices])


def _step(kind: str, model: nn.Module, wrapped: nn.Module, indices: list[int]) -> tuple:
    losses = wrapped(**_batch(kind, model, indices), mode='loss')
    total, log = model.parse_losses(losses)
    total.backward()
    gradients = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    statistics = {n: b for n, b in model.named_buffers() if 'running' in n}
    return {name: value.item() for name, value in log.items()}, gradients, statistics


def _run_process(rank: int, kind: str, folder: str) -> None:
    init_default_scope('mmssc')
    init_method = f'file://{folder}/init'
    dist.init_process_group('gloo', init_method=init_method, rank=rank, world_size=2)
    model = BUILDERS[kind](folder)
    wrapped = DistributedDataParallel(model, broadcast_buffers=False)
    torch.save(_step(kind, model, wrapped, [rank]), f'{folder}/{rank}.pt')
    dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize('kind', BUILDERS)
def test_two_processes_equal_one_with_both_samples(kind: str, tmp_path: Path) -> None:
    """No parameter is unused, or DistributedDataParallel would refuse."""
    init_default_scope('mmssc')
    model = BUILDERS[kind](str(tmp_path))
    expected = _step(kind, model, model, [0, 1])
    multiprocessing.spawn(_run_process, (kind, str(tmp_path)), nprocs=2)
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
