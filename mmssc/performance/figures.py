"""Figures of a model that do not depend on the speed of the machine: for regression checks."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten
from torch.utils.flop_counter import flop_registry

__all__ = ['StableFigures', 'count', 'count_prediction', 'count_training_step']


@dataclass(frozen=True)
class StableFigures:
    """What one run of a model costs.

    Args:
        multiply_adds: Of matrix products, convolutions and attention.
        operators: Number of calls of operators of torch.
        peak_bytes: Largest total size of the tensors that the run made and that lived at a time.
    """

    multiply_adds: int
    operators: int
    peak_bytes: int


def _flops_of_onednn(volume: Any, weight: torch.Tensor, *_: Any, out_val: torch.Tensor) -> int:
    return 2 * out_val.numel() * weight[0].numel()


def _flops_of_linear(x: Any, weight: torch.Tensor, *_: Any, out_val: torch.Tensor) -> int:
    return 2 * out_val.numel() * weight.shape[1]


def _flops_of_gradients(
    grad: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, *rest: Any, out_val: Any
) -> int:
    """Of a convolution; torch counts those of groups as if each channel met every other one."""
    *_, is_transposed, _, _, wanted = rest
    pixels = (x if is_transposed else grad).numel()
    return 2 * pixels * weight[0].numel() * sum(wanted[:2])


def _counts() -> Iterator[tuple[Any, Any]]:
    """Operators that torch leaves out or counts wrongly, among them attention on a CPU."""
    aten, onednn = torch.ops.aten, torch.ops.mkldnn
    yield aten.mkldnn_convolution, _flops_of_onednn
    yield aten.convolution_backward, _flops_of_gradients
    # Some builds of torch lack these.
    if hasattr(onednn, '_linear_pointwise'):
        yield onednn._linear_pointwise, _flops_of_linear
    attention = '_scaled_dot_product_flash_attention{}'
    for name in (attention, f'{attention}_backward'):
        other = getattr(aten, name.format(''), None)
        if other in flop_registry and hasattr(aten, name.format('_for_cpu')):
            yield getattr(aten, name.format('_for_cpu')), flop_registry[other]


_COUNTS = {**flop_registry, **dict(_counts())}


class _Counting(TorchDispatchMode):
    """Counts operators, their multiply-adds, and the bytes of the storages that they make."""

    def __init__(self) -> None:
        super().__init__()
        self.operators = self.flops = 0
        self.live: dict[int, int] = {}
        self.peak_bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        self.operators += 1
        count = _COUNTS.get(func._overloadpacket)
        if count is not None:
            self.flops += count(*args, **(kwargs or {}), out_val=out)
        given = {id(storage) for storage in _storages((args, kwargs))}
        for storage in _storages(out):
            if id(storage) not in given:
                self._add(storage)
        self.peak_bytes = max(self.peak_bytes, sum(self.live.values()))
        return out

    def _add(self, storage: torch.UntypedStorage) -> None:
        key = id(storage)
        if key not in self.live:
            self.live[key] = storage.nbytes()
            weakref.finalize(storage, self.live.pop, key, None)


def _storages(tree: object) -> Iterator[torch.UntypedStorage]:
    """Those of all tensors but short-lived copies in oneDNN's own form, which show none."""
    for one in tree_flatten(tree)[0]:
        if isinstance(one, torch.Tensor) and not one.is_mkldnn:
            yield one.untyped_storage()


def count(run: Callable[[], object]) -> StableFigures:
    """Figures of a call on the CPU."""
    with _Counting() as counting:
        run()
    # torch counts a multiplication and an addition as two.
    return StableFigures(counting.flops // 2, counting.operators, counting.peak_bytes)


def count_prediction(model: Any, batch: Mapping[str, Any]) -> StableFigures:
    """Figures of one prediction on the CPU.

    Args:
        model: A completor.
        batch: As mmengine's ``pseudo_collate`` makes it.
    """
    model.eval()
    with torch.no_grad():
        data = model.data_preprocessor(batch, False)
        return count(lambda: model(**data, mode='predict'))


def count_training_step(model: Any, batch: Mapping[str, Any]) -> StableFigures:
    """Figures of losses and backward pass on the CPU; the optimiser is left out.

    Args:
        model: A completor.
        batch: As mmengine's ``pseudo_collate`` makes it.
    """
    model.train()
    data = model.data_preprocessor(batch, True)

    def step() -> None:
        losses = model(**data, mode='loss')
        model.parse_losses(losses)[0].backward()

    return count(step)
