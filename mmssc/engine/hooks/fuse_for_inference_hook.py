"""Fold batch normalisation into convolutions for a test."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmssc.models.fusion import fuse_for_inference
from mmssc.registry import HOOKS

from .checkpoint_match_hook import unwrap_model

__all__ = ['FuseForInferenceHook']


@HOOKS.register_module()
class FuseForInferenceHook(Hook):
    """Calls :func:`fuse_for_inference` on the loaded model before a test.

    ``tools/test.py --fuse`` adds this hook. The model cannot learn afterwards, so a training must
    not have it.
    """

    # After hooks that exchange weights for the test, such as mmengine's EMAHook.
    priority = 'LOWEST'

    def before_test_epoch(self, runner: Runner) -> None:
        """Fold."""
        fuse_for_inference(unwrap_model(runner).eval())
