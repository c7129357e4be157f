"""Multiply-adds, operators and memory of every quick-start config against recorded figures.

``python tests/test_performance.py`` records them anew, with the torch of
``requirements/constraints.txt``.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from mmengine.dataset import pseudo_collate

from mmssc.apis import read_config
from mmssc.apis.random_samples import random_samples
from mmssc.ops import linear
from mmssc.performance import count_prediction, count_training_step
from mmssc.performance.figures import count
from mmssc.registry import MODELS

RECORDED = Path(__file__).parent / 'data/performance/quickstart.json'
# The student of CleanerS needs a trained teacher.
CONFIGS = [
    path
    for path in sorted(Path(__file__).parents[1].glob('configs/quickstart/*_synthetic.py'))
    if path.stem != 'cleaners_synthetic'
]
# So much more is no regression; a larger gain has to be recorded.
TOLERANCE, GAIN = 0.01, 0.1


def figures_of(config: Path) -> dict[str, dict[str, int]]:
    """Figures of one prediction and one training step."""
    cfg = read_config(config)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    batch = pseudo_collate([random_samples(cfg)(0)])
    runs = dict(prediction=count_prediction, training_step=count_training_step)
    return {name: asdict(measure(model, batch)) for name, measure in runs.items()}


@pytest.mark.parametrize('config', CONFIGS, ids=lambda path: path.stem)
def test_no_config_costs_more_than_recorded(config):
    recorded = json.loads(RECORDED.read_text())
    if torch.__version__.split('+')[0] != recorded['torch']:
        pytest.skip(f'figures are those of torch {recorded["torch"]}')
    for run, found in figures_of(config).items():
        for name, value in found.items():
            limit = recorded['configs'][config.stem][run][name]
            assert value <= limit * (1 + TOLERANCE), (run, name)
            hint = f'{run}, {name}: record the gain with python tests/test_performance.py'
            assert value >= limit * (1 - GAIN), hint


def test_a_layer_is_counted_by_hand():
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Conv3d(2, 4, 3, padding=1, bias=False)

        def data_preprocessor(self, batch, training):
            return dict(volume=batch)

        def forward(self, volume, mode):
            return self.layer(self.layer(volume)[:, :2])

    found = count_prediction(Model(), torch.zeros(1, 2, 5, 6, 7))
    voxels = 5 * 6 * 7
    assert found.multiply_adds == 2 * 27 * 2 * 4 * voxels
    # Two results of four channels live together: the slice is a view of the first one.
    assert found.peak_bytes == 2 * 4 * 4 * voxels
    assert found.operators == 3


def test_linear_layers_and_attention_are_counted_by_hand():
    class Model(torch.nn.Module):
        def data_preprocessor(self, batch, training):
            return dict(tokens=batch)

        def forward(self, tokens, mode):
            rows = linear(tokens, torch.ones(64, 32))
            return torch.nn.functional.scaled_dot_product_attention(rows, rows, rows)

    found = count_prediction(Model(), torch.ones(1, 2, 512, 32))
    assert found.multiply_adds == 2 * 512 * (32 * 64 + 2 * 512 * 64)


@pytest.mark.parametrize('groups', [1, 4])
@pytest.mark.parametrize('kind', [torch.nn.Conv2d, torch.nn.ConvTranspose2d])
def test_gradients_of_groups_are_counted_by_hand(kind, groups):
    layer = kind(8, 16, 3, stride=2, padding=1, groups=groups)
    images = torch.ones(2, 8, 7, 9, requires_grad=True)
    output = layer(images)
    # Every pixel of the smaller side meets the whole kernel.
    pixels = min(output[:, 0].numel(), images[:, 0].numel())
    products = pixels * 9 * 8 * 16 // groups
    found = count(lambda: output.sum().backward())
    assert found.multiply_adds == 2 * products
    assert count(lambda: layer(images.detach()).sum().backward()).multiply_adds == 2 * products


if __name__ == '__main__':
    content = dict(
        torch=torch.__version__.split('+')[0],
        configs={config.stem: figures_of(config) for config in CONFIGS},
    )
    RECORDED.parent.mkdir(exist_ok=True)
    RECORDED.write_text(json.dumps(content, indent=1) + '\n')
