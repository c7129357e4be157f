"""Submanifold convolution: exact against a dense convolution, and its gradients."""

import pytest
import torch
from reference_units import load_unit
from torch.nn import functional as F

from mmssc.errors import DataError
from mmssc.ops import SparseIndex, SubMConv3d, spconv_available, submanifold_conv3d

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')


def _scene(shape=(5, 4, 6), batch_size=2, density=0.4, channels=3, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    active = torch.rand(batch_size, *shape, generator=generator) < density
    coords = active.nonzero()
    coords = coords[torch.randperm(len(coords), generator=generator)]  # any order is allowed
    features = torch.randn(len(coords), channels, generator=generator, dtype=dtype)
    return SparseIndex(coords, shape, batch_size), features


def _dense(index, features):
    volume = features.new_zeros(index.batch_size, *index.shape, features.shape[1])
    volume = volume.index_put(tuple(index.coords.unbind(1)), features)
    return volume.permute(0, 4, 1, 2, 3)


def _dense_conv(index, features, weight):
    volume = _dense(index, features)
    dense_weight = weight.permute(0, 4, 1, 2, 3)
    result = F.conv3d(volume, dense_weight, padding=weight.shape[1] // 2)
    return result.permute(0, 2, 3, 4, 1)[tuple(index.coords.unbind(1))]


@pytest.mark.parametrize('kernel_size', [3, 5])
@pytest.mark.parametrize('shape', [(5, 4, 6), (1, 1, 9), (16, 3, 2)])
def test_equals_a_dense_convolution_with_its_gradients(kernel_size, shape):
    index, features = _scene(shape)
    weight = torch.randn(4, *[kernel_size] * 3, 3, dtype=torch.float64)
    results = []
    for function in (lambda f, w: submanifold_conv3d(f, w, index),
                     lambda f, w: _dense_conv(index, f, w)):  # fmt: skip
        f, w = features.clone().requires_grad_(), weight.clone().requires_grad_()
        output = function(f, w)
        output.square().sum().backward()
        results.append((output.detach(), f.grad, w.grad))
    for sparse, dense in zip(*results):
        torch.testing.assert_close(sparse, dense, rtol=1e-10, atol=1e-10)


def test_gradcheck():
    index, features = _scene((3, 3, 3), 1, channels=2)
    weight = torch.randn(2, 3, 3, 3, 2, dtype=torch.float64)
    inputs = (features.requires_grad_(), weight.requires_grad_())
    assert torch.autograd.gradcheck(lambda f, w: submanifold_conv3d(f, w, index), inputs)


def test_neighbours_by_look_up_and_by_search_are_equal():
    index, _ = _scene((7, 5, 3), 3)
    assert torch.equal(index.neighbours(3, dense=True), index.neighbours(3, dense=False))


def test_samples_do_not_see_each_other():
    shape = (2, 2, 2)
    everywhere = torch.ones(2, *shape).nonzero()
    index = SparseIndex(everywhere, shape, 2)
    features = torch.cat([torch.zeros(8, 1), torch.ones(8, 1)])
    weight = torch.ones(1, 3, 3, 3, 1)
    output = submanifold_conv3d(features, weight, index)
    assert output[:8].abs().max() == 0
    assert torch.equal(output[8:], torch.full((8, 1), 8.0))


def test_no_active_voxel():
    index = SparseIndex(torch.zeros(0, 4, dtype=torch.int64), (4, 4, 4), 1)
    features = torch.zeros(0, 3, requires_grad=True)
    for kernel_size in (1, 3):
        conv = SubMConv3d(3, 3, kernel_size)
        output = conv(features, index)
        output.sum().backward()
        assert output.shape == (0, 3)
        assert conv.weight.grad.abs().max() == 0
    assert index.neighbours(3, dense=False).shape == (27, 0)
    assert len(index.coarsen(2)[0]) == 0


@pytest.mark.parametrize('name', ['subm1', 'subm3_zyx'])
def test_reference_figures(unit_cases, name):
    coords = torch.from_numpy(unit_cases['sparse/coords_xyz'])
    batch = torch.zeros(len(coords), 1, dtype=torch.int64)
    index = SparseIndex(torch.cat([batch, coords.flip(1)], dim=1), (8, 12, 16), 1)
    conv = load_unit(SubMConv3d(8, 8, int(name[4])), unit_cases, name[:5])
    output = conv(torch.from_numpy(unit_cases['sparse/feats']), index)
    torch.testing.assert_close(output, torch.from_numpy(unit_cases[f'sparse/{name}']))


def test_one_by_one_kernel_is_not_transposed():
    index, features = _scene(dtype=torch.float32)
    conv = SubMConv3d(3, 3, 1)
    expected = features @ conv.weight.detach().view(3, 3)
    assert torch.equal(conv(features, index), expected)
    with pytest.raises(ValueError, match='in_channels == out_channels'):
        SubMConv3d(3, 4, 1)


def test_coarsening_groups_by_floor_division():
    index, _ = _scene((5, 4, 7), 2)
    coarse, group = index.coarsen(2)
    assert coarse.shape == (3, 2, 4)
    expected = torch.cat([index.coords[:, :1], index.coords[:, 1:] // 2], dim=1)
    assert torch.equal(coarse.coords[group], expected)
    assert torch.equal(coarse.keys, coarse.keys.unique(sorted=True))


def test_group_rows_sorts_and_merges():
    coords = torch.tensor([[1, 0, 0, 1], [0, 2, 1, 0], [1, 0, 0, 1]])
    index, group = SparseIndex.group_rows(coords, (3, 2, 2), 2)
    assert index.coords.tolist() == [[0, 2, 1, 0], [1, 0, 0, 1]]
    assert group.tolist() == [1, 0, 1]


def test_autocast_runs_in_bfloat16_and_trains():
    index, features = _scene(dtype=torch.float32, channels=8)
    conv = SubMConv3d(8, 8, 3)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        output = conv(features, index)
    assert output.dtype == torch.bfloat16
    output.float().sum().backward()
    assert conv.weight.grad.dtype == torch.float32
    exact = conv(features, index)
    assert (output - exact).abs().max() < 0.02 * exact.abs().max()


def test_the_same_bits_with_two_threads():
    index, features = _scene((32, 32, 8), 1, channels=16, dtype=torch.float32)
    conv = SubMConv3d(16, 16, 3)
    before, results = torch.get_num_threads(), []
    try:
        torch.set_num_threads(2)
        for _ in range(3):
            rows = features.clone().requires_grad_()
            conv.zero_grad()
            conv(rows, index).square().sum().backward()
            results.append((rows.grad, conv.weight.grad))
    finally:
        torch.set_num_threads(before)
    for rows_grad, weight_grad in results[1:]:
        assert torch.equal(rows_grad, results[0][0])
        assert torch.equal(weight_grad, results[0][1])


def test_wrong_arguments():
    with pytest.raises(DataError, match=r'shape \(N, 4\)'):
        SparseIndex(torch.zeros(5, 3, dtype=torch.int64), (4, 4, 4), 1)
    with pytest.raises(ValueError, match='odd'):
        SubMConv3d(2, 2, 2)
    with pytest.raises(ValueError, match='backend'):
        SubMConv3d(2, 2, 3, backend='dense')


@pytest.mark.skipif(not spconv_available(), reason='needs spconv')
@pytest.mark.parametrize(
    'device', ['cpu', pytest.param('cuda', marks=[pytest.mark.cuda, needs_cuda])]
)
@pytest.mark.parametrize('training', [True, False])
def test_spconv_equals_the_plain_twin(training, device, monkeypatch):
    if device == 'cpu':
        # spconv 2.3 asks for a CUDA stream even where it computes on the CPU.
        monkeypatch.setattr('spconv.pytorch.ops.get_current_stream', lambda: 0)
    index, features = _scene((32, 32, 8), 2, channels=16, dtype=torch.float32)
    index = SparseIndex(index.coords.to(device), index.shape, index.batch_size)
    plain = SubMConv3d(16, 24, 3, backend='torch').to(device)
    fast = SubMConv3d(16, 24, 3, backend='spconv').to(device)
    fast.load_state_dict(plain.state_dict())
    with torch.no_grad():
        # Tables of an inference pass must not stand in the way of a later backward pass.
        fast.eval()(features.to(device), index)
    assert not fast._spconv_layer[0].training
    results = []
    for conv in (plain.train(training), fast.train(training)):
        rows = features.to(device, copy=True).requires_grad_()
        output = conv(rows, index)
        output.square().sum().backward()
        results.append((output.detach(), rows.grad, conv.weight.grad))
    # On CUDA spconv's inference kernels give no gradient: evaluation mode must not choose them.
    assert fast._spconv_layer[0].training
    for ours, theirs in zip(*results):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
