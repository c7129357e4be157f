"""Parameters and multiply-adds of the parts of a model, counted by mmengine."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.analysis import FlopAnalyzer
from torch import Tensor, nn

__all__ = ['PartComplexity', 'count_complexity']


@dataclass(frozen=True)
class PartComplexity:
    """What a part of a model costs.

    Args:
        parameters: Number of its parameters.
        multiply_adds: In one prediction.
        counted: Operation -> its multiply-adds.
        not_counted: Operation that mmengine does not count -> number of its calls.
    """

    parameters: int
    multiply_adds: int
    counted: dict[str, int]
    not_counted: dict[str, int]


def count_complexity(
    model: nn.Module, inputs: Mapping[str, Any], data_samples: Sequence[Any], depth: int = 1
) -> dict[str, PartComplexity]:
    """Count one prediction with :class:`mmengine.analysis.FlopAnalyzer`.

    mmengine counts matrix products, convolutions, attention (added here), norms, two-dimensional
    up-sampling and grid sampling. Sparse convolutions on the CPU are matrix products, and their
    number depends on the voxels of this sample. All other operations are in ``not_counted``.

    Args:
        model: A model, on the CPU.
        inputs: A batch, as the data preprocessor returns it.
        data_samples: Its data samples.
        depth: Levels of parts: 1 for ``head``, 2 for ``head.unet``, too.

    Returns:
        Name of a part -> its costs, in the order of the model. ``''`` is the whole model.
    """
    analyzer = FlopAnalyzer(_Prediction(model, inputs, data_samples), (torch.zeros(1),))
    analyzer.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    analyzer.set_op_handle('aten::scaled_dot_product_attention', _count_attention)
    training = model.training
    with torch.no_grad(), warnings.catch_warnings():
        # Tracing warns that it does not fit inputs of other sizes.
        warnings.simplefilter('ignore')
        model.eval()
        analyzer.total()
    model.train(training)
    parts = {}
    for name, module in model.named_modules(remove_duplicate=False):
        place = f'model.{name}'.rstrip('.')
        if name.count('.') < depth:
            parts[name] = PartComplexity(
                sum(parameter.numel() for parameter in module.parameters()),
                int(analyzer.total(place)),
                {key: int(value) for key, value in analyzer.by_operator(place).most_common()},
                {
                    key.rpartition('::')[2]: int(value)
                    for key, value in analyzer.unsupported_ops(place).most_common()
                },
            )
    return {
        name: part
        for name, part in parts.items()
        if not name or part.parameters or part.multiply_adds or part.not_counted
    }


class _Prediction(nn.Module):
    """Tensors in, tensors out, as tracing needs it."""

    def __init__(
        self, model: nn.Module, inputs: Mapping[str, Any], data_samples: Sequence[Any]
    ) -> None:
        super().__init__()
        self.model, self.inputs, self.data_samples = model, inputs, data_samples

    def forward(self, unused: Tensor) -> Tensor:
        samples = self.model(self.inputs, self.data_samples, mode='predict')
        return torch.stack([sample.pred_voxels for sample in samples])


def _count_attention(inputs: list[Any], outputs: list[Any]) -> int:
    """Multiply-adds of two products: queries with keys, and weights with values."""
    query, key, value = (one.type().sizes() for one in inputs[:3])
    *batch, length, width = query
    count = length * key[-2] * (width + value[-1])
    for side in batch:
        count *= side
    return count
