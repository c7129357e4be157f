"""Whether an exported network gives what the model gives, and how long both take."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from mmssc.errors import DataError
from mmssc.models.completors import BaseCompletor

__all__ = ['TOLERANCE', 'check_agreement', 'measure_seconds']

#: Largest difference of a logit, divided by the largest absolute logit.
TOLERANCE = 1e-4
Network = Callable[[Mapping[str, Tensor]], tuple[Tensor, Tensor]]


@torch.no_grad()
def check_agreement(network: Network, model: BaseCompletor, inputs: Mapping[str, Tensor]) -> float:
    """Compare an exported network with its model on a batch.

    Args:
        network: Of :func:`open_network`.
        model: In evaluation mode.
        inputs: What the network takes.

    Returns:
        The largest difference of a logit, divided by the largest absolute logit of the model.

    Raises:
        DataError: The difference is above :data:`TOLERANCE`; the labels are not the classes with
            the largest logits; or a logit of the model is not finite.
    """
    expected = model.predict_logits(dict(inputs)).float()
    size = len(expected)
    name = f'exported network, batch of {size}'
    if not expected.isfinite().all():
        hint = 'Export trained weights'
        raise DataError('model', 'logits', 'finite numbers', 'NaN or infinity', hint)
    logits, labels = network(inputs)
    if logits.shape != expected.shape:
        raise DataError(name, 'logits', tuple(expected.shape), tuple(logits.shape))
    scale = float(expected.abs().max())
    largest = float((logits - expected).abs().max()) / max(scale, torch.finfo().tiny)
    if not largest <= TOLERANCE:  # NaN, too.
        raise DataError(
            name, 'largest difference from the model', f'at most {TOLERANCE:g} of the scale',
            f'{largest:.2g}', 'No file was written. Try other samples (--index N) or the other '
            '--format; if these fail, too, report the model and its config',
        )  # fmt: skip
    if not torch.equal(labels.long(), logits.argmax(dim=1)):
        raise DataError(name, 'labels', 'the classes with the largest logits', 'others')
    return largest


@torch.no_grad()
def measure_seconds(
    network: Network, model: BaseCompletor, inputs: Mapping[str, Tensor], repeats: int
) -> tuple[float, float]:
    """Seconds that the model and the exported network take for a batch: the fastest runs.

    Both ran before, in :func:`check_agreement`. Other programs slow the other runs down.

    Args:
        network: Of :func:`open_network`.
        model: In evaluation mode.
        inputs: What the network takes.
        repeats: Number of measurements of each, in turn.
    """
    model_runs, network_runs = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        model.predict_logits(dict(inputs))
        middle = time.perf_counter()
        network(inputs)
        model_runs.append(middle - start)
        network_runs.append(time.perf_counter() - middle)
    return min(model_runs), min(network_runs)
