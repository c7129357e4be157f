"""Batch normalisation over all processes for a network that builds its own layers (geffnet)."""

from __future__ import annotations

from mmengine.hooks import Hook
from torch.nn.modules.batchnorm import _BatchNorm

from mmssc.models.layers import DistributedBN
from mmssc.registry import HOOKS


@HOOKS.register_module()
class DistributedNormHook(Hook):
    """Turn every batch normalisation into :class:`DistributedBN`, which has the same state."""

    def before_train(self, runner) -> None:
        for module in runner.model.modules():
            if isinstance(module, _BatchNorm):
                module.__class__ = DistributedBN
