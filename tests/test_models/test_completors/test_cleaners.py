"""Student and teacher of CleanerS."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from tiny_rgbd import assert_trains_in_bfloat16, tiny_batch, tiny_network

from mmssc.checkpoints import check_weights
from mmssc.errors import DataError
from mmssc.models.completors import CleanerS, RGBDCompletor
from mmssc.registry import MODELS

DISTILLATION = dict(
    loss_kd_t=dict(type='mmssc.FeatureDistillationLoss', loss_weight=0.25),
    loss_kd_sc=dict(type='mmssc.ClassCenterDistillationLoss', loss_weight=0.25),
    loss_kd_sa=dict(type='mmssc.ClassAffinityDistillationLoss', loss_weight=0.25),
)
KD = {'loss_kd_t', 'loss_kd_sc', 'loss_kd_sa'}


def build(checkpoint: Path | str | None, seed: int = 0, **changes) -> CleanerS:
    init_default_scope('mmssc')
    torch.manual_seed(seed)
    teacher = dict(checkpoint=None if checkpoint is None else str(checkpoint))
    cfg = {**tiny_network(type='mmssc.CleanerS'), 'teacher': teacher, **DISTILLATION, **changes}
    return MODELS.build(cfg)


@pytest.fixture
def teacher_file(tmp_path: Path) -> Path:
    init_default_scope('mmssc')
    torch.manual_seed(7)
    teacher = MODELS.build(tiny_network(tsdf_source='tsdf_clean'))
    for name, buffer in teacher.named_buffers():
        if name.endswith('running_mean'):
            buffer.normal_(0, 0.1)
    torch.save(dict(state_dict=teacher.state_dict()), tmp_path / 'best_epoch_3.pth')
    return tmp_path / 'best_epoch_3.pth'


def test_loss_terms(teacher_file: Path) -> None:
    model, (inputs, samples) = build(teacher_file).train(), tiny_batch()
    losses = model(inputs, samples, mode='loss')
    assert losses.keys() == {'loss_2d', 'loss_3d'} | KD
    assert all(value.isfinite() and value > 0 for value in losses.values())


def test_teacher_is_right(teacher_file: Path) -> None:
    """Its weights, its TSDF, evaluation mode whatever the student does, no augmentation."""
    model, (inputs, samples) = build(teacher_file), tiny_batch()
    alone = MODELS.build(tiny_network(tsdf_source='tsdf_clean'))
    alone.load_state_dict(torch.load(teacher_file, weights_only=True)['state_dict'])
    expected = alone.eval().forward_network(inputs)
    statistics = {name: value.clone() for name, value in alone.named_buffers()}
    for mode in (True, False, True):
        model.train(mode)
        model(inputs, samples, mode='loss')
        found = model.teacher.forward_network(inputs)
        assert not model.teacher.training
        torch.testing.assert_close(found['logits'], expected['logits'])
        torch.testing.assert_close(found['tsdf_feat'], expected['tsdf_feat'])
    for name, value in model.teacher.named_buffers():
        assert torch.equal(value, statistics[name]), name


def test_gradients_reach_the_student_alone(teacher_file: Path) -> None:
    model, (inputs, samples) = build(teacher_file).train(), tiny_batch()
    losses = model(inputs, samples, mode='loss')
    sum(losses[name] for name in KD).backward()
    assert not any(p.requires_grad or p.grad is not None for p in model.teacher.parameters())
    touched = {name for name, p in model.named_parameters() if p.grad is not None}
    assert any(name.startswith('tsdf_encoder.') for name in touched)
    assert any(name.startswith('head.') for name in touched)
    # The distillation sees no 2D logits.
    assert 'image_head.classifier.weight' not in touched


def test_teacher_is_outside_of_everything(teacher_file: Path) -> None:
    model, (inputs, samples) = build(teacher_file).train(), tiny_batch()
    plain = MODELS.build(tiny_network())
    model(inputs, samples, mode='loss')
    assert model.state_dict().keys() == plain.state_dict().keys()
    names = [name for name, _ in model.named_parameters()]
    assert names == [name for name, _ in plain.named_parameters()]
    assert not any(isinstance(child, RGBDCompletor) for child in model.children())
    wrapper = build_optim_wrapper(model, dict(optimizer=dict(type='AdamW', lr=1e-3)))
    inside = {id(p) for group in wrapper.optimizer.param_groups for p in group['params']}
    assert not inside & {id(p) for p in model.teacher.parameters()}


def test_teacher_follows_the_student_to_another_type_and_device(teacher_file: Path) -> None:
    model = build(teacher_file)
    teacher = model.teacher
    model.double()
    assert next(teacher.head.parameters()).dtype == torch.float64
    assert next(build(teacher_file).double().teacher.head.parameters()).dtype == torch.float64
    model.to('meta')
    assert next(teacher.head.parameters()).device.type == 'meta'


def test_logits_are_distilled_after_the_flips_are_undone(teacher_file: Path) -> None:
    """With the teacher's weights and a head that sees single voxels, flips change nothing."""
    model, (inputs, samples) = build(teacher_file), tiny_batch()
    model.load_state_dict(torch.load(teacher_file, weights_only=True)['state_dict'])
    model.tsdf_source = 'tsdf_clean'

    class PointHead(torch.nn.Module):
        def forward(self, volume, tsdf_feat):
            return (volume + tsdf_feat)[:, :5]

    model.head = model.teacher.head = PointHead()
    model.augmentation.prob = 1.0
    model.eval()
    model.augmentation.train()
    losses = model(inputs, samples, mode='loss')
    assert all(losses[name] < 1e-10 for name in KD)


