"""Symphonies as a whole: batches, memory saving, axes, origins, missing depth."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_symphonies import GRID, IMAGE_SIZE, build_tiny_symphonies, collate, make_sample

from mmssc.errors import DataError
from mmssc.ops import deform_attn
from mmssc.structures import VoxelGrid


@pytest.fixture(scope='module')
def model():
    return build_tiny_symphonies().eval()


def predict(model, *samples):
    with torch.no_grad():
        return model.predict_logits(collate(model, *samples)['inputs'])


def test_modes(model):
    batch = collate(model, make_sample(0), make_sample(1))
    tensors = model(**batch, mode='tensor')
    assert list(tensors) == ['logits', 'logits.0', 'logits.1']
    assert tensors['logits'].shape == (2, 20, *GRID.shape)
    losses = model(**batch, mode='loss')
    terms = ('ce_ssc', 'sem_scal', 'geo_scal', 'frustum')
    assert list(losses) == [f'loss_{term}_{number}' for number in (0, 1) for term in terms]
    assert all(value.isfinite() and value > 0 for value in losses.values())
    samples = model(**batch, mode='predict')
    logits = tensors['logits']
    for sample, volume in zip(samples, logits):
        assert torch.equal(sample.pred_voxels.long(), volume.argmax(0))


def test_outputs_before_the_last_count_half(model):
    batch = collate(model, make_sample(0))
    outputs = model._decode(batch['inputs'], all_outputs=True)
    twice = model.head.loss([outputs[0], outputs[0]], batch['data_samples'])
    for name in model.head.losses:
        assert twice[f'loss_{name}_0'] == 0.5 * twice[f'loss_{name}_1']


def test_a_batch_equals_single_runs(model):
    samples = make_sample(0), make_sample(1), make_sample(2)
    # Another camera: other voxels are seen.
    samples[1]['data_samples'].set_metainfo(
        dict(cam2img=samples[1]['data_samples'].cam2img * [[2], [1], [1]])
    )
    batched = predict(model, *samples)
    singles = [predict(model, sample)[0] for sample in samples]
    for found, expected in zip(batched, singles):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert (singles[0] - singles[1]).abs().max() > 1e-2


def test_recomputation_changes_nothing_but_the_memory():
    """Dropout draws the same masks, batch statistics are counted once."""
    results = []
    for with_cp in (False, True):
        model = build_tiny_symphonies(**{'head.decoder.with_cp': with_cp}).train()
        batch = collate(model, make_sample(0), make_sample(1))
        torch.manual_seed(3)
        total = model.parse_losses(model(**batch, mode='loss'))[0]
        total.backward()
        gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        results.append((total.detach(), gradients, dict(model.named_buffers())))
    (loss, gradients, buffers), (loss_cp, gradients_cp, buffers_cp) = results
    torch.testing.assert_close(loss_cp, loss)
    torch.testing.assert_close(gradients_cp, gradients, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(buffers_cp, buffers)
    assert buffers['head.decoder.aspp.branches.0.norm1.num_batches_tracked'] == 1
    assert buffers['head.decoder.classifier.up.norm.num_batches_tracked'] == 2


def test_recomputation_samples_the_maps_only_once_more(monkeypatch):
    calls, sample = [], deform_attn._sample
    monkeypatch.setattr(deform_attn, '_sample', lambda *args: calls.append(1) or sample(*args))
    counts = []
    for with_cp in (False, True):
        model = build_tiny_symphonies(**{'head.decoder.with_cp': with_cp}).train()
        batch = collate(model, make_sample(0))
        calls.clear()
        model.parse_losses(model(**batch, mode='loss'))[0].backward()
        counts.append(len(calls))
    in_neck = len(model.neck.transformer.encoder.layers)
    assert counts[1] == counts[0] + (counts[0] - in_neck)


def test_a_step_in_mixed_precision_is_finite(model):
    batch = collate(model, make_sample(0))
    full = model.parse_losses(model(**batch, mode='loss'))[0]
    with torch.autocast('cpu', torch.bfloat16):
        total = model.parse_losses(model(**batch, mode='loss'))[0]
    total.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    model.zero_grad()
    assert abs(total / full - 1) < 0.05


@pytest.mark.parametrize('axes', [('x', 'z', 'y'), ('z', 'y', 'x')])
def test_the_order_of_the_axes_is_only_an_order(model, axes):
    order = [GRID.axes.index(name) for name in axes]
    fields = {name: [getattr(GRID, name)[axis] for axis in order]
              for name in ('origin', 'voxel_size', 'shape')}  # fmt: skip
    grid = VoxelGrid.build(dict(fields, axes=axes))
    other = build_tiny_symphonies(voxel_grid=grid.to_dict()).eval()
    other.load_state_dict(model.state_dict())
    expected = predict(model, make_sample(0))
    found = predict(other, make_sample(0))
    assert found.shape[2:] == grid.shape
    assert torch.equal(found, expected.permute(0, 1, *(2 + axis for axis in order)))


def test_every_sample_may_have_its_own_origin(model):
    """As indoors, where the grid is placed anew in every frame."""
    near, far = make_sample(0), make_sample(0)
    moved = replace(GRID, origin=(3.2, -12.8, -2.0))
    far['data_samples'].set_metainfo(dict(voxel_grid=moved))
    batch = collate(model, near, far)
    logits = model(**batch, mode='tensor')['logits']
    torch.testing.assert_close(logits[:1], predict(model, near), rtol=1e-4, atol=1e-5)
    assert (logits[0] - logits[1]).abs().max() > 1e-2
    with pytest.raises(DataError, match='voxel_grid'):
        other = replace(GRID, voxel_size=(0.8, 0.8, 0.8))
        far['data_samples'].set_metainfo(dict(voxel_grid=other))
        model(**collate(model, far), mode='tensor')


def test_pixels_without_depth_propose_nothing(model):
    sample = make_sample(0)
    depth = sample['inputs']['depth']
    for nothing in (0.0, -1.0, float('nan'), float('inf')):
        blank = torch.full_like(depth, nothing)
        batch = collate(model, dict(sample, inputs=dict(sample['inputs'], depth=blank)))
        (view,) = model.view_scenes(batch['inputs'])
        assert len(view.proposals()) == 0
        logits = model.predict_logits(batch['inputs'])
        assert logits.isfinite().all()
    (view,) = model.view_scenes(collate(model, sample)['inputs'])
    assert len(view.proposals()) > 10


def test_a_sample_that_shows_nothing_keeps_every_gradient():
    """No voxel in view, no depth: a distributed run must not miss a parameter."""
    model = build_tiny_symphonies().train()
    sample = make_sample(0)
    turned = sample['data_samples'].lidar2cam * [[[-1.0], [1], [-1], [1]]]
    sample['data_samples'].set_metainfo(dict(lidar2cam=turned))
    sample['inputs']['depth'].zero_()
    batch = collate(model, sample)
    (view,) = model.view_scenes(batch['inputs'])
    assert not view.visible.any() and not len(view.proposals())
    model.parse_losses(model(**batch, mode='loss'))[0].backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name


def test_missing_depth_is_named(model):
    batch = collate(model, make_sample(0))
    del batch['inputs']['depth']
    with pytest.raises(DataError, match='depth: expected a depth map.*Add LoadDrivingDepth'):
        model(**batch, mode='loss')
    height, width = IMAGE_SIZE
    batch['inputs']['depth'] = torch.ones(1, 1, height, width + 1)
    with pytest.raises(DataError, match='depth size'):
        model(**batch, mode='loss')


def test_heights_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match='multiple of downsample_z = 3'):
        build_tiny_symphonies(downsample_z=3)
    with pytest.raises(DataError, match='a height that is a multiple of 4'):
        build_tiny_symphonies(downsample_z=2)


def build_with_pretrained(file):
    """Backbone and pixel decoder start from a MaskDINO checkpoint, as in the base config."""
    model = build_tiny_symphonies()
    for part, prefix in (
        (model.backbone, 'backbone.'), (model.neck, 'panoptic_head.pixel_decoder.'),
    ):  # fmt: skip
        part.init_cfg = dict(type='Pretrained', checkpoint=str(file), prefix=prefix)
    return model


def test_missing_pretrained_weights_are_named_with_the_parts_that_need_them(tmp_path):
    file = tmp_path / 'maskdino.pth'
    with pytest.raises(DataError) as caught:
        build_with_pretrained(file).init_weights()
    assert caught.value.file == str(file)
    assert caught.match(r'of backbone and neck, found no file\. Download it to .*init_cfg=None')


def test_pretrained_weights_without_a_part_are_an_error(tmp_path):
    file = tmp_path / 'maskdino.pth'
    model = build_with_pretrained(file)
    state = {f'backbone.{name}': value + 1 for name, value in model.backbone.state_dict().items()}
    torch.save(dict(state_dict=state), file)
    with pytest.raises(DataError) as caught:
        model.init_weights()
    assert caught.value.file == str(file)
    assert caught.match(r'panoptic_head\.pixel_decoder\.\* for neck, found none\. Set init_cfg')
    assert torch.equal(model.backbone.conv1.weight, state['backbone.conv1.weight'])


def test_other_errors_of_the_start_stay_what_they_are(monkeypatch):
    model = build_tiny_symphonies()

    def fail():
        raise AssertionError('something else')

    monkeypatch.setattr(model.head, 'init_weights', fail)
    with pytest.raises(AssertionError, match='something else'):
        model.init_weights()
