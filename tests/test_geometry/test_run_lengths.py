"""Run lengths against a loop over voxels, and the rule for long runs."""

from __future__ import annotations

import pytest
import torch

from mmssc.geometry import hide_long_runs, run_lengths


def run_by_loop(labels: torch.Tensor, place: tuple[int, ...], axis: int, step: int) -> int:
    length, index = 0, list(place)
    while 0 <= index[axis] < labels.shape[axis] and labels[tuple(index)] == labels[place]:
        length += 1
        index[axis] += step
    return length


def test_against_a_loop():
    torch.manual_seed(0)
    labels = torch.randint(0, 2, (2, 5, 4, 3), dtype=torch.uint8)
    labels[labels == 1] = 255
    found = run_lengths(labels)
    assert found.shape == (2, 6, 5, 4, 3)
    for sample, *place in torch.cartesian_prod(*map(torch.arange, labels.shape)).tolist():
        for direction in range(6):
            axis, step = direction // 2, 1 - 2 * (direction % 2)
            expected = run_by_loop(labels[sample], tuple(place), axis, step)
            assert found[(sample, direction, *place)] == expected


def test_one_label_everywhere():
    found = run_lengths(torch.zeros(1, 4, 3, 2, dtype=torch.uint8))
    assert found[0, 0, :, 0, 0].tolist() == [4, 3, 2, 1]
    assert found[0, 5, 0, 0].tolist() == [1, 2]


@pytest.mark.parametrize('axis', [0, 1, 2])
@pytest.mark.parametrize('length, hidden', [(4, False), (5, True), (6, True)])
def test_a_run_is_hidden_along_any_axis_from_its_limit_on(axis, length, hidden):
    labels = torch.zeros(8, 8, 8, dtype=torch.uint8)
    row = labels.movedim(axis, 0)[:, 3, 2]
    row[1 : 1 + length] = 1
    volume = labels[None]
    found = hide_long_runs(volume, run_lengths(volume), [(1, 5)])
    assert int((found == 255).sum()) == (length if hidden else 0)
    assert int((found == 1).sum()) == (0 if hidden else length)
    assert volume.max() == 1, 'the labels themselves do not change'


def test_other_classes_keep_their_runs():
    labels = torch.full((1, 9, 2, 2), 4, dtype=torch.uint8)
    lengths = run_lengths(labels)
    assert torch.equal(hide_long_runs(labels, lengths, [(1, 3)]), labels)
    assert (hide_long_runs(labels, lengths, [(1, 3), (4, 9)], 7) == 7).all()
