"""A trained network that teaches another one."""

from __future__ import annotations

import glob
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mmssc.checkpoints.files import read_state_dict
from mmssc.checkpoints.matching import check_weights
from mmssc.errors import DataError
from mmssc.registry import MODELS

from .base_completor import BaseCompletor

__all__ = ['FrozenTeacher']


class FrozenTeacher:
    """A trained completor in evaluation mode, without gradients.

    It is no module, so a student that has it as an attribute does not register it: the teacher is
    in no optimiser, no gradient reducer and no checkpoint. The student calls :meth:`apply` in its
    ``_apply``, so that the teacher follows it to another device or type.

    Args:
        cfg: Config of the completor, and ``checkpoint``: its file, or a pattern such as
            ``work_dirs/NAME/best_*.pth`` that one file matches.
        field: Where ``cfg`` is in the config, e.g. ``'model.teacher'``, for messages.
        hint: How to get a checkpoint, for messages.
    """

    def __init__(self, cfg: Mapping[str, Any], field: str, hint: str) -> None:
        self.cfg = {key: value for key, value in cfg.items() if key != 'checkpoint'}
        self.checkpoint = cfg.get('checkpoint')
        self.field, self.hint = field, hint
        self.network: BaseCompletor | None = None
        self.is_trained = False

    def load(self, student: nn.Module) -> BaseCompletor:
        """The teacher; its file is read when it is asked for first.

        Args:
            student: The teacher gets its device and type.

        Raises:
            DataError: There is no such file, or not one of this network.
        """
        if self.network is None or not self.is_trained:
            path = self._file()
            network, state = self.build(), self._read(path)
            check_weights(state, network, path)
            network.load_state_dict(state, strict=False)
            self.keep(network, student)
            self.is_trained = True
            return network
        return self.network

    def build(self) -> BaseCompletor:
        """The network with random weights.

        This does not advance the global random generator. The teacher is built in the first step of
        a run. A resumed run starts at another step, so all later random numbers would differ.
        """
        with torch.random.fork_rng(devices=[]):
            return MODELS.build(dict(self.cfg))

    def keep(self, network: BaseCompletor, student: nn.Module) -> None:
        """Take this network as the teacher."""
        like = next(student.parameters())
        self.network = network.to(like.device, like.dtype).eval().requires_grad_(False)

    def save_weights(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        """Add the weights of the network that is kept to those of a student's checkpoint."""
        if self.network is not None:
            self.network.state_dict(destination=destination, prefix=prefix, keep_vars=keep_vars)

    def load_weights(self, state: Mapping[str, Tensor]) -> None:
        """Take the weights that a student's checkpoint has for the network that is kept."""
        if self.network is not None:
            self.network.load_state_dict(state)
            self.is_trained = True

    def apply(self, change: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """What ``_apply`` of the student has to do with the teacher."""
        if self.network is not None:
            self.network._apply(change, *args, **kwargs)

    def _read(self, path: str) -> dict[str, Tensor]:
        try:
            return read_state_dict(path)
        except DataError as error:
            field = error.field or f'{self.field}.checkpoint'
            hint = error.hint or self.hint
            raise DataError(error.file, field, error.expected, error.found, hint) from error

    def _file(self) -> str:
        pattern, field = self.checkpoint, f'{self.field}.checkpoint'
        if pattern is None:
            raise DataError('config', field, 'a checkpoint', 'none', self.hint)
        found = sorted(glob.glob(pattern)) if glob.has_magic(pattern) else [pattern]
        if len(found) != 1:
            raise DataError(pattern, field, 'one file', found or 'none', self.hint)
        return found[0]