def test_loading_the_teacher_draws_no_random_number(teacher_file: Path) -> None:
    """The first step loads it; in a resumed run that is another step."""
    model = build(teacher_file)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    assert not model.teacher.training
    assert torch.equal(torch.rand(3), expected)


def test_prediction_needs_no_teacher() -> None:
    model, (inputs, samples) = build('no/such/file.pth').eval(), tiny_batch(1)
    assert model(inputs, samples, mode='predict')[0].pred_voxels is not None


@pytest.mark.parametrize('checkpoint', [None, 'no/such/file.pth', 'no/such/best_*.pth'])
def test_missing_teacher_is_named(checkpoint: str | None) -> None:
    model, (inputs, samples) = build(checkpoint).train(), tiny_batch(1)
    with pytest.raises(DataError) as error:
        model(inputs, samples, mode='loss')
    assert 'teacher' in str(error.value) or 'no such file' in str(error.value)


def test_pattern_names_one_file(teacher_file: Path) -> None:
    model, (inputs, samples) = build(teacher_file.parent / 'best_*.pth').train(), tiny_batch(1)
    assert 'loss_kd_t' in model(inputs, samples, mode='loss')
    (teacher_file.parent / 'best_epoch_9.pth').write_bytes(b'')
    model = build(teacher_file.parent / 'best_*.pth')
    with pytest.raises(DataError, match='expected one file'):
        model(inputs, samples, mode='loss')


def test_teacher_of_another_network_is_refused(teacher_file: Path, tmp_path: Path) -> None:
    state = torch.load(teacher_file, weights_only=True)['state_dict']
    del state['head.classifier.conv.bias']
    torch.save(dict(state_dict=state), tmp_path / 'broken.pth')
    model, (inputs, samples) = build(tmp_path / 'broken.pth'), tiny_batch(1)
    with pytest.raises(DataError, match=r'missing: head\.classifier\.conv\.bias'):
        model(inputs, samples, mode='loss')


def test_without_teacher_it_is_the_plain_network() -> None:
    model, (inputs, samples) = build(None, teacher=None).eval(), tiny_batch(1)
    plain = MODELS.build(tiny_network()).eval()
    plain.load_state_dict(model.state_dict())
    found, expected = (net(inputs, samples, mode='loss') for net in (model, plain))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)


