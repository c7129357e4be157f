"""Weights of the reference's unit cases, in our modules."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from mmssc.checkpoints import get_method
from mmssc.parity.reference_fill import fill_tensor, parse_manifest_rows


def load_unit(
    module: nn.Module, unit_cases, case: str, reference: str | None = None, ours: str | None = None
) -> nn.Module:
    """Give a module the weights of a unit case and put it into eval mode.

    ``reference`` and ``ours`` are the paths of the module in the whole model, for the key map;
    without them the keys are the same on both sides.
    """
    rows = [row.split(',') for row in unit_cases[f'unit.{case}.keys']]
    state = {}
    for key, shape in parse_manifest_rows(rows, case).items():
        value = torch.from_numpy(np.asarray(fill_tensor(f'unit.{case}.{key}', shape, 1)))
        if reference is None:
            state[key] = value
        elif get_method('sgn').drop_reason(f'{reference}.{key}') is None:
            names = [rule.to_ours(f'{reference}.{key}') for rule in get_method('sgn').rules]
            name = next(name for name in names if name is not None)
            state[name[len(ours) + 1 :]] = value
    module.load_state_dict(state)
    return module.eval()
