"""Normalisation over processes equals normalisation of the whole batch."""

import copy

import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing, nn

from mmssc.models.layers import DistributedBN, build_norm, normalize_rows, with_exact_norms

SHAPES = {1: (5, 3), 2: (2, 3, 4, 5), 3: (2, 3, 2, 4, 3)}
# Rows of each process; the last case leaves one process without any.
SPLITS = [(3, 2), (5, 0)]


def _step(norm, rows, weight):
    rows = rows.clone().requires_grad_()
    output = norm(rows)
    (output * weight).sum().backward()
    statistics = (norm.running_mean, norm.running_var)
    return [output.detach(), rows.grad, norm.weight.grad, norm.bias.grad, *statistics]


def _run_process(rank, init_file, rows, weights, results):
    dist.init_process_group('gloo', init_method=f'file://{init_file}', rank=rank, world_size=2)
    norm = DistributedBN(3)
    # DDP would average the gradients of the parameters; their sum is that of the whole loss.
    results[rank] = _step(norm, rows[rank], weights[rank])
    dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize('split', SPLITS)
def test_two_processes_equal_one_with_the_whole_batch(tmp_path, split):
    rows, weight = torch.randn(5, 3) * 3 + 10, torch.randn(5, 3)
    manager = multiprocessing.Manager()
    results = manager.dict()
    multiprocessing.spawn(
        _run_process,
        (str(tmp_path / 'init'), rows.split(split), weight.split(split), results),
        nprocs=2,
    )
    whole = _step(nn.BatchNorm1d(3), rows, weight)
    first, second = results[0], results[1]
    joined = [torch.cat([first[0], second[0]]), torch.cat([first[1], second[1]])]
    joined += [first[2] + second[2], first[3] + second[3], first[4], first[5]]
    for ours, expected in zip(joined, whole):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(first[4:], second[4:]):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize('dims', [1, 2, 3])
def test_in_one_process_it_is_plain_batch_norm(dims):
    x = torch.randn(SHAPES[dims])
    plain, ours = (build_norm(dict(type=name), 3, dims) for name in ('BN', 'DistributedBN'))
    assert isinstance(ours, DistributedBN)
    for ours_value, plain_value in zip(_step(ours, x, x), _step(plain, x, x)):
        torch.testing.assert_close(ours_value, plain_value)
    ours.eval(), plain.eval()
    torch.testing.assert_close(ours(x), plain(x))


@pytest.mark.parametrize('name', ['BN', 'DistributedBN'])
@pytest.mark.parametrize('rows', [0, 1])
def test_rows_without_statistics_of_their_own(name, rows):
    norm = build_norm(dict(type=name), 3, 1)
    norm.running_mean.fill_(2.0)
    norm.running_var.fill_(4.0)
    output = normalize_rows(norm, torch.full((rows, 3), 6.0))
    torch.testing.assert_close(output, torch.full((rows, 3), 2.0), rtol=1e-5, atol=1e-5)
    assert torch.equal(norm.running_mean, torch.full((3,), 2.0))


def test_other_norms_and_frozen_parameters():
    assert isinstance(build_norm(dict(type='GN', num_groups=2), 4, 3), nn.GroupNorm)
    frozen = build_norm(dict(type='DistributedBN', requires_grad=False, momentum=0.3), 4, 3)
    assert frozen.momentum == 0.3
    assert not any(parameter.requires_grad for parameter in frozen.parameters())


def _stored(model, image):
    """Numbers that the forward pass keeps for the backward pass, which also runs."""
    sizes = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda x: sizes.append(x.numel()) or x, lambda x: x
    ):
        model(image).square().mean().backward()
    return sum(sizes)


def test_a_frozen_norm_of_another_library_keeps_no_input():
    plain = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)).eval()
    for parameter in plain[1].parameters():
        nn.init.uniform_(parameter, 0.5, 2.0)
        parameter.requires_grad_(False)
    plain[1].running_mean.uniform_(-1.0, 1.0)
    plain[1].running_var.uniform_(0.5, 2.0)
    ours = with_exact_norms(copy.deepcopy(plain))
    image = torch.randn(2, 3, 20, 20)
    assert _stored(plain, image) - _stored(ours, image) >= plain(image).numel()
    torch.testing.assert_close(ours(image), plain(image))
    torch.testing.assert_close(ours[0].weight.grad, plain[0].weight.grad)


def test_subclasses_of_norms_stay_as_they_are():
    model = nn.Sequential(nn.SyncBatchNorm(4), nn.BatchNorm2d(4))
    with_exact_norms(model)
    assert type(model[0]) is nn.SyncBatchNorm and type(model[1]) is not nn.BatchNorm2d
