"""Numbers of classes that do not match: one line with both, before the first step."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tool_runs import (
    ROOM_CONFIG,
    STREET_CONFIG,
    TOY_CONFIG,
    room_options,
    run_tool_in,
    street_options,
)
from torch import nn
from toy import InstantCompletor

from mmssc.checkpoints import check_num_classes
from mmssc.errors import DataError
from mmssc.models.losses import VoxelCrossEntropyLoss

BOTH = (
    'number of classes: expected 20, the classes of the data set of {loader}, '
    'found 12, num_classes of the head of the model. Give the head num_classes'
)


def last_line(folder: Path, script: str, *args: object) -> str:
    errors = run_tool_in(folder, script, *args, status=2).stderr
    assert 'Traceback' not in errors
    return errors.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ('script', 'args', 'loader'),
    [('train.py', [], 'train_dataloader'), ('test.py', ['untrained'], 'test_dataloader')],
)
def test_the_head_has_other_classes_than_the_data(tmp_path, streets, script, args, loader):
    options = street_options(streets, 'model.head.num_classes=12')
    line = last_line(tmp_path, script, STREET_CONFIG, *args, *options)
    assert line.startswith(f'error: {STREET_CONFIG}: {BOTH.format(loader=loader)}')


def test_a_head_with_more_classes_does_not_train_until_the_metric_fails(tmp_path, rooms):
    options = room_options(rooms, **{'model.head.num_classes': 20})
    line = last_line(tmp_path, 'train.py', ROOM_CONFIG, *options)
    assert 'expected 12, the classes of the data set of train_dataloader, found 20' in line


def test_a_class_weight_is_missing(tmp_path, streets):
    option = f'model.head.loss_ssc.class_weight=[{",".join("1" * 12)}]'
    line = last_line(tmp_path, 'train.py', STREET_CONFIG, *street_options(streets, option))
    text = 'VoxelCrossEntropyLoss.class_weight: expected 20 weights, one per class'
    assert f'{STREET_CONFIG}: {text}' in line and line.endswith('found 12 weights')


def test_the_inferencer_compares_them(tmp_path, streets):
    image = streets / 'dataset/sequences/08/image_2/000000.png'
    calib = streets / 'dataset/sequences/08/calib.txt'
    (tmp_path / 'x.pth').touch()
    line = last_line(
        tmp_path, 'infer.py', STREET_CONFIG, 'x.pth', '--image', image, '--calib', calib,
        '--out', 'out', '--cfg-options', 'model.head.num_classes=12',
    )  # fmt: skip
    assert 'expected 20, the classes of the data set, found 12, num_classes of the head' in line


def test_a_loss_names_labels_beyond_the_logits():
    loss, logits = VoxelCrossEntropyLoss(), torch.zeros(1, 4, 2, 2, 2)
    target = torch.full((1, 2, 2, 2), 255)
    target[0, 0, 0] = 7
    with pytest.raises(DataError, match='0..3: the head has num_classes=4, found 7..7'):
        loss(logits, target)
    assert VoxelCrossEntropyLoss()(logits, target.clamp(min=255)) == 0


@pytest.mark.parametrize('meta', [{}, dict(classes=()), dict(classes=('empty', 'a'))])
def test_a_model_that_does_not_say_its_classes_is_not_checked(meta):
    check_num_classes(nn.Conv3d(1, 3, 1), meta)


@pytest.mark.parametrize(
    ('script', 'args', 'loader'),
    [
        ('train.py', [], 'train_dataloader'), ('train.py', [], 'val_dataloader'),
        ('test.py', ['x.pth'], 'test_dataloader'),
    ],
)  # fmt: skip
def test_a_loader_without_a_batch_is_no_training_and_no_test(tmp_path, script, args, loader):
    # mmengine would save the untrained weights, or print no score, with status 0.
    options = f'{loader}.batch_size=9', f'{loader}.drop_last=True'
    model = InstantCompletor(data_preprocessor=dict(type='BaseDataPreprocessor'))
    torch.save(model.state_dict(), tmp_path / 'x.pth')
    line = last_line(tmp_path, script, TOY_CONFIG, *args, '--cfg-options', *options)
    samples = 6 if loader == 'train_dataloader' else 3
    text = f'{loader}: expected at least one batch, found none: {samples} samples, batch_size=9'
    assert text in line
    assert not list(tmp_path.glob('work_dirs/*/epoch_*'))
