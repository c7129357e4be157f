"""Shared parts of the parity recipes: the run of a case, reference weights, gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial, reduce
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mmssc.checkpoints import CheckpointMethod, import_state_dict
from mmssc.errors import DataError
from mmssc.parity import reference_fill as fill

from .report import ParityCase, ParityReport

__all__ = ['ParityOptions', 'ParityRecipe', 'ParityRun', 'fill_checkpoint', 'gradient_norms',
           'load_reference', 'our_name', 'rebuild_checkpoint', 'total_loss',
           'watch_outputs']  # fmt: skip


@dataclass(frozen=True)
class ParityOptions:
    """Options of the user.

    Args:
        forward_only: Skip gradients, training steps and the losses in training mode.
        device: Device of the model.
        model_config: Config of the model to check; None takes the method's own.
        weights: Official checkpoint, for cases that were made with one.
    """

    forward_only: bool = False
    device: str = 'cpu'
    model_config: Mapping[str, Any] | None = None
    weights: str | None = None


class ParityRun(NamedTuple):
    """One case to check; recipes unpack the fields in this order.

    Args:
        manifest: Keys and shapes of the reference checkpoint.
        case: The case file.
        report: Collects the rows.
        options: Options of the user.
    """

    manifest: str | PathLike[str]
    case: ParityCase
    report: ParityReport
    options: ParityOptions


class ParityRecipe:
    """Base of a method's recipe. Methods implement :meth:`compare` (and :meth:`check_units`)."""

    # Prefixes of the arrays that only a run with gradients checks.
    training_arrays: tuple[str, ...] = ('grad',)

    def check_case(self, run: ParityRun) -> None:
        """Compare our model with one case file, and name the arrays that were not checked.

        A case without ``training_arrays`` has only a forward pass; a message says so.

        Raises:
            DataError: Manifest and case file do not belong together.
        """
        if not any(run.case.below(prefix) for prefix in self.training_arrays):
            if not run.options.forward_only:
                print('This case has no gradients: forward pass and losses only.', flush=True)
            run = run._replace(options=replace(run.options, forward_only=True))
        self.compare(run)
        if run.options.forward_only:
            run.case.mark_used(*self.training_arrays)
        run.report.note_unused(run.case)

    def compare(self, run: ParityRun) -> None:
        """Rebuild checkpoint and inputs, run our model and add the results to the report."""
        raise NotImplementedError

    def check_units(self, case: ParityCase, report: ParityReport) -> None:
        """Compare single parts with a file of unit cases; this base has none.

        Raises:
            DataError: Always.
        """
        raise DataError(case.path, expected='a case file (--case)', found='unit cases')


def fill_checkpoint(manifest: str | PathLike[str], seed: int) -> dict[str, Tensor]:
    """A reference checkpoint with every tensor filled by seed.

    Args:
        manifest: Keys and shapes, see :func:`reference_fill.read_manifest`.
        seed: Seed of the case.
    """
    state = fill.fill_state_dict(fill.read_manifest(manifest), seed)
    return {key: torch.from_numpy(np.asarray(value)) for key, value in state.items()}


def rebuild_checkpoint(manifest: str | PathLike[str], case: ParityCase) -> dict[str, Tensor]:
    """The reference checkpoint of a case: filled by seed, except one tensor that the case sets.

    Args:
        manifest: Keys and shapes, see :func:`reference_fill.read_manifest`.
        case: With ``seed``, ``tweak_key`` and ``tweak_value``.

    Raises:
        DataError: The manifest has no tensor ``tweak_key``.
    """
    state = fill_checkpoint(manifest, case.integer('seed'))
    key = str(case['tweak_key'])
    if key not in state:
        raise DataError(manifest, 'keys', key, 'no such key', f'It belongs to {case.path.name}')
    state[key].view(-1)[0] = float(case['tweak_value'])
    return state


def load_reference(
    model: nn.Module,
    reference: Mapping[str, Tensor],
    method: CheckpointMethod,
    source: str | PathLike[str],
) -> dict[str, Tensor]:
    """Load a reference checkpoint into a model, through the importer.

    Args:
        model: The model; it must use all weights.
        reference: The checkpoint.
        method: Its importer.
        source: Name of the checkpoint in errors.

    Returns:
        The weights under our names.

    Raises:
        DataError: The checkpoint does not fit this model.
    """
    state, _ = import_state_dict(reference, method, model.state_dict(), str(source))
    model.load_state_dict(state, strict=True)
    return state


@contextmanager
def watch_outputs(
    stores: Iterable[tuple[nn.Module, Callable[[Any], object]]],
) -> Iterator[None]:
    """Call a function with each output of a module while a model runs."""
    handles = [module.register_forward_hook(partial(_hand_over, store)) for module, store in stores]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hand_over(
    store: Callable[[Any], object], module: nn.Module, args: tuple[Any, ...], output: Any
) -> None:
    # If a hook returns a value, it replaces the output.
    store(output)


def our_name(method: CheckpointMethod, key: str) -> str:
    """Our name of a tensor of the reference.

    Raises:
        KeyError: We have no such tensor.
    """
    names = (rule.to_ours(key) for rule in method.rules)
    name = next((name for name in names if name is not None), None)
    if name is None:
        raise KeyError(key)
    return name


def total_loss(losses: Iterable[Tensor]) -> Tensor:
    """Sum of losses, each a scalar, in their order."""
    return reduce(torch.add, losses)


def gradient_norms(parameters: Mapping[str, nn.Parameter]) -> dict[str, float]:
    """Gradient norm of every parameter with a gradient."""
    # float32 norms of large tensors have errors of 1e-5.
    return {
        name: float(parameter.grad.double().norm())
        for name, parameter in parameters.items()
        if parameter.grad is not None
    }
