from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict

from mmssc.engine.hooks import OptimizerStateHook
from mmssc.errors import DataError


def trained(fused, **wrong):
    """An optimiser after a step, with parts of its state replaced."""
    parameter = torch.nn.Parameter(torch.zeros(2, 3))
    optimizer = torch.optim.AdamW([parameter])
    parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    optimizer.state[parameter].update(wrong)
    optimizer.param_groups[0]['fused'] = fused
    return OptimWrapper(optimizer)


def check(wrapper):
    OptimizerStateHook().before_train(SimpleNamespace(optim_wrapper=wrapper, _load_from='some.pth'))


def test_a_state_that_fits_passes():
    check(trained(fused=True))
    check(OptimWrapperDict(one=trained(fused=True), two=trained(fused=None)))


@pytest.mark.parametrize(
    'wrong',
    [
        dict(exp_avg=torch.zeros(1)),
        dict(exp_avg_sq=torch.zeros(3, 2)),
        dict(step=torch.zeros(0)),
        dict(max_exp_avg_sq=torch.zeros(2)),
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_another_shape_is_refused_where_the_kernel_does_not_look(wrong):
    (name,) = wrong
    with pytest.raises(DataError, match=f'some.pth: optimizer, {name}: expected shape') as caught:
        check(trained(fused=True, **wrong))
    assert '--cfg-options load_from=some.pth' in caught.value.hint
    with pytest.raises(DataError):
        check(OptimWrapperDict(one=trained(fused=True), two=trained(fused=True, **wrong)))
    check(trained(fused=None, **wrong))  # Other kernels compare shapes themselves.