def test_teacher_may_be_saved(teacher_file: Path, tmp_path: Path) -> None:
    model, (inputs, samples) = build(teacher_file, save_teacher=True), tiny_batch(1)
    expected = {f'teacher.{name}' for name in tiny_names()} | tiny_names()
    assert model.state_dict().keys() == expected
    losses = model.eval()(inputs, samples, mode='loss')
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'both.pth')
    # The file of the teacher is no longer needed.
    again = build('no/such/file.pth', seed=5, save_teacher=True).eval()
    again.load_state_dict(torch.load(tmp_path / 'both.pth', weights_only=True)['state_dict'])
    found = again(inputs, samples, mode='loss')
    assert all(torch.equal(found[name], losses[name]) for name in losses)


def tiny_names() -> set[str]:
    return set(MODELS.build(tiny_network()).state_dict())


def test_save_teacher_needs_one() -> None:
    with pytest.raises(ValueError, match='save_teacher'):
        build(None, teacher=None, save_teacher=True)


def test_teacher_may_have_a_network_of_its_own(tmp_path: Path) -> None:
    init_default_scope('mmssc')
    wide = dict(type='mmssc.TSDFEncoder', widths=(1, 3, 4, 16))
    teacher = MODELS.build(tiny_network(tsdf_encoder=wide))
    torch.save(teacher.state_dict(), tmp_path / 'wide.pth')
    cfg = dict(checkpoint=str(tmp_path / 'wide.pth'), tsdf_encoder=wide, tsdf_source='tsdf')
    model, (inputs, samples) = build(None, teacher=cfg), tiny_batch(1)
    assert 'loss_kd_t' in model(inputs, samples, mode='loss')
    assert model.teacher.tsdf_source == 'tsdf'


def test_trains_and_predicts_in_bfloat16(teacher_file: Path) -> None:
    assert_trains_in_bfloat16(build(teacher_file))


def test_checkpoint_without_the_teacher_goes_on_with_it(teacher_file: Path) -> None:
    """What resuming does: strict loading, and the teacher from its own file again."""
    model, (inputs, samples) = build(teacher_file).train(), tiny_batch(1)
    model(inputs, samples, mode='loss')
    state = model.state_dict()
    assert not any(name.startswith('teacher') for name in state)
    again = build(teacher_file, seed=9)
    again.load_state_dict(state, strict=True)
    found, expected = (net.eval()(inputs, samples, mode='loss') for net in (again, model))
    assert found.keys() == expected.keys() >= KD
    assert all(torch.equal(found[name], expected[name]) for name in found)


def test_a_checkpoint_with_a_teacher_serves_a_student_without() -> None:
    """A file of a run with save_teacher=True is read by a config that does not ask for it."""
    with_teacher = build('no/such/file.pth', save_teacher=True).state_dict()
    assert any(name.startswith('teacher.') for name in with_teacher)
    model = build('no/such/file.pth')
    check_weights(with_teacher, model, 'both.pth')
    model.load_state_dict(with_teacher, strict=True)
    with pytest.raises(DataError, match='1 not in the model: other.weight'):
        check_weights({**with_teacher, 'other.weight': torch.zeros(1)}, model, 'both.pth')


def test_mapping_is_made_once(teacher_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The teacher takes the student's map of the pixels."""
    calls = []
    inner = RGBDCompletor.pixel_to_voxel

    def count(self: RGBDCompletor, inputs: dict) -> torch.Tensor:
        calls.append('pixel_to_voxel' in inputs)
        return inner(self, inputs)

    monkeypatch.setattr(RGBDCompletor, 'pixel_to_voxel', count)
    model, (inputs, samples) = build(teacher_file).train(), tiny_batch(1)
    model(inputs, samples, mode='loss')
    assert calls == [False, True]
