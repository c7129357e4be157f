"""The light completor: size, batches, gradients, what it needs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmssc.errors import DataError
from mmssc.models.completors import LightCompletor
from mmssc.models.layers import VolumeChange
from mmssc.models.losses.volume_losses import loss_names
from mmssc.registry import MODELS
from mmssc.structures import VoxelGrid
from mmssc.testing.random_rgbd_sample import random_rgbd_sample

CONFIGS = Path(__file__).resolve().parents[3] / 'configs' / 'light'
GRID = VoxelGrid((0, 0, 0), 0.3, (16, 8, 12), ('x', 'z', 'y'), 'world')
MAX_PARAMETERS = 3_000_000


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmssc'):
        torch.manual_seed(0)
        yield


def small_model(num_segments: int = 14, kind='LightCompletor', direct: int = 0, **changes):
    return MODELS.build(
        dict(
            type=kind,
            voxel_grid=GRID.to_dict(),
            stem=dict(
                type='VoxelStem', out_channels=8, num_segments=num_segments, embed_dims=3,
                direct_channels=direct,
            ),
            head=dict(
                type='LightUNet', channels=(8, 12, 16), expansions=(3, 2), num_classes=5,
                hidden_channels=8, encoder_dilations=(1,), context_dilations=(2,),
                decoder_dilations=(1,),
            ),
            losses=[
                dict(type='VoxelCrossEntropyLoss', class_weight=(1, 2, 1, 1, 3)),
                dict(type='LovaszSoftmaxLoss'),
            ],
            **changes,
        )
    )  # fmt: skip


def batch_of(model, seeds):
    samples = [random_rgbd_sample(GRID, 5, (24, 32), seed=seed) for seed in seeds]
    inputs = {
        key: torch.stack([sample['inputs'][key] for sample in samples])
        for key in ('tsdf', 'surface_offset', 'voxel_to_pixel', 'voxel_segments')
    }
    return dict(inputs=inputs, data_samples=[sample['data_samples'] for sample in samples])


@pytest.mark.parametrize('name', ['light_seg_nyu', 'light_depth_nyu'])
def test_the_shipped_networks_are_small(name):
    model = MODELS.build(Config.fromfile(CONFIGS / f'{name}.py').model)
    assert 1e6 < sum(parameter.numel() for parameter in model.parameters()) < MAX_PARAMETERS


def test_the_log_names_every_loss():
    model = small_model(0)
    names = ['loss_voxel_cross_entropy', 'loss_lovasz_softmax']
    assert list(model(**batch_of(model, [1]), mode='loss')) == names
    assert loss_names([*model.losses, model.losses[1]]) == [*names, 'loss_lovasz_softmax_2']


@pytest.mark.parametrize('direct', [0, 8])
@pytest.mark.parametrize('num_segments', [0, 14])
def test_a_batch_of_two_is_twice_a_batch_of_one(num_segments, direct):
    """Losses and gradients, with the statistics of normalisation fixed."""
    model = small_model(num_segments, direct=direct).eval()

    def run(seeds):
        model.zero_grad()
        losses = model(**batch_of(model, seeds), mode='loss')
        sum(losses.values()).backward()
        gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        return torch.stack(list(losses.values())).detach(), gradients

    both, gradients = run([1, 2])
    (first, first_gradients), (second, second_gradients) = run([1]), run([2])
    torch.testing.assert_close(both, (first + second) / 2)
    for whole, a, b in zip(gradients, first_gradients, second_gradients):
        torch.testing.assert_close(whole, (a + b) / 2, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize('direct', [0, 8])
@pytest.mark.parametrize('num_segments', [0, 14])
def test_every_parameter_learns(num_segments, direct):
    augmentation = dict(type='VolumeAugmentation', prob=1.0)
    model = small_model(num_segments, direct=direct, augmentation=augmentation)
    sum(model.train()(**batch_of(model, [0, 1]), mode='loss').values()).backward()
    still = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not still


def test_tensors_start_with_the_logits_of_the_prediction():
    model = small_model().eval()
    batch = batch_of(model, [0, 1])
    with torch.no_grad():
        tensors, samples = model(**batch, mode='tensor'), model(**batch, mode='predict')
    assert next(iter(tensors)) == 'logits'
    predicted = torch.stack([sample.pred_voxels for sample in samples])
    assert torch.equal(tensors['logits'].argmax(1), predicted.long())


def test_the_direct_layer_shows_the_output_every_voxel():
    """Without the path through the convolutions, a voxel changes the logits of its block alone."""
    model = small_model(direct=8).eval()
    model.head.hidden.weight.data.zero_()
    inputs = batch_of(model, [1])['inputs']
    before = model.predict_logits(inputs)
    inputs['tsdf'][0, 0, 5, 2, 7] += 1
    changed = (model.predict_logits(inputs) != before).any(1)[0].nonzero()
    assert {tuple(place) for place in (changed // 2).tolist()} == {(2, 1, 3)}


def test_weights_without_the_direct_layer_start_one_with_it():
    model = small_model(direct=8)
    missing, unexpected = model.load_state_dict(small_model().state_dict(), strict=False)
    assert {*missing} == {'stem.direct.weight', 'stem.direct.bias'} and not unexpected


def test_the_direct_layer_has_the_hidden_channels_of_the_head():
    model = small_model(direct=6)
    text = r'model.stem.direct_channels: expected 0 or 8 \(head.hidden_channels\), found 6'
    with pytest.raises(DataError, match=text):
        model(**batch_of(model, [1]), mode='tensor')


def test_hidden_and_unlabelled_voxels_take_no_part():
    """Labels outside the weight, and logits where there is no label, change nothing."""
    model = small_model().eval()
    batch = batch_of(model, [3])
    sample = batch['data_samples'][0]
    before = model(**batch, mode='loss')
    sample.gt_voxels[~sample.label_weight] = 1
    after = model(**batch, mode='loss')
    assert all(torch.equal(before[key], after[key]) for key in before)
    sample.gt_voxels[sample.label_weight] = 255
    assert sum(model(**batch, mode='loss').values()) == 0


def test_a_mirrored_volume_gives_a_mirrored_result():
    """Inputs and logits change alike: a mirrored scene is the augmentation of its mirror image."""
    model = small_model().eval()
    inputs = batch_of(model, [4])['inputs']
    mirrored = {key: volume.flip(-3) for key, volume in inputs.items()}
    expected = model.forward_logits(mirrored).flip(-3)
    torch.testing.assert_close(model.forward_logits(inputs, VolumeChange((0,))), expected)


def test_predictions_average_the_mirror_image_on_request():
    model = small_model().eval()
    inputs = batch_of(model, [5])['inputs']
    plain = model.predict_logits(inputs)
    model.test_cfg['flip_axes'] = (0,)
    mirror = model.forward_logits(inputs, VolumeChange((0,)))
    torch.testing.assert_close(model.predict_logits(inputs), (plain + mirror) / 2)
    assert not torch.allclose(plain, mirror)


@pytest.mark.parametrize('flips', [(), (0,)])
def test_predictions_average_a_moved_volume_on_request(flips):
    model = small_model(test_cfg=dict(flip_axes=flips, shift_axes=(0, 2))).eval()
    inputs = batch_of(model, [5, 6])['inputs']
    moved = model.forward_logits(inputs, VolumeChange(flips, shifts=(0, 2)))
    plain = model.forward_logits(inputs)
    torch.testing.assert_close(model.predict_logits(inputs), (plain + moved) / 2)
    assert not torch.allclose(plain, moved)


def test_a_moved_scene_gives_a_moved_result():
    """Inputs and logits change alike."""
    model = small_model().eval()
    inputs = batch_of(model, [4])['inputs']
    change = VolumeChange(shifts=(0,))
    moved = {key: change.apply(volume) for key, volume in inputs.items()}
    expected = change.undo(model.forward_logits(moved))
    torch.testing.assert_close(model.forward_logits(inputs, change), expected)


@pytest.mark.parametrize('name', ['flip_axes', 'shift_axes'])
def test_an_axis_that_there_is_not_is_refused(name):
    model = small_model(test_cfg={name: (0, 3)}).eval()
    message = rf'model.test_cfg.{name}: expected array axes: 0, 1 and 2, found'
    with pytest.raises(DataError, match=message):
        model.predict_logits(batch_of(model, [5])['inputs'])


def test_an_unknown_entry_of_test_cfg_is_refused():
    with pytest.raises(DataError, match='LightCompletor.test_cfg: expected known entries .* found '
                       'flip_axis. Did you mean flip_axes?'):  # fmt: skip
        small_model(test_cfg=dict(flip_axis=(0,)))
    with pytest.raises(DataError, match='found mine. A class that reads more entries names them'):
        small_model(test_cfg=dict(mine=1))


def test_classes_outside_of_mmssc_take_any_entry_of_test_cfg_unless_they_declare_them():
    class Plain(LightCompletor):
        pass

    class Declaring(LightCompletor):
        test_settings = ('mine',)

    class Derived(Declaring):
        pass

    for kind in (Plain, Declaring, Derived):
        assert small_model(kind=kind, test_cfg=dict(mine=1)).test_cfg == dict(mine=1)
    assert small_model(kind=Plain, test_cfg=dict(flip_axis=1)).test_cfg == dict(flip_axis=1)
    for kind in (Declaring, Derived):
        with pytest.raises(DataError, match=f'{kind.__name__}.test_cfg: expected known entries'):
            small_model(kind=kind, test_cfg=dict(mein=1))


def test_prediction_reads_no_label():
    model = small_model().eval()
    inputs = batch_of(model, [6, 7])['inputs']
    predictions = model(inputs, mode='predict')
    assert [p.pred_voxels.shape for p in predictions] == [GRID.shape] * 2
    tensors = model(inputs, mode='tensor')
    assert next(iter(tensors)) == 'logits' and tensors['logits'].shape == (2, 5, *GRID.shape)


def test_a_missing_input_is_named():
    model = small_model().eval()
    inputs = batch_of(model, [8])['inputs']
    del inputs['voxel_segments']
    with pytest.raises(DataError, match='voxel_segments'):
        model(inputs, mode='tensor')
    small_model(0).eval()(inputs, mode='tensor')


def test_a_stem_that_reads_a_segmentation_needs_one():
    numbers, surface = torch.zeros(1, 4, 4, 4, 3), torch.zeros(1, 4, 4, 4, dtype=torch.bool)
    with pytest.raises(DataError, match='segments: expected the ids of a segmentation'):
        small_model().stem(numbers, None, surface)


def test_an_id_beyond_the_table_is_refused():
    model = small_model(5).eval()
    with pytest.raises(DataError, match='num_segments'):
        model(batch_of(model, [9])['inputs'], mode='tensor')


@pytest.mark.parametrize('shape', [(6, 8, 12), (16, 7, 12)])
def test_sides_must_be_multiples_of_four(shape):
    model = small_model(0).eval()
    inputs = dict(
        tsdf=torch.zeros(1, 1, *shape),
        surface_offset=torch.zeros(1, 1, *shape),
        voxel_to_pixel=torch.zeros(1, *shape, dtype=torch.int64),
    )
    with pytest.raises(ValueError, match='every side a multiple of [24]'):
        model(inputs, mode='tensor')


def test_the_first_of_equal_logits_wins(monkeypatch):
    model = small_model().eval()
    batch = batch_of(model, [0])
    logits = model(**batch, mode='tensor')['logits'].detach()
    whole = torch.randint(0, 2, logits.shape, generator=torch.Generator().manual_seed(0)).float()
    monkeypatch.setattr(model, 'predict_logits', lambda inputs: whole)
    (sample,) = model(**batch, mode='predict')
    assert torch.equal(sample.pred_voxels, whole[0].argmax(0).to(torch.uint8))


@pytest.mark.parametrize('name', ['light_seg_nyu_choose', 'light_depth_nyu_choose'])
def test_settings_are_chosen_on_rooms_that_are_not_trained_on(name):
    """Neighbours in the list of training frames show the same room: whole blocks are held out."""
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    trained, held_out = (
        loader.dataset.indices for loader in (cfg.train_dataloader, cfg.val_dataloader)
    )
    assert sorted([*trained, *held_out]) == list(range(795))
    assert held_out == [25 * block + n for block in (3, 11, 19, 27) for n in range(25)]
    assert cfg.train_cfg.val_interval == 1
    # The published weights were trained on all frames.
    assert 'checkpoints' not in (cfg.load_from or '')
    assert cfg.val_dataloader.dataset.ann_file == cfg.train_dataloader.dataset.ann_file
