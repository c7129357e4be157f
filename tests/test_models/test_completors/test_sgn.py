"""The whole SGN: batches, gradients, mixed precision, determinism, size."""

import pytest
import torch
from mmengine.config import Config
from tiny_sgn import BASE, build_tiny_sgn, collate, make_sample

from mmssc.errors import DataError
from mmssc.parity.reference_fill import read_manifest
from mmssc.registry import MODELS

LOSSES = ['loss_ssc', 'loss_sem_scal', 'loss_geo_scal', 'loss_sem', 'loss_occ', 'loss_pts']


@pytest.fixture
def model():
    return build_tiny_sgn().eval()


@pytest.mark.filterwarnings('ignore:a sample has fewer')
@pytest.mark.parametrize('case', ['plain', 'a sample without points', 'no proposals'])
def test_batch_equals_its_samples(model, case):
    samples = [make_sample(0), make_sample(1, num_points=0 if 'points' in case else 3000)]
    if case == 'no proposals':
        model.head.points_head.seg_head.classifier.bias.data.fill_(-50.0)
    both = model(**collate(model, *samples), mode='tensor')
    counts = both['proposal'].flatten(1).sum(1).tolist()
    if case == 'no proposals':
        assert counts == [16 * 16 * 4] * 2
    seeds = both['seed_logits'].split(counts)
    for number, sample in enumerate(samples):
        alone = model(**collate(model, sample), mode='tensor')
        for name in ('logits', 'pts_occ', 'occ', 'proposal'):
            torch.testing.assert_close(both[name][number], alone[name][0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(seeds[number], alone['seed_logits'], rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings('ignore:a sample has fewer')
def test_one_sample_with_and_one_without_proposals(model):
    samples = [make_sample(0), make_sample(1, num_points=0)]
    logits = [model(**collate(model, s), mode='tensor')['pts_occ'] for s in samples]
    # Two voxels of one sample are above the middle of the second highest logits, not of the other.
    middle = sum(values.flatten().topk(2).values[1] for values in logits) / 2
    model.head.points_head.seg_head.classifier.bias.data -= middle
    both = model(**collate(model, *samples), mode='tensor')
    counts = both['proposal'].flatten(1).sum(1).tolist()
    assert max(counts) == 16 * 16 * 4
    assert 2 <= min(counts) < 16 * 16 * 4
    for number, sample in enumerate(samples):
        alone = model(**collate(model, sample), mode='tensor')['logits']
        torch.testing.assert_close(both['logits'][number], alone[0], rtol=1e-4, atol=1e-5)


def test_losses_of_a_batch_are_the_mean_of_its_samples(model):
    samples = [make_sample(0), make_sample(1)]
    both = model(**collate(model, *samples), mode='loss')
    assert list(both) == LOSSES
    alone = [model(**collate(model, sample), mode='loss') for sample in samples]
    for name in LOSSES:
        mean = (alone[0][name] + alone[1][name]) / 2
        torch.testing.assert_close(both[name], mean, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings('ignore:a sample has fewer')
@pytest.mark.parametrize('num_points', [3000, 0])
@pytest.mark.parametrize('autocast', [False, True])
def test_every_parameter_gets_a_gradient(num_points, autocast):
    model = build_tiny_sgn().train()
    data = collate(model, make_sample(0, num_points=num_points))
    with torch.autocast('cpu', dtype=torch.bfloat16, enabled=autocast):
        losses = model(**data, mode='loss')
    sum(losses.values()).backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize('norm_eval', [True, False])
def test_a_recomputed_backbone_changes_no_figure(norm_eval):
    """With fixed statistics, the backward pass holds the maps of one image at a time."""
    figures, stored = [], []
    for with_cp in (False, True):
        model = build_tiny_sgn()
        model.backbone.norm_eval, model.with_cp = norm_eval, with_cp
        model.train()
        data = collate(model, make_sample(0, num_frames=3))
        sizes = {}

        def pack(tensor, sizes=sizes):
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            model._image_tensors(data['inputs'])
        stored.append(sum(sizes.values()))
        losses = model(**data, mode='loss')
        sum(losses.values()).backward()
        gradients = {name: value.grad for name, value in model.named_parameters()}
        figures.append({**losses, **gradients, **dict(model.named_buffers())})
    torch.testing.assert_close(*figures, rtol=1e-4, atol=1e-6)
    assert stored[1] < 0.5 * stored[0]


def test_bfloat16_autocast_keeps_the_geometry_and_comes_close(model):
    data = collate(model, make_sample(0))
    exact = model(**data, mode='tensor')
    with torch.autocast('cpu', dtype=torch.bfloat16):
        rough = model(**data, mode='tensor')
    assert rough['logits'].dtype == torch.bfloat16
    active = exact['pts_voxel'] > 0
    assert torch.equal(rough['pts_voxel'] > 0, active)
    error = (rough['logits'].float() - exact['logits']).abs().mean()
    assert error < 0.05 * exact['logits'].std()


@pytest.mark.slow
def test_backward_gives_the_same_bits_with_two_threads():
    before, gradients = torch.get_num_threads(), []
    try:
        torch.set_num_threads(2)
        for _ in range(2):
            model = build_tiny_sgn().train()
            data = collate(model, make_sample(0), make_sample(1))
            sum(model(**data, mode='loss').values()).backward()
            gradients.append({n: p.grad for n, p in model.named_parameters() if p.requires_grad})
    finally:
        torch.set_num_threads(before)
    different = [n for n, grad in gradients[0].items() if not torch.equal(grad, gradients[1][n])]
    assert different == []


def test_predict_skips_the_training_branch_and_agrees_with_the_logits(model):
    data = collate(model, make_sample(0), make_sample(1))
    logits = model(**data, mode='tensor')['logits']
    model.head.occ_header.forward = None  # a call would fail
    model.test_cfg['keep_logits'] = True
    results = model(**data, mode='predict')
    for result, expected in zip(results, logits):
        torch.testing.assert_close(result.voxel_logits, expected, rtol=1e-5, atol=1e-5)
        assert result.pred_voxels.dtype == torch.uint8
        assert torch.equal(result.pred_voxels.long(), result.voxel_logits.argmax(0))
        assert not result.voxel_logits.requires_grad
    model.test_cfg.clear()
    result = model(data['inputs'], mode='predict')[0]
    assert 'voxel_logits' not in result


def test_extract_feat_is_the_lifted_volume(model):
    data = collate(model, make_sample(0))
    assert model.extract_feat(data['inputs']).shape == (1, 16, 16, 16, 4)


def test_another_grid_than_the_models_is_refused(model):
    data = collate(model, make_sample(5))
    grid = data['data_samples'][0].voxel_grid.coarsen(2)
    data['data_samples'][0].set_metainfo(dict(voxel_grid=grid))
    with pytest.raises(DataError, match='00/000005: voxel_grid'):
        model(**data, mode='predict')


def test_unknown_mode(model):
    with pytest.raises(ValueError, match='mode'):
        model(dict(), mode='train')


def test_log_values_of_one_process_are_its_own(model):
    losses = dict(loss_a=torch.tensor(1.0), loss_b=torch.tensor([2.0, 4.0]))
    total, log = model.parse_losses(losses)
    assert total == 4.0
    assert {name: float(value) for name, value in log.items()} == dict(
        loss=4.0, loss_a=1.0, loss_b=3.0
    )


@pytest.mark.parametrize(('variant', 'millions'), [('T', 13.12), ('L', 4.09)])
def test_size_is_that_of_the_reference_without_its_dead_weights(variant, millions):
    config = Config.fromfile(BASE).model
    config.backbone.init_cfg = None
    if variant == 'L':
        config.backbone.depth = 18
        config.neck.update(in_channels=[256], out_channels=64)
        config.head.update(embed_dims=64, diffusion_depth=1)
    with torch.device('meta'):
        model = MODELS.build(config)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert round(count / 1e6, 2) == millions
    folder = BASE.parents[3] / 'tests' / 'data' / 'parity' / 'sgn'
    dead = ('img_backbone.layer4', 'scale_selection', 'deconv_1_8__1_1', 'deconv_1_4__1_1')
    statistics = ('running_mean', 'running_var', 'num_batches_tracked')
    manifest = read_manifest(folder / f'manifest_sgn-{variant}.csv')
    expected = sum(
        torch.Size(shape).numel()
        for key, shape in manifest.items()
        if not key.endswith(statistics) and not any(name in key for name in dead)
    )
    assert count == expected


def test_the_image_branch_is_channels_last_on_a_cpu_and_products_use_onednn(model):
    layouts = []
    model.backbone.register_forward_pre_hook(
        lambda module, inputs: layouts.append(
            inputs[0].is_contiguous(memory_format=torch.channels_last)
        )
    )
    model(**collate(model, make_sample(0)), mode='predict')
    assert layouts == [True]
    assert not any(type(module) is torch.nn.Linear for module in model.modules())
