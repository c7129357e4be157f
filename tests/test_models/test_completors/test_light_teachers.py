"""Light completors that learn from trained ones."""

from __future__ import annotations

import copy

import pytest
import torch
from mmengine.registry import DefaultScope
from test_light import batch_of, small_model

from mmssc.errors import DataError
from mmssc.models.layers import VolumeChange
from mmssc.models.losses import LogitDistillationLoss

LOSS = dict(type='LogitDistillationLoss', temperature=2.0)


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmssc'):
        torch.manual_seed(0)
        yield


@pytest.fixture
def teacher_files(tmp_path):
    """Two teachers that read a segmentation, and their networks."""
    networks, paths = [], []
    for number in range(2):
        torch.manual_seed(10 + number)
        networks.append(small_model().eval())
        paths.append(str(tmp_path / f'teacher_{number}.pth'))
        torch.save(dict(state_dict=networks[-1].state_dict()), paths[-1])
    return networks, paths


def student_of(paths, num_segments=14, **changes):
    stem = dict(type='VoxelStem', out_channels=8, num_segments=14, embed_dims=3)
    teachers = [dict(checkpoint=path, stem=stem) for path in paths]
    return small_model(num_segments, teachers=teachers, loss_distillation=LOSS, **changes)


@pytest.mark.parametrize('num_segments', [0, 14], ids=['depth alone', 'segmentation'])
def test_the_student_imitates_the_mean_of_its_teachers(teacher_files, num_segments):
    """After its flips are undone: the teachers see the frame as it is."""
    networks, paths = teacher_files
    flips = dict(augmentation=dict(type='VolumeAugmentation', flip_axes=(0,), prob=1.0))
    student = student_of(paths, num_segments, **flips).train()
    batch = batch_of(student, [1, 2])
    plain = small_model(num_segments, **flips).train()
    plain.load_state_dict(student.state_dict())
    losses, expected = (model(**batch, mode='loss') for model in (student, plain))
    assert losses.keys() == {*expected, 'loss_distillation'}
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value)
    with torch.no_grad():
        taught = sum(network.predict_logits(batch['inputs']) for network in networks) / 2
        logits = plain.forward_logits(batch['inputs'], VolumeChange((0,)))
    samples = batch['data_samples']
    weight = torch.stack([sample.label_weight for sample in samples]).bool()
    terms = [
        LogitDistillationLoss(2.0)(own.permute(1, 2, 3, 0)[chosen], of.permute(1, 2, 3, 0)[chosen])
        for own, of, chosen in zip(logits, taught, weight)
    ]
    torch.testing.assert_close(losses['loss_distillation'], sum(terms) / 2)


def test_teachers_can_average_their_mirror_images(teacher_files):
    networks, paths = teacher_files
    teacher = dict(checkpoint=paths[0], test_cfg=dict(flip_axes=(0,)))
    student = small_model(teachers=[teacher], loss_distillation=LOSS)
    inputs = batch_of(student, [3])['inputs']
    networks[0].test_cfg['flip_axes'] = (0,)
    found = student._taught_logits(inputs)
    torch.testing.assert_close(found, networks[0].predict_logits(inputs))


def test_no_teacher_learns_or_is_saved(teacher_files):
    _, paths = teacher_files
    student = student_of(paths).train()
    names = small_model().state_dict().keys()
    sum(student(**batch_of(student, [5]), mode='loss').values()).backward()
    assert student.state_dict().keys() == names
    assert {name for name, _ in student.named_parameters()} <= names
    for teacher in student.teachers:
        assert not teacher.network.training
        assert not any(p.requires_grad or p.grad is not None for p in teacher.network.parameters())
    student.double()
    assert all(p.dtype == torch.float64 for p in student.teachers[0].network.parameters())


def test_copies_and_predictions_need_no_teacher():
    student = student_of(['no/such/file.pth'])
    batch = batch_of(student, [6])
    assert copy.deepcopy(student)(**batch, mode='predict')[0].pred_voxels is not None
    text = r'no/such/file.pth: model.teachers\[0\].checkpoint: .* no such file. Train the teachers'
    with pytest.raises(DataError, match=text):
        student(**batch, mode='loss')


def test_teachers_and_the_loss_come_together():
    teacher = dict(checkpoint='teacher.pth')
    for name, value in dict(teachers=[teacher], loss_distillation=LOSS).items():
        with pytest.raises(DataError, match=f'both teachers and .* found only {name}'):
            small_model(**{name: value})


def test_a_teacher_of_another_network_is_refused(teacher_files, tmp_path):
    torch.save(small_model(0).state_dict(), tmp_path / 'depth.pth')
    student = student_of([str(tmp_path / 'depth.pth')])
    with pytest.raises(DataError, match='missing: stem'):
        student(**batch_of(student, [7]), mode='loss')
