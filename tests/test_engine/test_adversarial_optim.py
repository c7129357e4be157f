"""One optimiser per step: groups, clipping, accumulation, decay of all weights, schedule."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.optim import build_optim_wrapper
from torch import Tensor, nn

from mmssc import renamed
from mmssc.engine.launch import enable_amp
from mmssc.engine.optim import AdversarialOptimWrapperConstructor
from mmssc.errors import DataError
from mmssc.models.adversarial.step_modules import StepModules, frozen
from mmssc.registry import PARAM_SCHEDULERS

SCHEDULE = Path(__file__).parents[2] / 'configs/_base_/schedules/adamw_150e_adversarial.py'
ONE = dict(optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05))


class TwoLayers(BaseModel):
    """A generator and a discriminator of one layer each; their losses use both."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(3, 3), nn.Linear(3, 1)

    def step_modules(self) -> dict[str, StepModules]:
        return {
            'discriminator': StepModules({'right': self.right}, self.loss_right),
            'generator': StepModules({'left': self.left}, self.loss_left),
        }

    def forward(self, x: Tensor) -> Tensor:
        return self.right(self.left(x))

    def loss_left(self, x: Tensor) -> dict[str, Tensor]:
        with frozen(self.right):
            return dict(loss=self.right(self.left(x)).mean())

    def loss_right(self, x: Tensor) -> dict[str, Tensor]:
        return dict(loss=-self.right(self.left(x).detach()).mean())


def both(**changes: Any) -> dict[str, Any]:
    return dict(generator={**ONE, **changes}, discriminator={**ONE, **changes})


def build(model: nn.Module, **config: Any) -> Any:
    constructor = 'mmssc.AdversarialOptimWrapperConstructor'
    return build_optim_wrapper(model, dict(constructor=constructor, **config))


def step(model: TwoLayers, optimisers: Any, names: tuple[str, ...], x: Tensor) -> None:
    steps = model.step_modules()
    for name in names:
        optimisers[name].update_params(steps[name](x)['loss'])


def test_groups_are_disjoint_and_complete() -> None:
    model = TwoLayers()
    optimisers = build(model, **both())
    inside = [
        {id(p) for group in wrapper.optimizer.param_groups for p in group['params']}
        for wrapper in optimisers.values()
    ]
    assert inside == [{id(p) for p in model.right.parameters()},
                      {id(p) for p in model.left.parameters()}]  # fmt: skip


def test_frozen_passes_gradients_on_and_keeps_none() -> None:
    model, x = TwoLayers(), torch.randn(4, 3)
    model.loss_left(x)['loss'].backward()
    assert model.right.weight.grad is None and model.left.weight.grad.any()
    assert all(p.requires_grad for p in model.parameters())
    model.right.bias.requires_grad_(False)
    model.loss_left(x)
    assert not model.right.bias.requires_grad and model.right.weight.requires_grad


def test_other_steps_are_refused() -> None:
    with pytest.raises(DataError, match='discriminator, generator'):
        build(TwoLayers(), generator=ONE)
    with pytest.raises(DataError, match='critic'):
        build(TwoLayers(), generator=ONE, critic=ONE)


def test_each_clips_its_own_gradient() -> None:
    model, x = TwoLayers(), 100 * torch.randn(4, 3)
    sgd = dict(optimizer=dict(type='SGD', lr=1.0), clip_grad=dict(max_norm=0.1, norm_type=2))
    optimisers = build(model, generator=sgd, discriminator=sgd)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    step(model, optimisers, ('discriminator', 'generator'), x)
    for side in ('left', 'right'):
        moved = sum(
            float((p.detach() - before[name]).square().sum())
            for name, p in model.named_parameters()
            if name.startswith(side)
        )
        assert math.sqrt(moved) == pytest.approx(0.1, rel=1e-4)
    hub = optimisers['generator'].message_hub
    norms = {n: hub.get_scalar(f'train/grad_norm_{n}').current() for n in model.step_modules()}
    assert norms['generator'] > 0.1 and norms['generator'] != norms['discriminator']


@pytest.mark.parametrize('decay_all_weights', [False, True])
def test_decay_of_all_weights(decay_all_weights: bool) -> None:
    """Quirk 6: lr times weight decay, on the matrices of the other network alone."""
    model, x = TwoLayers(), torch.randn(4, 3)
    optimisers = build(
        model, **both(paramwise_cfg=dict(flat_decay_mult=0.0)), decay_all_weights=decay_all_weights
    )
    optimisers['generator'].optimizer.param_groups[0]['lr'] = 2e-3
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    step(model, optimisers, ('discriminator',), x)
    factor = 1 - 1e-3 * 0.05 if decay_all_weights else 1.0
    torch.testing.assert_close(model.left.weight, before['left.weight'] * factor, rtol=0, atol=0)
    assert torch.equal(model.left.bias, before['left.bias'])
    weight, bias = model.right.weight.detach().clone(), model.right.bias.detach().clone()
    step(model, optimisers, ('generator',), x)
    factor = 1 - 2e-3 * 0.05 if decay_all_weights else 1.0
    torch.testing.assert_close(model.right.weight, weight * factor, rtol=0, atol=0)
    assert torch.equal(model.right.bias, bias)


