"""What tests of resumed trainings share."""

from __future__ import annotations

import torch
from mmengine.optim import OptimWrapper

from mmssc.engine.hooks import ResumeCheckHook


def check(runner, checkpoint):
    ResumeCheckHook().after_load_checkpoint(runner, checkpoint)


def optimizer_after_a_step(kind=torch.optim.AdamW, **options):
    parameter = torch.nn.Parameter(torch.zeros(2, 3))
    optimizer = kind([parameter], **options)
    parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return OptimWrapper(optimizer)
