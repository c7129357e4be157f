"""Dense diffusion layers against the reference's figures, and their two layouts."""

import pytest
import torch
from reference_units import load_unit

from mmssc.models.heads.sgn.semantic_diffusion import MPAC, SemanticDiffusion, _gated_sum
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


def test_transposed_x_step_equals_the_plain_one():
    block = MPAC(4).double()
    x = torch.randn(2, 4, 9, 5, 6, dtype=torch.float64, requires_grad=True)
    gates = torch.rand(2, 3, 9, 5, 6, dtype=torch.float64)
    results = []
    for step in (lambda: block._along_x_transposed(x, gates),
                 lambda: _gated_sum(x, block.conv_x, gates)):  # fmt: skip
        output = step()
        gradients = torch.autograd.grad(output.square().sum(), [x, *block.conv_x.parameters()])
        results.append((output, *gradients))
    for transposed, plain in zip(*results):
        torch.testing.assert_close(transposed, plain, rtol=1e-10, atol=1e-10)


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
    along_z = _gated_sum(x, block.conv_z, block.gate(x).unflatten(1, (3, 3)).softmax(2)[:, 2])
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
