import numpy as np
import pytest

from mmssc.datasets import SemanticKITTIDataset, SSCBenchKITTI360Dataset
from mmssc.datasets.label_rules import learning_table
from mmssc.errors import DataError


def one_voxel(dataset, raw, invalid):
    labels = dataset.train_labels(np.array([raw], np.uint16), np.array([invalid]))
    assert labels.dtype == np.uint8
    return int(labels[0])


def test_equals_the_reference(unit_cases):
    table = learning_table(SemanticKITTIDataset.METAINFO['learning_map'])
    np.testing.assert_array_equal(table, unit_cases['label/lut'])
    raw = unit_cases['label/raw_u2']
    bits = np.unpackbits(unit_cases['label/invalid_bytes'])
    labels = SemanticKITTIDataset.train_labels(raw, bits.astype(bool).reshape(raw.shape))
    np.testing.assert_array_equal(labels, unit_cases['label/lab_1_1'])


@pytest.mark.parametrize(
    ('raw', 'invalid', 'expected'),
    [(0, False, 0), (0, True, 255), (10, False, 1), (10, True, 255), (1, False, 255),
     (52, False, 255), (99, False, 255), (255, False, 8), (2, False, 255), (71, False, 16)],
)  # fmt: skip
def test_semantic_kitti_rule(raw, invalid, expected):
    assert one_voxel(SemanticKITTIDataset, raw, invalid) == expected


@pytest.mark.parametrize(
    ('raw', 'invalid', 'expected'),
    [(0, False, 0), (0, True, 255), (10, False, 1), (10, True, 1), (1, True, 255), (52, True, 17),
     (99, False, 18), (255, False, 255), (31, False, 255), (71, False, 255), (72, False, 14)],
)  # fmt: skip
def test_kitti360_rule_keeps_labels_of_invalid_voxels(raw, invalid, expected):
    assert one_voxel(SSCBenchKITTI360Dataset, raw, invalid) == expected


@pytest.mark.parametrize('dataset', [SemanticKITTIDataset, SSCBenchKITTI360Dataset])
def test_metainfo_is_consistent(dataset):
    meta = dataset.METAINFO
    count = len(meta['classes'])
    assert len(meta['palette']) == len(meta['class_counts']) == count
    assert len(set(meta['classes'])) == len(set(meta['palette'])) == count
    assert set(meta['learning_map'].values()) == set(range(count))
    assert sorted(meta['inverse_learning_map']) == list(range(count))
    for train, raw in meta['inverse_learning_map'].items():
        assert meta['learning_map'][raw] == train


def test_submission_ids(unit_cases):
    inverse = SemanticKITTIDataset.METAINFO['inverse_learning_map']
    assert [inverse[n] for n in range(20)] == unit_cases['export/raw_of_class'].tolist()


def test_refuses_unknown_ids_and_shapes():
    with pytest.raises(DataError, match='at most 358, found 359'):
        SemanticKITTIDataset.train_labels(np.array([359], np.uint16), np.array([False]))
    with pytest.raises(DataError, match='shape'):
        SemanticKITTIDataset.train_labels(np.zeros(2, np.uint16), np.array([False]))