def test_former_name_of_the_decay_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also over a base config that has the present name."""
    monkeypatch.setattr(renamed, '_warned', set())
    with pytest.warns(FutureWarning, match='optim_wrapper.decay_opponent is called'):
        constructor = AdversarialOptimWrapperConstructor(
            dict(both(), decay_opponent=True, decay_all_weights=False)
        )
    assert constructor.decay_all_weights and constructor.configs == both()


def test_accumulation_adds_up_and_goes_on_after_resuming() -> None:
    model, batches = TwoLayers(), torch.randn(5, 4, 3)
    wrappers = dict(
        generator=dict(optimizer=dict(type='SGD', lr=0.1), accumulative_counts=2),
        discriminator=dict(optimizer=dict(type='SGD', lr=0.1), accumulative_counts=3),
    )
    optimisers = build(model, **wrappers)
    assert optimisers._accumulative_counts == 6
    optimisers.initialize_count_status(model, 0, 5)
    moved = []
    for x in batches:
        before = [p.detach().clone() for p in (model.left.weight, model.right.weight)]
        step(model, optimisers, ('discriminator', 'generator'), x)
        after = (model.left.weight, model.right.weight)
        moved.append(tuple(not torch.equal(a, b) for a, b in zip(before, after)))
    # (generator, discriminator); the last iteration of the run keeps nothing back.
    assert moved == [(False, False), (True, False), (False, True), (True, False), (True, True)]
    again = build(TwoLayers(), **wrappers)
    again.initialize_count_status(model, 3, 5)
    assert [wrapper.inner_count for wrapper in again.values()] == [3, 3]


def test_states_are_saved_and_loaded() -> None:
    model, x = TwoLayers(), torch.randn(4, 3)
    optimisers = build(model, **both())
    step(model, optimisers, ('discriminator', 'generator'), x)
    state = optimisers.state_dict()
    assert state.keys() == {'discriminator', 'generator'} and state['generator']['state']
    again = build(TwoLayers(), **both())
    again.load_state_dict(state)
    assert str(again.state_dict()) == str(state)


def test_schedule_of_the_generator_alone() -> None:
    cfg = Config.fromfile(SCHEDULE)
    optimisers = build_optim_wrapper(TwoLayers(), cfg.optim_wrapper)
    assert cfg.param_scheduler.discriminator == []
    (scheduler,) = (
        PARAM_SCHEDULERS.build(dict(optimizer=optimisers['generator'], **one))
        for one in cfg.param_scheduler.generator
    )
    optimisers['generator'].optimizer.step()
    for epoch in range(1, 151):
        expected = 1e-7 + 0.5 * (1e-3 - 1e-7) * (1 + math.cos(math.pi * (epoch - 1) / 150))
        assert abs(optimisers['generator'].param_groups[0]['lr'] - expected) < 1e-10, epoch
        assert optimisers['discriminator'].param_groups[0]['lr'] == 1e-3
        scheduler.step()
    assert cfg.train_cfg.max_epochs == 150
    for wrapper in optimisers.values():
        decay = {
            p.dim(): g['weight_decay'] for g in wrapper.optimizer.param_groups for p in g['params']
        }
        assert decay == {1: 0.0, 2: 0.05}
        assert wrapper.clip_grad_kwargs == dict(max_norm=10, norm_type=2)
        defaults = wrapper.optimizer.defaults
        assert defaults['betas'] == (0.9, 0.999) and defaults['eps'] == 1e-8


def test_a_model_without_steps_is_refused() -> None:
    with pytest.raises(DataError, match='step_modules.* found Linear'):
        AdversarialOptimWrapperConstructor(dict(generator=ONE))(nn.Linear(3, 3))


def test_amp_switches_both_wrappers() -> None:
    cfg = Config.fromfile(SCHEDULE)
    enable_amp(cfg)
    for name in ('generator', 'discriminator'):
        assert cfg.optim_wrapper[name].type in ('AutocastOptimWrapper', 'AmpOptimWrapper')
    assert 'type' not in cfg.optim_wrapper
    cfg.optim_wrapper.generator.type = 'MyWrapper'
    with pytest.raises(ValueError, match='MyWrapper'):
        enable_amp(cfg)
