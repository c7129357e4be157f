"""The two stages of 3D-Sketch."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.registry import init_default_scope

from mmssc.models.heads.sketch.sketch_head import SketchHead, SketchSemanticHead
from mmssc.parity.sketch.recipe import sketch_losses

SHAPE = (8, 4, 8)
CODE = (4, 2, 1, 2)


def build(**changes: Any) -> SketchHead:
    init_default_scope('mmssc')
    torch.manual_seed(0)
    return SketchHead(
        widths=(1, 3, 4, 8), cvae=dict(latent_channels=4), **sketch_losses()['sketch_head'],
        **changes,
    )  # fmt: skip


def make_tsdf(batch: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.rand(batch, 1, *SHAPE, generator=generator) * 2 - 1


def make_truth() -> torch.Tensor:
    return (torch.arange(2 * 8 * 4 * 8).view(2, *SHAPE) % 3 == 0).to(torch.uint8)


def test_condition_is_the_hard_decision() -> None:
    head, tsdf = build().eval(), make_tsdf()
    seen: list[torch.Tensor] = []
    head.cvae.condition.register_forward_hook(lambda module, args, output: seen.append(args[0]))
    with torch.no_grad():
        outputs = head(tsdf)
    assert torch.equal(seen[0][:, 0], outputs['sketch_raw'].argmax(1).float())
    assert outputs['sketch_raw'].shape == outputs['sketch_prior'].shape == (2, 2, *SHAPE)


def test_vae_does_not_train_the_tsdf_branch() -> None:
    head, truth = build().train(), make_truth()
    outputs = head.forward_train(make_tsdf(), truth)
    losses = head.loss_by_outputs(outputs, truth, torch.ones_like(truth).bool())
    names = ('loss_sketch_posterior', 'loss_sketch_prior', 'loss_kl')
    sum(losses[name] for name in names).backward(retain_graph=True)
    touched = {n.split('.')[0] for n, p in head.named_parameters() if p.grad is not None}
    assert touched == {'cvae'}
    losses['loss_sketch_raw'].backward()
    still = [n for n, p in head.named_parameters() if p.grad is None or not p.grad.any()]
    assert not still


def test_losses_are_masked_means_with_the_papers_weights() -> None:
    head, truth = build().eval(), make_truth()
    noise = torch.zeros(4, 2, *CODE)
    outputs = head.forward_train(make_tsdf(), truth, noise, noise)
    mask = torch.rand(truth.shape, generator=torch.Generator().manual_seed(1)) < 0.3
    losses = head.loss_by_outputs(outputs, truth, mask)
    for name, weight in (('raw', 1.0), ('posterior', 1.0), ('prior', 1.5)):
        rows = outputs[f'sketch_{name}'].movedim(1, -1)[mask]
        expected = weight * torch.nn.functional.cross_entropy(rows, truth[mask].long())
        torch.testing.assert_close(losses[f'loss_sketch_{name}'], expected)
    mean, log_var = outputs['mean'], outputs['log_var']
    expected = -(1 + log_var - mean.square() - log_var.exp()).mean()
    torch.testing.assert_close(losses['loss_kl'], expected)


def test_posterior_at_zero_noise_is_its_mean() -> None:
    head, tsdf, truth = build().eval(), make_tsdf(), make_truth()
    with torch.no_grad():
        zeros = torch.zeros(1, 2, *CODE)
        outputs = head.forward_train(tsdf, truth, zeros, zeros)
        sketch = outputs['sketch_raw'].argmax(1, keepdim=True).float()
        condition = head.cvae.condition(sketch)
        expected = head.cvae.decode(condition, outputs['mean'][None])
        torch.testing.assert_close(outputs['sketch_posterior'], expected)
        shifted = head.forward_train(tsdf, truth, zeros + 2, zeros)['sketch_posterior']
        scaled = outputs['mean'] + 2 * (outputs['log_var'] / 2).exp()
        torch.testing.assert_close(shifted, head.cvae.decode(condition, scaled[None]))
        # The prior's sketch has not seen the truth.
        blind = head.forward_train(tsdf, 1 - truth, zeros, zeros)
        assert torch.equal(blind['sketch_prior'], outputs['sketch_prior'])
        assert not torch.equal(blind['sketch_posterior'], outputs['sketch_posterior'])


def test_unknown_voxels_are_no_edge_for_the_posterior() -> None:
    head, tsdf, truth = build().eval(), make_tsdf(), make_truth()
    noise = torch.zeros(1, 2, *CODE)
    unknown = truth.clone()
    unknown[:, :2], truth[:, :2] = 255, 0
    with torch.no_grad():
        found, expected = (head.forward_train(tsdf, t, noise, noise) for t in (unknown, truth))
    assert torch.equal(found['mean'], expected['mean'])


def test_losses_are_optional() -> None:
    init_default_scope('mmssc')
    head = SketchHead(widths=(1, 2, 4, 8), cvae=dict(latent_channels=2)).eval()
    truth = make_truth()
    with torch.no_grad():
        outputs = head.forward_train(make_tsdf(), truth)
    assert head.loss_by_outputs(outputs, truth, truth.bool()) == {}


def test_semantics_take_logits_of_both_sketches() -> None:
    torch.manual_seed(0)
    head = SketchSemanticHead(8, 5, sketch_widths=(3, 4)).eval()
    volume = torch.randn(2, 8, *SHAPE)
    raw, prior = (torch.randn(2, 2, *SHAPE, requires_grad=True) for _ in range(2))
    logits = head(volume, raw, prior)
    assert logits.shape == (2, 5, *SHAPE)
    embedded = volume + head.raw_encoder(raw) + head.prior_encoder(prior)
    expected = head.classifier(head.unet(embedded))
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
    assert (logits - head(volume, prior, raw)).abs().max() > 1e-2
    logits.square().sum().backward()
    assert raw.grad.any() and prior.grad.any()
