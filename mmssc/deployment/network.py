"""The network of a model as one program, with what a user of the program has to know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mmssc.errors import DataError, MissingDependencyError
from mmssc.models.completors import BaseCompletor
from mmssc.models.data_preprocessors import SSCDataPreprocessor
from mmssc.version import __version__

__all__ = ['OUTPUTS', 'check_exportable', 'describe_network', 'trace_network']

#: Names of the outputs, in order.
OUTPUTS = ('logits', 'labels')
# torch.export traces dynamic batches of these networks from this version on.
_OLDEST_TORCH = (2, 6)


class _Network(nn.Module):
    """From named tensors to logits and labels."""

    def __init__(self, model: BaseCompletor) -> None:
        super().__init__()
        self.model = model
        self.constants = model.constant_inputs()

    def forward(self, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        logits = self.model.predict_logits({**self.constants, **inputs}).float()
        return logits, logits.argmax(dim=1).to(torch.uint8)


def check_exportable(model: BaseCompletor | type[BaseCompletor]) -> None:
    """Refuse a model, or a class of models, that says that it cannot be exported.

    Raises:
        DataError: Its ``export_obstacle`` is the reason.
    """
    if model.export_obstacle:
        name = (model if isinstance(model, type) else type(model)).__name__
        hint = 'The page Deployment of the documentation lists the models that can'
        found = f'{name}, which has {model.export_obstacle}'
        raise DataError('config', 'model', 'a model that can be exported', found, hint)


def trace_network(model: BaseCompletor, inputs: Mapping[str, Tensor]) -> Any:
    """Trace the prediction of a model with :func:`torch.export.export`, for any batch size.

    Args:
        model: On the CPU, in evaluation mode.
        inputs: What the network takes, with a batch of 2. Sizes other than that of the batch are
            fixed.

    Returns:
        A ``torch.export.ExportedProgram``. It takes the dict of inputs and returns ``logits``
        (B, K, X, Y, Z) float32 and ``labels`` (B, X, Y, Z) uint8.

    Raises:
        DataError: The network cannot be traced.
        MissingDependencyError: torch is too old.
    """
    version = tuple(int(part) for part in torch.__version__.split('.')[:2])
    if version < _OLDEST_TORCH:
        oldest = '.'.join(map(str, _OLDEST_TORCH))
        raise MissingDependencyError(f'export needs torch {oldest} or newer: pip install -U torch')
    name = type(model).__name__
    batch = torch.export.Dim('batch', min=1)
    try:
        with torch.no_grad():
            return torch.export.export(
                _Network(model),
                (dict(inputs),),
                dynamic_shapes=({key: {0: batch} for key in inputs},),
                strict=False,
            )
    except Exception as error:
        # Any operation of any part can refuse, each with an exception of its own.
        reason = f'{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}'
        expected = 'a network that torch.export can trace for any batch size'
        hint = 'The page Deployment of the documentation says which operations to avoid'
        raise DataError('config', f'model {name}', expected, reason, hint) from error


def describe_network(model: BaseCompletor, inputs: Mapping[str, Tensor]) -> dict[str, Any]:
    """What a file says about its network, as plain values.

    Args:
        model: The model.
        inputs: What the network takes, with any batch.
    """
    grid = model.voxel_grid
    described: dict[str, Any] = dict(
        mmssc_version=__version__,
        model=type(model).__name__,
        classes=list(model.dataset_meta['classes']),
        grid_shape=list(grid.shape),
        voxel_size=list(grid.voxel_size),
        grid_origin=list(grid.origin),
        origin_per_frame=not model.origin_matters,
        grid_axes=list(grid.axes),
        grid_frame=grid.frame,
        inputs={
            key: dict(
                shape=['batch', *value.shape[1:]], dtype=str(value.dtype).replace('torch.', '')
            )
            for key, value in inputs.items()
        },
        outputs=dict(
            logits=dict(
                shape=['batch', len(model.dataset_meta['classes']), *grid.shape], dtype='float32'
            ),
            labels=dict(shape=['batch', *grid.shape], dtype='uint8'),
        ),
    )
    preprocessor = model.data_preprocessor
    if 'img' in inputs and isinstance(preprocessor, SSCDataPreprocessor):
        # The network takes (RGB / 255 - mean) / std.
        described['image_mean'] = preprocessor.mean.flatten().tolist()
        described['image_std'] = preprocessor.std.flatten().tolist()
    return described
