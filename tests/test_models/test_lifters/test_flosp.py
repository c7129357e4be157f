"""Lifting against the reference's figures."""

import pytest
import torch

from mmssc.models.lifters import FLoSP, lift_features
from mmssc.parity.reference_fill import normal


def _case(unit_cases):
    features = torch.from_numpy(normal('flosp_feat', (1, 3, 4, 6, 8), 1))
    pixels = torch.from_numpy(unit_cases['flosp/pix'])[None]
    return features, pixels, torch.from_numpy(unit_cases['flosp/fov'])[None]


def test_reference_figures(unit_cases):
    features, pixels, visible = _case(unit_cases)
    output = lift_features(features, pixels, visible, 16).transpose(1, 2)
    torch.testing.assert_close(output, torch.from_numpy(unit_cases['flosp/out']))
    single = lift_features(features[:, :1], pixels[:, :1], visible[:, :1], 16).transpose(1, 2)
    assert torch.equal(single, torch.from_numpy(unit_cases['flosp/out_single']))


def test_batch_equals_its_samples(unit_cases):
    features, pixels, visible = _case(unit_cases)
    batch = [torch.cat([value, value.flip(1)]) for value in (features, pixels, visible)]
    both = lift_features(*batch, 16)
    for number in range(2):
        alone = lift_features(*(value[number : number + 1] for value in batch), 16)
        assert torch.equal(both[number], alone[0])


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_several_frames_are_summed_frame_by_frame(dtype):
    """Values and gradients; sums of half precision run in float32."""
    torch.manual_seed(0)
    features = torch.randn(2, 3, 4, 6, 8).to(dtype).requires_grad_()
    pixels = torch.stack((torch.randint(128, (2, 3, 50)), torch.randint(96, (2, 3, 50))), -1)
    visible = torch.rand(2, 3, 50) < 0.5
    weights = torch.randn(2, 50, 4)
    output = lift_features(features, pixels, visible, 16)
    assert output.dtype == dtype
    (gradient,) = torch.autograd.grad((output.float() * weights).sum(), features)

    total = torch.zeros(2, 50, 4)
    for sample in range(2):
        for frame in range(3):
            u, v = (pixels[sample, frame] // 16).unbind(1)
            seen = features[sample, frame, :, v, u].t().float()
            total[sample] = total[sample] + seen * visible[sample, frame, :, None]
    expected = (total / visible.sum(1).clamp(min=1)[..., None]).to(dtype)
    assert torch.equal(output, expected)
    (wanted,) = torch.autograd.grad((expected.float() * weights).sum(), features)
    torch.testing.assert_close(gradient, wanted, rtol=1e-5 if dtype == torch.float32 else 2e-2,
                               atol=1e-6 if dtype == torch.float32 else 2e-2)  # fmt: skip


def test_invisible_voxels_are_zero_and_get_no_gradient():
    features = torch.ones(1, 1, 2, 3, 3, requires_grad=True)
    pixels = torch.tensor([[[[0, 0], [10**10, -(10**10)], [40, 20]]]])
    visible = torch.tensor([[[True, False, True]]])
    output = lift_features(features, pixels, visible, 16)
    assert output[0].tolist() == [[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]
    output.sum().backward()
    expected = torch.zeros(3, 3)
    expected[0, 0] = expected[1, 2] = 1
    assert torch.equal(features.grad[0, 0, 0], expected)


def test_grid_is_filled_in_its_own_axes():
    grid = dict(origin=(0.0, -2.0, -1.0), voxel_size=1.0, shape=(4, 4, 2))
    # Camera at the origin looking along x of the grid's frame.
    lidar2cam = torch.tensor(
        [[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]], dtype=torch.float64
    )
    cam2img = torch.tensor([[16.0, 0, 32], [0, 16, 32], [0, 0, 1]], dtype=torch.float64)
    columns = torch.arange(4.0).view(1, 1, 1, 1, 4).expand(1, 1, 1, 4, 4)
    volume = FLoSP(grid, stride=16)(columns, cam2img[None], lidar2cam[None, None], (64, 64))
    assert volume.shape == (1, 1, 4, 4, 2)
    # Voxel (3, 3, 0) has y = 1.5, 3.5 m ahead: u = 32 - 16 * 1.5 / 3.5 = 25, column 1.
    assert volume[0, 0, 3, 3, 0] == 1.0
    # Voxel (0, 3, 0), 0.5 m ahead: u = 32 - 16 * 3 < 0, not seen.
    assert volume[0, 0, 0, 3, 0] == 0.0


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_several_frames_on_a_gpu_equal_those_on_the_cpu(unit_cases, dtype):
    results = []
    for device in ('cpu', 'cuda'):
        features, pixels, visible = (value.to(device) for value in _case(unit_cases))
        features = features.to(dtype).requires_grad_()
        output = lift_features(features, pixels, visible, 16)
        output.float().square().sum().backward()
        results.append([output.detach().float().cpu(), features.grad.float().cpu()])
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    for on_cpu, on_gpu in zip(*results):
        torch.testing.assert_close(on_gpu, on_cpu, rtol=tolerance, atol=tolerance)
