import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmssc.errors import DataError
from mmssc.geometry import pool_labels, pool_labels_class_first


def pool_labels_by_loop(labels, factor, ignore=255, threshold=0.95):
    """The rule, block by block."""
    x, y, z = (side // factor for side in labels.shape)
    pooled = np.zeros((x, y, z), np.uint8)
    for index in np.ndindex(x, y, z):
        block = labels[tuple(slice(i * factor, (i + 1) * factor) for i in index)]
        num_empty, num_ignored = (block == 0).sum(), (block == ignore).sum()
        if num_empty + num_ignored > threshold * factor**3:
            pooled[index] = 0 if num_empty > num_ignored else ignore
        else:
            ids, counts = np.unique(block[(block != 0) & (block != ignore)], return_counts=True)
            pooled[index] = ids[counts.argmax()]
    return pooled


@st.composite
def volumes(draw):
    factor = draw(st.sampled_from([1, 2, 3, 4]))
    shape = tuple(factor * draw(st.integers(1, 3)) for _ in range(3))
    seed = draw(st.integers(0, 2**32 - 1))
    ids = draw(st.lists(st.sampled_from([0, 0, 0, 255, 255, 1, 2, 5, 19]), min_size=1, max_size=9))
    rng = np.random.default_rng(seed)
    return rng.choice(np.array(ids, np.uint8), shape), factor


@given(volumes())
@settings(max_examples=80, deadline=None)
def test_equals_the_loop(case):
    labels, factor = case
    pooled = pool_labels(torch.from_numpy(labels), factor, 20)
    assert pooled.dtype == torch.uint8
    np.testing.assert_array_equal(pooled.numpy(), pool_labels_by_loop(labels, factor))


@pytest.mark.parametrize(
    ('block', 'expected'),
    [
        ([0, 0, 0, 0, 255, 255, 255, 255], 255),  # a tie is ignored
        ([0, 0, 0, 0, 0, 255, 255, 255], 0),
        ([0, 0, 0, 255, 255, 255, 255, 255], 255),
        ([0, 0, 0, 0, 0, 0, 0, 7], 7),  # one label of eight is enough
        ([9, 9, 3, 3, 0, 0, 0, 255], 3),  # a tie goes to the smaller id
        ([19, 19, 19, 3, 3, 0, 0, 255], 19),
    ],
)
def test_one_block(block, expected):
    labels = torch.tensor(block, dtype=torch.uint8).reshape(2, 2, 2)
    assert pool_labels(labels, 2, 20).tolist() == [[[expected]]]


def test_few_labels_in_a_large_block_are_dropped():
    labels = torch.zeros(4, 4, 4, dtype=torch.uint8)
    labels[0, 0, :3] = 5  # 61 of 64 empty: more than 95 %
    assert pool_labels(labels, 4, 20).item() == 0
    labels[0, 0, 3] = 5
    assert pool_labels(labels, 4, 20).item() == 5


def test_equals_the_reference(unit_cases):
    labels = torch.from_numpy(unit_cases['label/lab_1_1'].astype(np.uint8))
    np.testing.assert_array_equal(pool_labels(labels, 2, 20).numpy(), unit_cases['label/lab_1_2'])


def test_leading_dimensions():
    rng = np.random.default_rng(0)
    labels = torch.from_numpy(rng.choice(np.uint8([0, 0, 255, 1, 2]), (2, 3, 4, 6, 2)))
    pooled = pool_labels(labels, 2, 3)
    assert pooled.shape == (2, 3, 2, 3, 1)
    assert torch.equal(pooled[1, 2], pool_labels(labels[1, 2], 2, 3))


def test_refuses_wrong_sides_and_ids():
    with pytest.raises(DataError, match='multiples of 2'):
        pool_labels(torch.zeros(3, 4, 4, dtype=torch.uint8), 2, 20)
    labels = torch.zeros(2, 2, 2, dtype=torch.uint8)
    labels[0, 0, 0] = 20
    with pytest.raises(DataError, match=r'0\.\.19 or 255, found \[20\]'):
        pool_labels(labels, 2, 20)


def by_the_rule_of_lmscnet(labels: np.ndarray, factor: int) -> np.ndarray:
    """Block by block, as the rule says it."""
    shape = tuple(side // factor for side in labels.shape)
    pooled = np.empty(shape, labels.dtype)
    for index in np.ndindex(shape):
        block = labels[tuple(slice(i * factor, (i + 1) * factor) for i in index)]
        classes = block[(block != 0) & (block != 255)]
        if classes.size:
            pooled[index] = np.bincount(classes).argmax()
        else:
            pooled[index] = 0 if (block == 0).any() else 255
    return pooled


@pytest.mark.parametrize('factor', [2, 4, 8])
@pytest.mark.parametrize('dtype', [torch.uint8, torch.int64])
def test_class_first_pooling_block_by_block(factor, dtype):
    random = np.random.default_rng(factor)
    labels = random.choice([0, 1, 2, 19, 255], (32, 16, 24), p=[0.5, 0.02, 0.02, 0.01, 0.45])
    labels[:8, :, :8] = 255
    labels[8:, :, 8:16] = 0
    expected = by_the_rule_of_lmscnet(labels.astype(np.uint8), factor)
    found = pool_labels_class_first(torch.from_numpy(labels).to(dtype), factor, 20)
    assert found.dtype == dtype and np.array_equal(found.numpy(), expected)
    assert {0, 1, 255} <= set(np.unique(expected))
    other = pool_labels(torch.from_numpy(labels), factor, 20)
    assert not np.array_equal(other.numpy(), expected)


def test_class_first_pooling_starts_from_the_finest_scale():
    labels = torch.full((4, 4, 4), 255, dtype=torch.uint8)
    labels[0, 0, :2], labels[0, 1, 0] = 2, 2
    labels[2, 0, 0], labels[0, 2, 0] = 1, 1
    assert pool_labels_class_first(labels, 4, 5).item() == 2
    assert pool_labels_class_first(pool_labels_class_first(labels, 2, 5), 2, 5).item() == 1


def test_class_first_pooling_refuses_what_does_not_fit():
    with pytest.raises(DataError, match='multiples of 4'):
        pool_labels_class_first(torch.zeros(4, 6, 4, dtype=torch.uint8), 4, 5)
    with pytest.raises(DataError, match='ids'):
        pool_labels_class_first(torch.full((4, 4, 4), 7, dtype=torch.uint8), 4, 5)
