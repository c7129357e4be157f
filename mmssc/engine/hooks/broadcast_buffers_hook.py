"""The same buffers on all processes before a validation."""

from __future__ import annotations

import torch
from mmengine.dist import broadcast, is_distributed
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from mmssc.registry import HOOKS

__all__ = ['BroadcastBuffersHook', 'broadcast_buffers']


@HOOKS.register_module()
class BroadcastBuffersHook(Hook):
    """Copies the buffers of process 0 to all processes before each validation.

    Each process updates the statistics of BatchNorm, and other buffers, with its own samples.
    Process 0 writes the checkpoints, so its buffers are those of the file. Without this hook, every
    process would validate another model, and ``tools/test.py`` would not reproduce the scores.
    Parameters need no copy: all processes take the same steps. ``tools/train.py`` adds this hook to
    every training.
    """

    # After all hooks that change buffers, such as EMAHook, which puts the averages in.
    priority = 'LOWEST'

    def before_val_epoch(self, runner: Runner) -> None:
        """Copy the buffers."""
        broadcast_buffers(runner.model)


@torch.no_grad()
def broadcast_buffers(model: nn.Module) -> None:
    """Copy all buffers of process 0 to the other processes; nothing to do in a single process.

    Args:
        model: Wrapped or not. Its buffers have the same shapes and types on all processes.
    """
    if not is_distributed():
        return
    for buffer in model.buffers():
        content = buffer.contiguous()
        broadcast(content, src=0)
        buffer.copy_(content)
