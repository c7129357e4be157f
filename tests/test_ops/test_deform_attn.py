"""Deformable attention against a loop in plain Python, mmcv's code, and the reference's figures."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from mmssc.compat import has_compiled_mmcv_ops
from mmssc.errors import MissingDependencyError
from mmssc.ops import MultiScaleDeformableAttention, deformable_attention

SHAPES = [(4, 6), (2, 3)]
SIZE = 30


def make_inputs(dtype=torch.float64, batch=2, queries=5, heads=2, channels=3, points=2, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.rand(*shape, dtype=torch.float64, generator=generator)

    places = (batch, queries, heads, len(SHAPES), points)
    value = draw(batch, SIZE, heads, channels) - 0.5
    locations = draw(*places, 2) * 1.4 - 0.2
    weights = draw(*places).flatten(3).softmax(-1).view(places)
    return [tensor.to(dtype).requires_grad_() for tensor in (value, locations, weights)]


def naive(value, locations, weights):
    """Every sample by hand."""
    batch, queries, heads, levels, points = weights.shape
    output = torch.zeros(batch, queries, heads, value.shape[-1], dtype=value.dtype)
    starts = [0, SHAPES[0][0] * SHAPES[0][1]]
    for index in np.ndindex(batch, queries, heads, levels, points):
        b, q, h, level, _ = index
        height, width = SHAPES[level]
        x = float(locations[index][0]) * width - 0.5
        y = float(locations[index][1]) * height - 0.5
        for column, row in np.ndindex(2, 2):
            u, v = math.floor(x) + column, math.floor(y) + row
            if 0 <= u < width and 0 <= v < height:
                share = (1 - abs(x - u)) * (1 - abs(y - v)) * weights[index]
                output[b, q, h] += share * value[b, starts[level] + v * width + u, h]
    return output.flatten(2)


def test_equals_a_loop_over_all_samples():
    value, locations, weights = make_inputs()
    found = deformable_attention(value, SHAPES, locations, weights)
    with torch.no_grad():
        expected = naive(value, locations, weights)
    torch.testing.assert_close(found.detach(), expected)


def test_gradients_are_those_of_finite_differences():
    inputs = make_inputs(queries=2)
    assert torch.autograd.gradcheck(
        lambda value, *places: deformable_attention(value, SHAPES, *places), inputs
    )


@pytest.mark.parametrize('chunk_size', [1, 2, 5, 100])
@pytest.mark.parametrize('with_cp', [False, True])
def test_chunks_and_recomputation_change_nothing(chunk_size, with_cp):
    inputs = make_inputs()
    results = []
    for options in ({}, dict(chunk_size=chunk_size, with_cp=with_cp)):
        output = deformable_attention(inputs[0], SHAPES, *inputs[1:], **options)
        gradients = torch.autograd.grad(output.square().sum(), inputs)
        results.append((output.detach(), *gradients))
    for found, expected in zip(*reversed(results)):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize('chunk_size', [None, 2])
def test_without_gradients_the_result_is_the_same(chunk_size):
    inputs = make_inputs()
    expected = deformable_attention(inputs[0], SHAPES, *inputs[1:]).detach()
    with torch.no_grad():
        found = deformable_attention(inputs[0], SHAPES, *inputs[1:], chunk_size=chunk_size)
    torch.testing.assert_close(found, expected)


def test_a_location_that_is_nan_gives_nan_and_no_error():
    value, locations, weights = (one.detach() for one in make_inputs())
    locations[0, 1, 0, 0, 0] = torch.nan
    with torch.no_grad():
        found = deformable_attention(value, SHAPES, locations, weights)
    assert found[0, 1, :3].isnan().all() and found[0, 1, 3:].isfinite().all()


def test_recomputation_stores_no_samples():
    """What autograd keeps grows by the locations and weights only."""

    def stored(**options):
        inputs = make_inputs(torch.float32, queries=400)
        total = 0

        def pack(tensor):
            nonlocal total
            total += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            deformable_attention(inputs[0], SHAPES, *inputs[1:], **options)
        return total, sum(tensor.numel() for tensor in inputs)

    plain, size = stored()
    chunked, _ = stored(chunk_size=50, with_cp=True)
    assert chunked < 1.5 * size < plain


def test_equals_the_pytorch_code_of_mmcv():
    ops = pytest.importorskip('mmcv.ops.multi_scale_deform_attn')
    inputs = make_inputs(torch.float32)
    shapes = torch.tensor(SHAPES)
    results = []
    for function, places in (
        (ops.multi_scale_deformable_attn_pytorch, shapes),
        (deformable_attention, SHAPES),
    ):
        output = function(inputs[0], places, *inputs[1:])
        results.append((output, *torch.autograd.grad(output.square().sum(), inputs)))
    for found, expected in zip(*results):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_module_equals_the_class_of_mmcv():
    from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttention as Reference

    torch.manual_seed(0)
    ours = MultiScaleDeformableAttention(16, 4, 2, 3)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        theirs = Reference(16, 4, 2, 3, batch_first=True)
        theirs.init_weights()
    bias = 'sampling_offsets.bias'
    torch.testing.assert_close(ours.state_dict()[bias], theirs.state_dict()[bias])
    for parameter in ours.parameters():
        nn.init.normal_(parameter, std=0.5)
    theirs.load_state_dict(ours.state_dict())
    query, position = torch.randn(2, 2, 7, 16).unbind(0)
    value, reference = torch.randn(2, SIZE, 16), torch.rand(2, 7, 2, 2)
    padding = torch.rand(2, SIZE) < 0.3
    shapes = torch.tensor(SHAPES)
    starts = torch.tensor([0, 24])
    for mask in (None, padding):
        expected = theirs.eval()(
            query, value=value, query_pos=position, key_padding_mask=mask,
            reference_points=reference, spatial_shapes=shapes, level_start_index=starts,
        )  # fmt: skip
        found = ours.eval()(query, value, reference, SHAPES, position, key_padding_mask=mask)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_starts_on_a_star_with_equal_weights():
    module = MultiScaleDeformableAttention(16, 4, 1, 2, dropout=0.0)
    with torch.no_grad():
        nn.init.eye_(module.value_proj.weight)
        nn.init.eye_(module.output_proj.weight)
        value = torch.zeros(1, 81, 16)
        # Head 0 looks to the right: one and two cells from the centre of a 9 x 9 map.
        value[0, 4 * 9 + 5, 0], value[0, 4 * 9 + 6, 0] = 4.0, 6.0
        output = module(torch.zeros(1, 1, 16), value, torch.full((1, 1, 1, 2), 0.5), [(9, 9)])
    assert output[0, 0, 0] == pytest.approx(5.0) and output[0, 0, 1:].abs().max() == 0


def test_dropout_comes_before_the_identity():
    module = MultiScaleDeformableAttention(16, 4, 2, 2, dropout=1.0).train()
    query = torch.randn(1, 3, 16)
    arguments = torch.randn(1, SIZE, 16), torch.rand(1, 3, 2, 2), SHAPES
    assert torch.equal(module(query, *arguments), query)
    assert not torch.equal(module.eval()(query, *arguments), query)


def test_half_precision_keeps_the_places_in_float32():
    value, locations, weights = (tensor.detach() for tensor in make_inputs(torch.float32))
    expected = deformable_attention(value, SHAPES, locations, weights)
    found = deformable_attention(value.bfloat16(), SHAPES, locations, weights)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, rtol=2e-2, atol=2e-2)
    module = MultiScaleDeformableAttention(16, 4, 1, 2).eval()
    seen = []
    module.sampling_offsets.register_forward_hook(lambda _, args, out: seen.append(out.dtype))
    with torch.autocast('cpu', torch.bfloat16):
        module(torch.randn(1, 3, 16), torch.randn(1, 24, 16), torch.rand(1, 3, 1, 2), SHAPES[:1])
    assert seen == [torch.float32]


def test_no_queries_keep_the_graph():
    value, locations, weights = make_inputs(queries=0)
    output = deformable_attention(value, SHAPES, locations, weights)
    assert output.shape == (2, 0, 6)
    output.sum().backward()
    assert value.grad is not None and not value.grad.any()
    assert locations.grad is not None and weights.grad is not None


def test_wrong_arguments_are_refused():
    value, locations, weights = make_inputs()
    with pytest.raises(ValueError, match='do not have 30 positions'):
        deformable_attention(value, [(4, 6), (2, 2)], locations, weights)
    with pytest.raises(ValueError, match='backend: expected one of'):
        deformable_attention(value, SHAPES, locations, weights, backend='numpy')
    with pytest.raises(ValueError, match=r'embed_dims: expected a multiple of num_heads .5.'):
        MultiScaleDeformableAttention(16, 5)
    if not has_compiled_mmcv_ops():
        with pytest.raises(MissingDependencyError, match='mmcv has no compiled ops'):
            deformable_attention(value, SHAPES, locations, weights, backend='mmcv')


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_on_the_gpu():
    """The twin equals itself on the CPU, and the compiled op where there is one."""
    inputs = make_inputs(torch.float32, queries=40)
    expected = deformable_attention(inputs[0], SHAPES, *inputs[1:])
    gradients = torch.autograd.grad(expected.square().sum(), inputs)
    for backend in ('torch', *(['mmcv'] if has_compiled_mmcv_ops() else [])):
        moved = [tensor.detach().cuda().requires_grad_() for tensor in inputs]
        found = deformable_attention(moved[0], SHAPES, *moved[1:], backend=backend)
        torch.testing.assert_close(found.cpu(), expected, rtol=1e-5, atol=1e-5)
        for mine, theirs in zip(torch.autograd.grad(found.square().sum(), moved), gradients):
            torch.testing.assert_close(mine.cpu(), theirs, rtol=1e-5, atol=1e-5)
