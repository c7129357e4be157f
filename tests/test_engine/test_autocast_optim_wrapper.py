import pytest
import torch
from torch import nn

from mmssc.registry import OPTIM_WRAPPERS


def build(model, **kwargs):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return OPTIM_WRAPPERS.build(dict(type='AutocastOptimWrapper', optimizer=optimizer, **kwargs))


def test_forward_is_bfloat16_and_weights_stay_float32():
    model = nn.Linear(4, 4)
    before = model.weight.detach().clone()
    wrapper = build(model)
    with wrapper.optim_context(model):
        output = model(torch.ones(2, 4))
        assert output.dtype == torch.bfloat16
        loss = output.float().square().mean()
    wrapper.update_params(loss)
    assert model.weight.dtype == torch.float32
    assert not torch.equal(model.weight, before)
    assert model(torch.ones(2, 4)).dtype == torch.float32


def test_state_dict_is_that_of_an_ordinary_wrapper():
    model = nn.Linear(2, 2)
    plain = OPTIM_WRAPPERS.build(
        dict(type='OptimWrapper', optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    )
    assert build(model).state_dict().keys() == plain.state_dict().keys()


def test_types_that_need_loss_scaling_are_refused():
    with pytest.raises(ValueError, match='AmpOptimWrapper'):
        build(nn.Linear(2, 2), dtype='float16')
