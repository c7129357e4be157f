"""The conditional VAE of sketches: samples, seeds, gradients."""

from __future__ import annotations

import pytest
import torch

from mmssc.models.heads.sketch.sketch_cvae import SketchCVAE

SHAPE = (8, 4, 12)
CODE = (4, 2, 1, 3)


def build(**changes) -> SketchCVAE:
    torch.manual_seed(0)
    model = SketchCVAE(**{'latent_channels': 4, **changes})
    for name, buffer in model.named_buffers():
        if name.endswith('running_mean'):
            buffer.normal_(0, 0.1)
    return model


def binary(batch: int = 2, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(batch, 1, *SHAPE, generator=generator) < 0.4).float()


@torch.no_grad()
def test_one_pass_equals_a_mean_of_logits() -> None:
    """Written out as the reference does it: encode, decode, classify per sample, then average."""
    model, sketch = build().eval(), binary()
    codes = torch.randn(3, 2, *CODE)
    found = model.decode(model.condition(sketch), codes)
    parts = []
    for code in codes:
        x = torch.cat([model.condition(sketch), code], dim=1)
        parts.append(model.classifier(model.up2(model.up1(x))))
    assert found.shape == (2, 2, *SHAPE)
    torch.testing.assert_close(found, torch.stack(parts).mean(0), rtol=1e-5, atol=1e-6)
    # The mean of probabilities is something else.
    probabilities = torch.stack([part.softmax(1) for part in parts]).mean(0).logit()
    assert (probabilities - found).abs().max() > 1e-3


def test_statistics_in_training_are_those_of_each_sample() -> None:
    model, sketch = build(dropout=0.0).train(), binary()
    codes = torch.randn(3, 2, *CODE) * torch.tensor([1.0, 5.0, 0.2]).view(3, 1, 1, 1, 1, 1)
    condition = model.condition(sketch)
    with torch.no_grad():
        found = model.decode(condition, codes)
        single = [model.decode(condition, codes[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(found, torch.stack(single).mean(0), rtol=1e-5, atol=1e-6)
    assert int(model.up1.norm.num_batches_tracked) == 6


def test_codes_depend_on_the_frame_alone() -> None:
    model = build(num_samples=2)
    both = model.codes_of_frames(binary(), ['test/0001', 'test/0002'])
    torch.manual_seed(99)
    alone = model.codes_of_frames(binary(1), ['test/0002'])
    assert both.shape == (2, 2, *CODE)
    assert torch.equal(both[:, 1:], alone) and not torch.equal(both[:, :1], alone)
    assert not torch.equal(build(num_samples=2, seed=1).codes_of_frames(binary(1), ['test/0002']),
                           alone)  # fmt: skip
    # One code per sample, and a standard normal one.
    assert not torch.equal(both[0], both[1])
    large = build(num_samples=4000).codes_of_frames(binary(1), ['a'])
    assert abs(float(large.mean())) < 0.02 and abs(float(large.std()) - 1) < 0.02


def test_codes_of_frames_leave_the_global_random_state() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    build_state = torch.get_rng_state()
    model = build()
    torch.set_rng_state(build_state)
    model.codes_of_frames(binary(), None)
    assert torch.equal(torch.rand(1), expected)


def test_mean_is_one_code_of_zeros() -> None:
    codes = build(sampling='mean').codes_of_frames(binary(), ['a', 'b'])
    assert codes.shape == (1, 2, *CODE) and not codes.any()


def test_codes_have_dtype_of_the_sketch() -> None:
    model = build()
    assert model.codes_of_frames(binary().bfloat16(), None).dtype == torch.bfloat16
    assert model.draw(binary().double()).dtype == torch.float64


def test_posterior_sees_the_truth() -> None:
    model = build().eval()
    sketch, truth = binary(), binary(seed=5)
    mean, log_var = model.encode(sketch, truth)
    assert mean.shape == log_var.shape == (2, *CODE)
    other, _ = model.encode(sketch, 1 - truth)
    assert not torch.equal(mean, other)
    swapped, _ = model.encode(truth, sketch)
    assert not torch.equal(mean, swapped)


def test_every_parameter_learns() -> None:
    model, sketch = build().train(), binary()
    mean, log_var = model.encode(sketch, binary(seed=5))
    codes = mean + (log_var / 2).exp() * model.draw(sketch)
    model.decode(model.condition(sketch), codes).square().mean().backward()
    still = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not still


@pytest.mark.parametrize('wrong', [dict(sampling='best'), dict(num_samples=0)])
def test_wrong_settings_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        build(**wrong)
