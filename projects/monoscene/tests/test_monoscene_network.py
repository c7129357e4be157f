"""Parts of MonoScene, and the whole on small volumes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope

from mmssc.errors import DataError
from mmssc.models.fusion import fuse_for_inference
from mmssc.models.losses import ContextRelationLoss
from mmssc.performance import count_training_step
from mmssc.registry import MODELS
from mmssc.structures import VoxelGrid
from mmssc.testing.random_driving_sample import random_driving_sample

GRID = dict(origin=(0.0, -6.4, -2.0), voxel_size=0.4, shape=(32, 32, 16))
SIZE = (45, 70)
NUM_CLASSES = 5


def small_config(**changes):
    from monoscene.parity import monoscene_losses

    return dict(
        type='mmssc.MonoScene',
        data_preprocessor=dict(type='mmssc.SSCDataPreprocessor'),
        voxel_grid=GRID,
        image_unet=dict(
            type='mmssc.EfficientNetUNet', name='tf_efficientnet_b0', out_channels=8,
            strides=(2, 4, 8),
        ),
        lifter=dict(type='mmssc.MultiScaleFLoSP', strides=(2, 4, 8)),
        volume_unet=dict(type='mmssc.ContextVolumeUNet', channels=8, num_classes=NUM_CLASSES),
        **{**monoscene_losses([0.1, 1, 1, 1, 1]), **changes},
    )  # fmt: skip


def small_batch(seeds=(0, 1)):
    grid = VoxelGrid.build(GRID)
    return pseudo_collate([
        random_driving_sample(grid, NUM_CLASSES, SIZE, points_per_frame=1, seed=seed)
        for seed in seeds
    ])  # fmt: skip


@pytest.fixture
def model(geffnet):
    torch.manual_seed(0)
    return MODELS.build(small_config())


def test_every_parameter_gets_a_gradient(model):
    data = model.train().data_preprocessor(small_batch(), True)
    losses = model(**data, mode='loss')
    assert set(losses) == {
        'loss_ce', 'loss_sem_scal', 'loss_geo_scal', 'loss_frustum', 'loss_relation',
    }  # fmt: skip
    sum(losses.values()).backward()
    still = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not still


def test_a_batch_of_two_equals_two_batches_of_one(model):
    model.eval()
    with torch.no_grad():
        both = model(**model.data_preprocessor(small_batch()), mode='tensor')
        for number in range(2):
            data = model.data_preprocessor(small_batch([number]))
            alone = model(**data, mode='tensor')
            for key, value in alone.items():
                torch.testing.assert_close(both[key][number], value[0], rtol=1e-4, atol=1e-5)
    assert next(iter(both)) == 'logits'
    assert both['logits'].shape == (2, NUM_CLASSES, 32, 32, 16)
    assert both['relation_logits'].shape == (2, 4, 2 * 2 * 1, 4 * 4 * 2)
    difference = both['logits'][0] - both['logits'][1]
    assert difference.abs().max() > 1e-3


def test_predictions(model):
    samples = model.eval().test_step(small_batch())
    assert [sample.pred_voxels.shape for sample in samples] == [(32, 32, 16)] * 2
    assert samples[0].pred_voxels.dtype == torch.uint8


def test_maps_have_the_sizes_of_their_strides(geffnet):
    unet = MODELS.build(
        dict(type='mmssc.EfficientNetUNet', name='tf_efficientnet_b0', out_channels=4)
    ).eval()
    with torch.no_grad():
        maps = unet(torch.zeros(1, 3, *SIZE))
    assert [tuple(m.shape) for m in maps] == [
        (1, 4, -(-SIZE[0] // s), -(-SIZE[1] // s)) for s in (1, 2, 4, 8)
    ]


def test_unknown_efficientnet(geffnet):
    with pytest.raises(DataError, match='a name of geffnet'):
        MODELS.build(dict(type='mmssc.EfficientNetUNet', name='efficientnet_x', out_channels=4))


def test_missing_package_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, 'geffnet', None)
    with pytest.raises(DataError, match='pip install --no-deps -r projects/monoscene'):
        MODELS.build(dict(type='mmssc.EfficientNetUNet', out_channels=4))


def test_context_of_a_voxel_is_the_weighted_sum_over_mega_voxels():
    from monoscene import ContextPrior

    torch.manual_seed(0)
    prior = ContextPrior(8, (5, 4, 3), num_relations=2).eval()
    x = torch.randn(2, 8, 5, 4, 3)
    seen = []
    prior.merge.register_forward_hook(lambda module, args, output: seen.append(args[0]))
    with torch.no_grad():
        volume, logits = prior(x)
        mega = prior.mega_context(prior.aspp(x))
    assert volume.shape == x.shape and logits.shape == (2, 2, 2 * 2 * 1, 60)
    assert mega.shape == (2, 16, 2, 2, 1)
    assert torch.equal(seen[0][:, :8], x)
    for relation in range(2):
        weights = logits[:, relation].sigmoid()
        expected = torch.einsum('bcm,bmn->bcn', mega.flatten(2), weights)
        found = seen[0][:, 8 + 16 * relation : 24 + 16 * relation].flatten(2)
        torch.testing.assert_close(found, expected)
    # The targets of the loss are for exactly these mega voxels.
    target = torch.randint(0, 3, (2, 5, 4, 3))
    assert ContextRelationLoss(3)(logits, target).isfinite()


def test_layout_of_the_head_changes_nothing():
    net = dict(type='mmssc.ContextVolumeUNet', channels=16, num_classes=3, shape=(16, 16, 8))
    plain, last = (MODELS.build(dict(**net, channels_last_head=on)).head for on in (False, True))
    last.load_state_dict(plain.state_dict())
    x = torch.randn(2, 8, 32, 32, 16)
    assert last.conv_in(x.contiguous(memory_format=torch.channels_last_3d)).stride(1) == 1
    with torch.no_grad():
        torch.testing.assert_close(last.eval()(x), plain.eval()(x), rtol=1e-5, atol=1e-5)
    # Training in double precision: in single precision a gate of a ReLU may flip.
    x = x.double().requires_grad_()
    weight = torch.randn(2, 3, 32, 32, 16).double()
    results = []
    for head in (plain.double().train(), last.double().train()):
        logits = head(x)
        assert logits.is_contiguous()
        wanted = (x, *head.parameters())
        results.append((logits, *torch.autograd.grad((logits * weight).sum(), wanted)))
    torch.testing.assert_close(results[1], results[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize('training', [True, False])
def test_volumes_are_channels_last_on_a_cpu(training):
    config = dict(type='mmssc.ContextVolumeUNet', channels=16, num_classes=3, shape=(16, 16, 8))
    net = MODELS.build(config).train(training)
    strides = {}
    for name in ('up2', 'up1', 'up0', 'head.aspp'):

        def note(module, inputs, output, name=name):
            strides[name] = output.stride(1)

        net.get_submodule(name).register_forward_hook(note)
    net(torch.randn(2, 16, 16, 16, 8))
    assert strides == dict.fromkeys(strides, 1) and len(strides) == 4


def test_wrong_sizes_are_refused():
    net = dict(type='mmssc.ContextVolumeUNet', channels=8, num_classes=3)
    with pytest.raises(DataError, match='multiples of 4'):
        MODELS.build(dict(**net, shape=(8, 6, 8)))
    with pytest.raises(DataError, match='1 or 2'):
        MODELS.build(dict(**net, shape=(8, 8, 8), scale_factor=4))


@pytest.mark.usefixtures('geffnet')
def test_channels_last_and_mixed_precision_change_little(model):
    data = model.eval().data_preprocessor(small_batch([0]))
    with torch.no_grad():
        plain = model(**data, mode='tensor')['logits']
        with torch.autocast('cpu', dtype=torch.bfloat16):
            mixed = model(**data, mode='tensor')['logits'].float()
    assert F.cosine_similarity(plain.flatten(), mixed.flatten(), dim=0) > 0.99


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_on_the_gpu(model):
    data = model.eval().data_preprocessor(small_batch([0]))
    with torch.no_grad():
        expected = model(**data, mode='tensor')['logits']
        model.cuda()
        found = model(**model.data_preprocessor(small_batch([0])), mode='tensor')['logits']
    assert ((found.cpu() - expected).abs() < 1e-2 * expected.std()).float().mean() > 0.99
    data = model.train().data_preprocessor(small_batch(), True)
    with torch.autocast('cuda', dtype=torch.float16):
        losses = model(**data, mode='loss')
    sum(losses.values()).backward()
    assert all(value.isfinite() for value in losses.values())


@pytest.mark.parametrize('name', ['monoscene_semantickitti', 'monoscene_nyu'])
def test_losses_of_the_configs_are_those_of_the_parity_check(name):
    from monoscene.parity import monoscene_losses

    from mmssc.datasets import SemanticKITTIDataset
    from mmssc.models.losses import class_weights_from_counts

    folder = __file__.rsplit('/tests/', 1)[0]
    cfg = Config.fromfile(f'{folder}/configs/{name}.py')
    init_default_scope('mmssc')
    if name.endswith('nyu'):
        weights = [0.05] + [1.0] * 11
    else:
        counts = SemanticKITTIDataset.METAINFO['class_counts']
        weights = class_weights_from_counts(counts, scale=1.0, offset=0.001, digits=6)
    expected = monoscene_losses(weights)
    losses = {key: {**loss, 'type': f'mmssc.{loss.type}'} for key, loss in cfg.model.losses.items()}
    assert losses == expected['losses']
    relation = {**cfg.model.relation_loss, 'type': f'mmssc.{cfg.model.relation_loss.type}'}
    assert relation == expected['relation_loss']


def training_step(model):
    """Gradients and statistics after a step, and the bytes of its tensors."""
    sample = random_driving_sample(model.voxel_grid, NUM_CLASSES, (96, 160), points_per_frame=1)
    figures = count_training_step(model, pseudo_collate([sample]))
    gradients = {name: value.grad for name, value in model.named_parameters()}
    return dict(gradients, **dict(model.named_buffers())), figures.peak_bytes


def test_recomputation_saves_memory_and_changes_no_figure(geffnet, monkeypatch):
    import monoscene.efficientnet_unet

    import mmssc.models.layers.volume_heads

    config = dict(small_config(), voxel_grid=dict(GRID, shape=(96, 96, 16)))
    config['image_unet']['decoder_channels'] = 64
    with_cp = {
        **config,
        'image_unet': dict(config['image_unet'], with_cp=True),
        'volume_unet': dict(config['volume_unet'], with_cp=True),
    }
    weights, found, peaks = MODELS.build(config).state_dict(), [], []

    def store(module, *args, function=None):
        return (function or module)(*args)

    for settings, stored in ((config, True), (config, False), (with_cp, False)):
        model = MODELS.build(settings)
        model.load_state_dict(weights)
        with monkeypatch.context() as patch:
            if stored:
                for place in (monoscene.efficientnet_unet, mmssc.models.layers.volume_heads):
                    patch.setattr(place, 'recompute_in_backward', store)
            tensors, peak = training_step(model)
        found.append(tensors)
        peaks.append(peak)
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=0, atol=0)
    assert peaks[1] < 0.7 * peaks[0]
    assert peaks[2] < 0.95 * peaks[1]


def test_the_decoder_folds_its_normalisation(model):
    model.train()
    for _ in range(2):  # running statistics that are not those of the start
        model(**model.data_preprocessor(small_batch(), True), mode='loss')
    data = model.eval().data_preprocessor(small_batch())
    with torch.no_grad():
        expected = model(**data, mode='tensor')['logits']
        found = fuse_for_inference(model)(**data, mode='tensor')['logits']
    assert not any(
        isinstance(part, torch.nn.BatchNorm2d) for part in model.image_unet.blocks.modules()
    )
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()
