"""Fit the weights of the evidence for a floor to frames whose floor is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ['FloorCase', 'fit_floor_weights']

# Keeps weights small where the frames say little.
_DECAY = 1e-4
_STEPS = 100


class FloorCase(NamedTuple):
    """An image, and the level surfaces that may be its floor.

    Args:
        measures: (N, M) float64, the evidence of each surface.
        turns: (N,) int64 quarter turns of the image under which it is level, 0 to 3.
        floor: Index of the surface that is the floor; None: none is.
    """

    measures: Tensor
    turns: Tensor
    floor: int | None


def fit_floor_weights(cases: Sequence[FloorCase]) -> tuple[float, Tensor]:
    """Most likely weights: in each image one surface is the floor, or none.

    The likelihood is that of :func:`~mmssc.geometry.floor_evidence.floor_probability`. Half of it
    knows that the image is upright, the other half does not. It has one maximum.

    Args:
        cases: At least one.

    Returns:
        Log-odds of a surface without evidence, and (M,) float64 weights.
    """
    most = max(len(case.turns) for case in cases)
    shape = (len(cases), most)
    measures = torch.zeros(*shape, cases[0].measures.shape[1], dtype=torch.float64)
    present, upright = torch.zeros(shape, dtype=torch.bool), torch.zeros(shape, dtype=torch.bool)
    for row, case in enumerate(cases):
        measures[row, : len(case.turns)] = case.measures
        present[row, : len(case.turns)] = True
        upright[row, : len(case.turns)] = case.turns == 0
    # Column 0 of the scores: none is the floor.
    truth = torch.tensor([0 if case.floor is None else case.floor + 1 for case in cases])
    parameters = torch.zeros(measures.shape[2] + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([parameters], max_iter=_STEPS, line_search_fn='strong_wolfe')

    def closure() -> Tensor:
        optimizer.zero_grad()
        scores = measures @ parameters[1:] + parameters[0]
        loss = _DECAY * parameters[1:].square().sum()
        for rivals in (present, upright):
            known = torch.where(rivals, scores, -torch.inf)
            known = torch.cat([torch.zeros(len(cases), 1, dtype=torch.float64), known], 1)
            loss = loss + torch.nn.functional.cross_entropy(known, truth) / 2
        loss.backward()
        return loss

    optimizer.step(closure)
    found = parameters.detach()
    return float(found[0]), found[1:]
