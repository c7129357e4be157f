"""The processes of data loaders end at once after a run."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmssc.registry import HOOKS

__all__ = ['LoaderWorkersHook']


@HOOKS.register_module()
class LoaderWorkersHook(Hook):
    """Ends persistent workers while the queues that tell them so still work.

    A runner has reference cycles. If Python's garbage collector finds a loader in one, it closes
    the queues first, and PyTorch then waits five seconds for every worker before it kills it.
    """

    priority = 'LOWEST'

    def after_run(self, runner: Runner) -> None:
        """Let go of the iterators; another run makes new ones."""
        for loop in (runner._train_loop, runner._val_loop, runner._test_loop):
            # A loop that did not run is still a config.
            loader = getattr(loop, 'dataloader', None)
            if isinstance(loader, DataLoader):
                loader._iterator = None
