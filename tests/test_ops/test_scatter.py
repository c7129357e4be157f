"""Group reductions against plain loops."""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest
import torch

from mmssc.errors import MissingDependencyError
from mmssc.ops import group_count, group_max, group_mean, torch_scatter_available


def _example(rows=200, groups=17, channels=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(rows, channels, dtype=torch.float64, generator=generator)
    group = torch.randint(0, groups - 1, (rows,), generator=generator)
    return features, group, groups  # the last group has no rows


@pytest.mark.parametrize(('reduce', 'oracle'), [
    (group_mean, lambda rows: rows.mean(0)),
    (group_max, lambda rows: rows.max(0).values),
])  # fmt: skip
def test_equals_a_loop_over_the_groups(reduce, oracle):
    features, group, groups = _example()
    result = reduce(features, group, groups)
    for number in range(groups):
        rows = features[group == number]
        expected = oracle(rows) if len(rows) else torch.zeros(features.shape[1])
        torch.testing.assert_close(result[number], expected.to(torch.float64))


@pytest.mark.parametrize('reduce', [group_mean, group_max])
def test_gradients_are_those_of_finite_differences(reduce):
    features, group, groups = _example(rows=12, groups=4, channels=2)
    features.requires_grad_()
    assert torch.autograd.gradcheck(lambda rows: reduce(rows, group, groups), (features,))


@pytest.mark.parametrize('reduce', [group_mean, group_max])
def test_no_rows(reduce):
    result = reduce(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), 2)
    assert torch.equal(result, torch.zeros(2, 3))


def test_count():
    group = torch.tensor([2, 0, 2, 2])
    assert group_count(group, 4).tolist() == [1, 0, 3, 0]


def test_half_precision_is_summed_in_float32():
    features = torch.ones(5000, 1, dtype=torch.bfloat16)
    group = torch.zeros(5000, dtype=torch.int64)
    result = group_mean(features, group, 1)
    assert result.dtype == torch.bfloat16
    assert result.item() == 1.0  # a running bfloat16 sum of ones stops at 256


def test_the_same_bits_with_two_threads():
    features = torch.randn(40000, 16)
    group = torch.randint(0, 300, (40000,))
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 2, 2):
            torch.set_num_threads(threads)
            rows = features.clone().requires_grad_()
            mean = group_mean(rows, group, 300)
            mean.index_select(0, group).square().sum().backward()
            results.append((mean.detach(), rows.grad))
    finally:
        torch.set_num_threads(before)
    for mean, grad in results[1:]:
        assert torch.equal(mean, results[0][0])
        assert torch.equal(grad, results[0][1])


def test_unknown_backend():
    with pytest.raises(ValueError, match='backend'):
        group_mean(*_example(), backend='numpy')


@pytest.mark.skipif(torch_scatter_available(), reason='torch-scatter is installed')
def test_missing_backend_names_the_command():
    with pytest.raises(MissingDependencyError, match='pip install torch-scatter'):
        group_max(*_example(), backend='torch_scatter')


def _scatter_by_loop(src, index, dim=-1, out=None, dim_size=None, reduce='sum'):
    """Has the signature of ``torch_scatter.scatter``, for what mmssc asks of it."""
    assert dim == 0 and out is None
    one = {'mean': lambda rows: rows.mean(0), 'max': lambda rows: rows.max(0).values}[reduce]
    groups = [src[index == number] for number in range(dim_size)]
    return torch.stack([one(rows) if len(rows) else rows.sum(0) for rows in groups])


@pytest.mark.parametrize('reduce', [group_mean, group_max])
def test_torch_scatter_gets_what_it_asks_for(reduce, monkeypatch):
    module = ModuleType('torch_scatter')
    module.__spec__, module.scatter = ModuleSpec('torch_scatter', None), _scatter_by_loop
    monkeypatch.setitem(sys.modules, 'torch_scatter', module)
    arguments = _example()
    torch.testing.assert_close(reduce(*arguments, backend='torch_scatter'), reduce(*arguments))


@pytest.mark.skipif(not torch_scatter_available(), reason='torch-scatter is not installed')
@pytest.mark.parametrize('reduce', [group_mean, group_max])
def test_backends_agree(reduce):
    arguments = _example()
    torch.testing.assert_close(reduce(*arguments, backend='torch_scatter'), reduce(*arguments))
