"""Predictions are found under the names that tools and other codes use."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_tree import GRID

from mmssc.datasets import SemanticKITTIDataset
from mmssc.errors import DataError
from mmssc.evaluation.prediction_folder import PredictionFolder
from mmssc.formats.kitti import write_raw_labels, write_voxel_labels

ROAD, RAW_ROAD = 9, 40


@pytest.fixture
def dataset(tree_template):
    """Frames 00/000000, 08/000000, 08/000005, 08/000007."""
    return SemanticKITTIDataset('semantickitti_infos_val.json', str(tree_template), pipeline=[])


@pytest.mark.parametrize(
    'name', ['08_000005', 'sequences/08/predictions/000005', '08/000005', '000005']
)
@pytest.mark.parametrize('suffix', ['.npy', '.label'])
def test_every_layout_is_found(dataset, tmp_path, name, suffix):
    path = tmp_path / f'p/{name}{suffix}'
    if suffix == '.npy':
        write_voxel_labels(path, np.full(GRID.shape, ROAD, np.uint8))
    else:
        write_raw_labels(path, np.full(GRID.shape, RAW_ROAD, np.uint16))
    found = PredictionFolder(tmp_path / 'p', dataset)
    assert found.frames == {2: path}
    assert (found.read(2, GRID.shape) == ROAD).all()


def write(path, value=ROAD, shape=GRID.shape):
    write_voxel_labels(path, np.full(shape, value, np.uint8))


def test_a_frame_number_of_two_sequences_is_no_name(dataset, tmp_path):
    write(tmp_path / 'p/000000.npy')
    write(tmp_path / 'p/000007.npy')
    assert list(PredictionFolder(tmp_path / 'p', dataset).frames) == [3]


def test_what_infer_writes_twice_is_one_prediction(dataset, tmp_path):
    write(tmp_path / 'p/000007.npy')
    write_raw_labels(tmp_path / 'p/000007.label', np.full(GRID.shape, RAW_ROAD, np.uint16))
    assert PredictionFolder(tmp_path / 'p', dataset).frames[3].suffix == '.npy'
    write(tmp_path / 'p/08_000007.npy')
    with pytest.raises(DataError, match='one prediction, found 08_000007.npy and 000007.npy'):
        PredictionFolder(tmp_path / 'p', dataset)


@pytest.mark.parametrize(
    ('value', 'shape', 'message'),
    [
        (255, GRID.shape, 'a class or empty .0. in every voxel, found 2048 voxels without one'),
        (20, GRID.shape, '0..19 or 255 .20 classes., found 20'),
        (0, (16, 8, 16), 'The axes are in another order'),
    ],
)
def test_a_wrong_prediction_is_refused(dataset, tmp_path, value, shape, message):
    write(tmp_path / 'p/000007.npy', value, shape)
    with pytest.raises(DataError, match=message):
        PredictionFolder(tmp_path / 'p', dataset).read(3, GRID.shape)


def test_folders_without_predictions_are_refused(dataset, tmp_path):
    (tmp_path / 'empty').mkdir()
    for name, message in (
        ('empty', 'expected files such as 00_000000.npy, found none of this data set'),
        ('none', 'no such folder. tools/test.py CONFIG CHECKPOINT --save-predictions DIR'),
    ):
        with pytest.raises(DataError, match=message):
            PredictionFolder(tmp_path / name, dataset)
