"""MonoScene as a file that runs without mmssc."""

from __future__ import annotations

import pytest
import torch
from test_monoscene_network import NUM_CLASSES, small_batch, small_config

from mmssc.deployment import (
    FORMATS,
    check_agreement,
    describe_network,
    open_network,
    serialize,
    trace_network,
    used_inputs,
)
from mmssc.registry import MODELS


@pytest.mark.slow
@pytest.mark.parametrize('format', FORMATS)
def test_the_file_agrees_with_the_model(geffnet, format):
    torch.manual_seed(0)
    model = MODELS.build(small_config()).eval()
    model.dataset_meta = dict(classes=[*'abcdefgh'][:NUM_CLASSES])
    inputs = used_inputs(model, model.data_preprocessor(small_batch(), False)['inputs'])
    assert set(inputs) == {'img', 'cam2img', 'lidar2cam'}
    program = trace_network(model, inputs)
    network = open_network(serialize(program, format, describe_network(model, inputs)), format)
    for size in (1, 2, 3):
        batch = {key: torch.cat([value, value])[:size] for key, value in inputs.items()}
        assert check_agreement(network, model, batch) < 1e-4
