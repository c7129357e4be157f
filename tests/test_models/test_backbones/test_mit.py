"""Mix Vision Transformer: epsilons, freezing, sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from mmssc.models.backbones import MiT, mit_blocks


def tiny(**changes: object) -> MiT:
    return MiT(embed_dims=8, num_layers=(1, 1, 1, 1), **changes)


def test_the_two_epsilons_are_where_the_authors_have_them() -> None:
    model = MiT()
    embed, other = set(), set()
    for name, module in model.named_modules():
        if isinstance(module, nn.LayerNorm):
            # layers.I.0.norm is the patch embedding's, attn.norm the key/value reduction's.
            is_embed = name.split('.')[3] == '0' or name.endswith('attn.norm')
            (embed if is_embed else other).add(module.eps)
    assert embed == {1e-5} and other == {1e-6}


def test_epsilon_changes_the_output() -> None:
    torch.manual_seed(0)
    model, image = tiny().eval(), 1e-2 * torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        before = model(image)[0]
        for module in model.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = 1e-6
        assert not torch.equal(model(image)[0], before)


@pytest.mark.parametrize('size', [(64, 96), (60, 50)])
def test_levels(size: tuple[int, int]) -> None:
    model = tiny().eval()
    levels = model(torch.randn(2, 3, *size))
    assert [level.shape[1] for level in levels] == list(model.out_channels) == [8, 16, 40, 64]
    for level, stride in zip(levels, (4, 8, 16, 32)):
        assert tuple(level.shape[2:]) == tuple(-(-side // stride) for side in size)


def test_frozen_encoder_has_no_gradient() -> None:
    model = tiny().train()
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert not model(torch.randn(1, 3, 32, 32))[-1].requires_grad
    assert all(parameter.requires_grad for parameter in tiny(frozen=False).parameters())


def drops_paths(model: MiT) -> bool:
    """Whether two passes in training mode differ: nothing else in the encoder is random."""
    torch.manual_seed(0)
    image = torch.randn(1, 3, 32, 32)
    passes = [model(image)[-1] for _ in range(6)]
    return any(not torch.equal(passes[0], other) for other in passes[1:])


def test_stochastic_depth_of_a_frozen_encoder_is_an_option() -> None:
    # As the authors have it, and the option.
    assert drops_paths(tiny(drop_path_rate=0.5).train())
    fixed = tiny(drop_path_rate=0.5, frozen_eval=True).train()
    assert not fixed.training and not drops_paths(fixed)
    # The option is about frozen encoders only.
    assert tiny(drop_path_rate=0.5, frozen_eval=True, frozen=False).train().training


def input_gradient(model: MiT) -> float:
    """Norm of the gradient of all parameters for an image whose lower half is padding."""
    torch.manual_seed(0)
    image = torch.randn(1, 3, 64, 64)
    image[:, :, 32:] = 0
    sum((level * torch.randn_like(level)).mean() for level in model(image)).backward()
    gradients = [parameter.grad.norm() for parameter in model.parameters()]
    return float(torch.stack(gradients).norm())


def test_padding_does_not_blow_up_the_gradient_of_random_weights() -> None:
    torch.manual_seed(0)
    model = tiny(frozen=False, drop_path_rate=0.0)
    model.init_weights()
    expected = input_gradient(model)
    assert expected < 10
    # As mmseg starts: all channels of a padded token are 0, and LayerNorms divide by nothing.
    model.zero_grad()
    nn.init.zeros_(model.encoder.layers[0][0].projection.bias)
    assert input_gradient(model) > 1e3 * expected


def test_loaded_weights_are_not_touched(tmp_path: Path) -> None:
    state = {
        name: torch.full_like(value, 0.5) for name, value in tiny().encoder.state_dict().items()
    }
    torch.save(state, tmp_path / 'mit.pth')
    model = tiny(init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'mit.pth')))
    model.init_weights()
    assert all(bool((value == 0.5).all()) for value in model.state_dict().values())


@pytest.mark.parametrize('training', [True, False])
def test_blocks_on_rows_equal_those_of_mmseg(
    monkeypatch: pytest.MonkeyPatch, training: bool
) -> None:
    torch.manual_seed(0)
    model = MiT(embed_dims=16, num_layers=(1, 2, 1, 1), frozen=False, drop_path_rate=0.3)
    model.train(training)
    image = torch.randn(2, 3, 72, 96).contiguous(memory_format=torch.channels_last)
    results = []
    for on_rows in (True, False):
        if not on_rows:
            monkeypatch.setattr(mit_blocks, '_works_on_rows', lambda x: False)
        # The same paths drop out.
        torch.manual_seed(1)
        levels = model(image)
        total = sum((level * torch.randn_like(level)).mean() for level in levels)
        gradients = torch.autograd.grad(total, list(model.parameters()))
        results.append((levels, gradients))
    for found, expected in zip(*results):
        # Of all tensors: a bias of the keys has a gradient of rounding errors only.
        scale = max(float(one.detach().abs().max()) for one in expected)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * scale)
