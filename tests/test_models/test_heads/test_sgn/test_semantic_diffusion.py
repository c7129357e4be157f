"""Dense diffusion layers against the reference's figures, and their two layouts."""

import pytest
import torch
from reference_units import load_unit

from mmssc.models.heads.sgn import gated_paths
from mmssc.models.heads.sgn.gated_paths import gated_sum
from mmssc.models.heads.sgn.semantic_diffusion import MPAC, SemanticDiffusion
from mmssc.parity.reference_fill import normal

PATHS = ('pts_bbox_head.sdb', 'head.diffusion')


@pytest.fixture
def diffusion(unit_cases):
    return load_unit(SemanticDiffusion(6, 4, 2), unit_cases, 'sdb', *PATHS)


def _close(actual, expected):
    expected = torch.from_numpy(expected)
    assert (actual - expected).abs().max() <= 1e-5 * expected.std()


def test_reference_figures(unit_cases, diffusion):
    x = torch.from_numpy(normal('sdb_in', (1, 6, 8, 10, 6), 1))
    _close(diffusion(x), unit_cases['sdb/out'])
    x = diffusion.conv_in(x)
    _close(x, unit_cases['sdb/after_conv_in'])
    for block in diffusion.blocks:
        x = block(x)
    _close(x, unit_cases['sdb/after_diffusion'])


@pytest.mark.parametrize('channels_last', [True, False])
@pytest.mark.parametrize('axis', [0, 1, 2])
def test_steps_equal_the_whole_volume(axis, channels_last, monkeypatch):
    monkeypatch.setattr(gated_paths, '_STEP', 70)
    block = MPAC(4).double()
    convs = [block.conv_x, block.conv_y, block.conv_z][axis]
    x = torch.randn(2, 4, 9, 5, 6, dtype=torch.float64)
    x = x.contiguous(memory_format=torch.channels_last_3d) if channels_last else x
    gates = torch.rand(2, 3, 9, 5, 6, dtype=torch.float64)
    inputs = x.requires_grad_(), gates.requires_grad_(), *convs.parameters()
    results = []
    for output in (gated_sum(x, gates, convs, axis), gated_paths._run_whole(x, gates, list(convs))):
        results.append((output, *torch.autograd.grad(output.square().sum(), inputs)))
    for by_steps, whole in zip(*results):
        torch.testing.assert_close(by_steps, whole, rtol=1e-10, atol=1e-10)
    with torch.no_grad():
        torch.testing.assert_close(gated_sum(x, gates, convs, axis), results[0][0])


def test_outputs_of_the_convolutions_are_not_stored():
    block = MPAC(4)
    x = (
        torch.randn(1, 4, 32, 32, 16)
        .contiguous(memory_format=torch.channels_last_3d)
        .requires_grad_()
    )
    stored = {}

    def note(tensor):
        if tensor.numel() >= x.numel():
            stored[tensor.data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        block(x)
    # The input, the volumes after z and y, the gates (9 channels) and the result.
    assert len(stored) == 5


def test_steps_follow_mixed_precision(monkeypatch):
    monkeypatch.setattr(gated_paths, '_STEP', 70)
    convs = MPAC(16).conv_y
    x = (
        torch.randn(1, 16, 9, 5, 6)
        .contiguous(memory_format=torch.channels_last_3d)
        .requires_grad_()
    )
    gates = torch.rand(1, 3, 9, 5, 6, requires_grad=True)
    inputs, results = (x, gates, *convs.parameters()), []
    for function in (
        lambda: gated_sum(x, gates, convs, 1),
        lambda: gated_paths._run_whole(x, gates, list(convs)),
    ):
        with torch.autocast('cpu', dtype=torch.bfloat16):
            output = function()
        assert output.dtype == torch.bfloat16
        results.append((output, *torch.autograd.grad(output.float().square().sum(), inputs)))
    for by_steps, whole in zip(*results):
        assert by_steps.dtype == whole.dtype
        assert (by_steps - whole).norm() < 0.01 * whole.norm()


def test_channels_last_input_gives_the_same(diffusion):
    x = torch.randn(2, 6, 8, 10, 6)
    expected = diffusion(x)
    output = diffusion(x.contiguous(memory_format=torch.channels_last_3d))
    torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-6)


def test_gates_of_one_axis_sum_to_one_and_z_is_the_last_group():
    block = MPAC(2)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.zero_()
        for path in block.conv_z:
            path.bias.fill_(1.0)
    # All paths along z give 1 and the gates sum to 1; y and x give 0: the block is relu(x).
    x = torch.randn(1, 2, 3, 4, 5)
    gates = block.gate(x).unflatten(1, (3, 3)).softmax(2)
    along_z = gated_sum(x, gates[:, 2], block.conv_z, 2)
    torch.testing.assert_close(along_z, torch.ones_like(x))
    torch.testing.assert_close(block(x), x.relu())


def test_checkpointing_gives_the_same_gradients(diffusion):
    x = torch.randn(1, 6, 8, 10, 6)
    gradients = []
    for with_cp in (False, True):
        diffusion.with_cp = with_cp
        diffusion.zero_grad()
        diffusion(x).square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in diffusion.parameters()])
    for plain, recomputed in zip(*gradients):
        assert torch.equal(plain, recomputed)
