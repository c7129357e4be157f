"""Exported lidar networks give the model's logits, in both formats."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_lidar import NUM_CLASSES, build_tiny_lidar, collate, make_sample

from mmssc.deployment import (
    FORMATS,
    check_agreement,
    describe_network,
    open_network,
    serialize,
    trace_network,
    used_inputs,
)


@pytest.mark.parametrize('format', FORMATS)
@pytest.mark.parametrize('kind', ['lmscnet', 'sscnet-full', 'sscnet', 'light'])
def test_the_file_agrees_with_the_model(kind, format):
    model = build_tiny_lidar(kind).eval()
    model.dataset_meta = dict(classes=[f'class {number}' for number in range(NUM_CLASSES)])
    batch = collate(model, make_sample(0), make_sample(1))
    inputs = used_inputs(model, batch['inputs'])
    assert set(inputs) == {'occupancy'}
    program = trace_network(model, inputs)
    network = open_network(serialize(program, format, describe_network(model, inputs)), format)
    for size in (1, 2, 3):
        some = {key: torch.cat([value, value])[:size] for key, value in inputs.items()}
        assert check_agreement(network, model, some) < 1e-5


def test_the_page_names_the_input():
    page = Path(__file__).parents[2] / 'docs/en/user_guides/deployment.md'
    text = page.read_text('utf-8')
    assert '\n| `occupancy` (B, X, Y, Z) bool' in text
