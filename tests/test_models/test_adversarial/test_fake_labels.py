"""Shuffled and erased volumes follow the rules of the paper, in distribution too."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mmssc.models.adversarial.fake_labels import erase_voxels, one_hot_volume, shuffle_classes

NUM_CLASSES = 12


def scenes(batch: int, seed: int = 0, empty: float = 0.5) -> Tensor:
    """(B, 12, 10, 12) labels with every class in every scene."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(1, NUM_CLASSES, (batch, 12, 10, 12), generator=generator)
    return labels.masked_fill(torch.rand(labels.shape, generator=generator) < empty, 0)


@pytest.fixture(scope='module')
def shuffled() -> tuple[Tensor, Tensor]:
    labels = scenes(400)
    return labels, shuffle_classes(labels, NUM_CLASSES, generator=torch.Generator().manual_seed(1))


def test_whole_classes_of_voxels_change_to_one_other_class(shuffled) -> None:
    labels, found = shuffled
    changed = found != labels
    assert not changed[labels == 0].any() and found[changed].min() > 0
    for before, after in zip(labels[:50], found[:50]):
        for number in range(1, NUM_CLASSES):
            of_class = before == number
            new = after[of_class]
            assert len(new[new != number].unique()) <= 1
            # int(n p) draws with replacement, p below 0.9
            assert int((new != number).sum()) <= int(0.9 * int(of_class.sum()))


def test_share_of_changed_voxels(shuffled) -> None:
    labels, found = shuffled
    share = (found != labels).flatten(1).sum(1) / (labels != 0).flatten(1).sum(1)
    # Of n voxels c draws with replacement hit n (1 - exp(-c / n)); p is uniform in [0.1, 0.9], and
    # 6 of the 11 classes are picked on average: 21 %.
    expected = (1 - (math.exp(-0.1) - math.exp(-0.9)) / 0.8) * 6 / 11
    assert expected == pytest.approx(0.206, abs=1e-3)
    assert float(share.mean()) == pytest.approx(expected, abs=0.015)
    assert 0.001 < float(share.min()) < 0.05 and 0.35 < float(share.max()) < 0.60


def test_number_of_picked_classes_is_uniform(shuffled) -> None:
    labels, found = shuffled
    flat = torch.nn.functional.one_hot(labels.flatten(1), NUM_CLASSES)
    touched = (flat * (found != labels).flatten(1)[..., None]).any(1)
    counts = touched.sum(1).bincount(minlength=NUM_CLASSES)
    assert counts[0] == 0
    # 400 scenes over 11 sizes: 36 each, standard deviation 5.7.
    assert int(counts[1:].min()) > 15 and int(counts[1:].max()) < 60
    each = touched[:, 1:].float().mean(0)
    assert float((each - 6 / 11).abs().max()) < 0.1


def test_wrong_classes(shuffled) -> None:
    """Uniform, but for the class before, which takes the place of the class itself."""
    labels, found = shuffled
    pairs = torch.zeros(NUM_CLASSES, NUM_CLASSES)
    for before, after in zip(labels, found):
        changed = before != after
        for pair in torch.stack([before[changed], after[changed]], 1).unique(dim=0):
            pairs[pair[0], pair[1]] += 1
    assert not pairs.diagonal().any() and not pairs[0].any() and not pairs[:, 0].any()
    share = pairs[1:, 1:] / pairs[1:, 1:].sum(1, keepdim=True)
    below = share[1:].diagonal()  # class k to class k - 1
    assert float(below.mean()) == pytest.approx(2 / 11, abs=0.03)
    assert float(share[0, 1:].min()) > 0.03  # class 1: 2 and above alike
    assert float(share[0, 1:].mean()) == pytest.approx(0.1, abs=1e-6)


def test_all_slots_can_be_hit() -> None:
    labels = torch.zeros(300, 3, 3, 3, dtype=torch.uint8)
    labels[:, 0] = 1
    labels[:, 2, 2] = 2
    found = shuffle_classes(labels, 4, share=(1.0, 1.0))
    assert found.dtype == torch.uint8
    hit = (found != labels).float().mean(0)
    assert float(hit[labels[0] != 0].min()) > 0.1 and not hit[labels[0] == 0].any()


def test_a_scene_without_objects_stays() -> None:
    labels = torch.zeros(2, 4, 4, 4, dtype=torch.long)
    labels[1, :2] = 3
    for seed in range(20):
        found = shuffle_classes(labels, NUM_CLASSES, generator=torch.Generator().manual_seed(seed))
        assert not found[0].any()
    none = torch.zeros(2, 4, 4, 4, dtype=torch.bool)
    assert not erase_voxels(none).any()


def test_a_generator_repeats() -> None:
    labels = scenes(2)
    made = [
        shuffle_classes(labels, NUM_CLASSES, generator=torch.Generator().manual_seed(seed))
        for seed in (3, 3, 4)
    ]
    assert torch.equal(made[0], made[1]) and not torch.equal(made[0], made[2])
    erased = [
        erase_voxels(labels > 0, generator=torch.Generator().manual_seed(seed))
        for seed in (3, 3, 4)
    ]
    assert torch.equal(erased[0], erased[1]) and not torch.equal(erased[0], erased[2])


def test_erased_share_is_uniform_and_occupied() -> None:
    occupied = scenes(400) > 0
    erased = erase_voxels(occupied, generator=torch.Generator().manual_seed(5))
    assert not (erased & ~occupied).any()
    share = erased.flatten(1).sum(1) / occupied.flatten(1).sum(1)
    assert 0.09 < float(share.min()) < 0.13 and 0.87 < float(share.max()) < 0.9
    assert float(share.mean()) == pytest.approx(0.5, abs=0.04)
    assert float(share.std()) == pytest.approx(0.8 / math.sqrt(12), abs=0.02)
    # Where in the scene does not matter.
    hit = erased.float().mean((0, 2, 3)) / occupied.float().mean((0, 2, 3))
    assert float((hit - hit.mean()).abs().max()) < 0.02


def test_erased_number_is_exact() -> None:
    occupied = scenes(3) > 0
    erased = erase_voxels(occupied, share=(0.5, 0.5))
    expected = (occupied.flatten(1).sum(1) * 0.5).long()
    assert torch.equal(erased.flatten(1).sum(1), expected)


def test_one_hot() -> None:
    labels = scenes(2)
    volume = one_hot_volume(labels.to(torch.uint8), NUM_CLASSES)
    expected = torch.nn.functional.one_hot(labels, NUM_CLASSES).movedim(-1, 1).float()
    assert torch.equal(volume, expected)
