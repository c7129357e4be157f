import numpy as np
import pytest

from mmssc.datasets import SemanticKITTIDataset, SSCBenchKITTI360Dataset
from mmssc.datasets.label_rules import learning_table, raw_label_remarks
from mmssc.errors import DataError
from mmssc.formats.kitti import write_raw_labels, write_voxel_bits
from mmssc.inspection.label_checks import check_raw_label_file


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
     (52, False, 255), (99, False, 255), (255, False, 8), (71, False, 16)],
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
    with pytest.raises(DataError, match='at most 358, found 359 .1 voxel.'):
        SemanticKITTIDataset.train_labels(np.array([359], np.uint16), np.array([False]))
    with pytest.raises(DataError, match='shape'):
        SemanticKITTIDataset.train_labels(np.zeros(2, np.uint16), np.array([False]))


def raw_volume(ids, shares) -> np.ndarray:
    """1000 occupied voxels with these ids, and 1000 empty ones."""
    occupied = np.repeat(np.uint16(ids), (1000 * np.array(shares)).astype(int))
    return np.append(occupied, np.zeros(1000, np.uint16))


@pytest.mark.parametrize('dataset', [SemanticKITTIDataset, SSCBenchKITTI360Dataset])
@pytest.mark.parametrize('ids', [(1, 9, 17), (1, 9, 255), (2, 7, 15)])
def test_train_ids_in_a_raw_file_are_named(dataset, ids):
    raw = raw_volume(ids, (0.2, 0.5, 0.3))
    with pytest.raises(
        DataError, match='others in .* of the occupied.*look like train ids'
    ) as info:
        dataset.train_labels(raw, raw < 0, 'a.label')
    assert str(info.value).startswith('a.label: ids: expected raw ids of the learning map')


def test_many_ids_without_an_entry_are_refused_with_their_numbers():
    raw = raw_volume((40, 7, 90), (0.7, 0.1, 0.2))
    text = r'others in 30.0% of the occupied voxels: 90 \(200 voxels\), 7 \(100 voxels\)'
    with pytest.raises(DataError, match=text):
        SemanticKITTIDataset.train_labels(raw, raw < 0)


def test_a_few_ids_without_an_entry_are_counted():
    raw, learning_map = raw_volume((40, 7), (0.995, 0.005)), SemanticKITTIDataset.METAINFO
    labels = SemanticKITTIDataset.train_labels(raw, raw < 0)
    assert (labels[raw == 7] == 255).all() and (labels[raw == 40] == 9).all()
    remarks = raw_label_remarks(raw, learning_map['learning_map'])
    assert remarks == {'raw id 7 is not in the learning map: ignored': 5}


def test_ids_that_the_map_leaves_out_on_purpose_are_no_fault():
    raw = raw_volume((1, 52, 99), (0.3, 0.4, 0.3))
    assert (SemanticKITTIDataset.train_labels(raw, raw < 0)[:1000] == 255).all()
    assert not raw_label_remarks(raw, SemanticKITTIDataset.METAINFO['learning_map'])


def test_low_ids_that_are_all_in_the_map_are_remarked():
    remarks = raw_label_remarks(
        raw_volume((1, 11, 15), (0.2, 0.5, 0.3)), SemanticKITTIDataset.METAINFO['learning_map']
    )
    assert remarks == {'no raw id above 19: are these train ids?': 1000}


def test_255_for_unknown_voxels_is_no_class():
    raw = np.full((20, 20, 8), 40, np.uint16)
    raw[:10] = 255
    none = np.zeros(raw.shape, bool)
    with pytest.raises(DataError, match='255 in 50.0% .* store 0 there and mark them in .invalid'):
        SemanticKITTIDataset.train_labels(raw, none)
    assert (SemanticKITTIDataset.train_labels(raw, raw == 255)[:10] == 255).all()
    assert (SSCBenchKITTI360Dataset.train_labels(raw, none)[:10] == 255).all()
    raw[:10] = 40
    raw[0, 0] = 255  # a real one
    assert (SemanticKITTIDataset.train_labels(raw, none)[0, 0] == 8).all()


def test_the_check_of_a_file_knows_its_mask(tmp_path):
    raw = np.full((20, 20, 8), 40, np.uint16)
    raw[:10] = 255
    path = tmp_path / '000000.label'
    write_raw_labels(path, raw)
    with pytest.raises(DataError, match='000000.label: ids: .*255 in 50.0%'):
        check_raw_label_file(path, raw.shape, SemanticKITTIDataset)
    write_voxel_bits(tmp_path / '000000.invalid', raw == 255)
    check_raw_label_file(path, raw.shape, SemanticKITTIDataset)
