"""Test in mixed precision."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmssc.models.half_precision import predict_in_half_precision
from mmssc.registry import HOOKS

from .checkpoint_match_hook import unwrap_model

__all__ = ['HalfPrecisionHook']


@HOOKS.register_module()
class HalfPrecisionHook(Hook):
    """Calls :func:`predict_in_half_precision` before a test; ``tools/test.py --amp`` adds it."""

    def before_test_epoch(self, runner: Runner) -> None:
        """Switch the model.

        Raises:
            DataError: The model does not derive from :class:`BaseCompletor`.
        """
        predict_in_half_precision(unwrap_model(runner))
