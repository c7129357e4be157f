"""The voxel sets of the NYU protocol from the voxel files of a scan."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from tiny_tree import GRID

from mmssc.datasets import SemanticKITTIDataset
from mmssc.datasets.transforms import LoadDrivingLabels, LoadDrivingMasks, PackSSCInputs
from mmssc.errors import DataError
from mmssc.evaluation import SSCMetric
from mmssc.formats.kitti import write_voxel_bits


@pytest.fixture
def item(tree) -> dict:
    """Sample 08/000005 with random voxel files of its scan."""
    dataset = SemanticKITTIDataset(
        ann_file='semantickitti_infos_val.json', data_root=str(tree), pipeline=[], test_mode=True
    )
    item = deepcopy(next(i for i in dataset if i['frame_id'] == '000005'))
    random = np.random.default_rng(3)
    for kind in ('bin', 'occluded'):
        path = tree / f'dataset/sequences/08/voxels/000005.{kind}'
        path.parent.mkdir(exist_ok=True)
        write_voxel_bits(path, random.random(GRID.shape) < 0.4)
        assert Path(item['voxel_paths'][kind]) == path
    return LoadDrivingLabels(scales=('1_1',))(item)


def bits(item: dict, kind: str) -> list:
    content = Path(item['voxel_paths'][kind]).read_bytes()
    return [byte >> (7 - n) & 1 for byte in content for n in range(8)]


def test_masks_and_the_score_on_them(item):
    results = LoadDrivingMasks()(item)
    masks = {name: mask.reshape(-1).tolist() for name, mask in results['eval_masks'].items()}
    labels = results['gt_voxels'].reshape(-1).tolist()
    guess = np.random.default_rng(1).integers(0, 20, GRID.shape).astype(np.uint8)
    hits = union = 0
    for n, (label, hit, hidden) in enumerate(
        zip(labels, bits(item, 'bin'), bits(item, 'occluded'))
    ):
        seen_or_hidden = hidden or label not in (0, 255)
        assert masks['nyu_ssc'][n] == bool(seen_or_hidden)
        assert masks['nyu_sc'][n] == bool(seen_or_hidden and not hit)
        if masks['nyu_sc'][n] and label != 255:
            occupied = label > 0, guess.reshape(-1)[n] > 0
            hits += all(occupied)
            union += any(occupied)
    sample = PackSSCInputs()(results)['data_samples']
    sample.set_data(dict(pred_voxels=sample.gt_voxels.new_tensor(guess)))
    metric = SSCMetric(protocols=('full', 'nyu'))
    metric.dataset_meta = SemanticKITTIDataset.METAINFO
    metric.process(None, [sample.to_dict()])
    figures = metric.compute_metrics(metric.results)
    assert figures['SC_IoU_nyu'] == pytest.approx(100 * hits / union, abs=0.006)
    assert {'SSC_mIoU', 'SSC_mIoU_nyu'} <= figures.keys()
    assert figures['SC_IoU'] != figures['SC_IoU_nyu']


def test_samples_without_labels_and_damaged_files(item):
    unlabelled = {key: value for key, value in item.items() if key != 'gt_voxels'}
    assert 'eval_masks' not in LoadDrivingMasks(optional=True)(dict(unlabelled))
    with pytest.raises(DataError, match='08/000005: labels: .*optional=True'):
        LoadDrivingMasks()(dict(unlabelled))
    path = Path(item['voxel_paths']['occluded'])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match='000005.occluded: frame 08/000005, size: expected 256'):
        LoadDrivingMasks()(dict(item))
    path.unlink()
    with pytest.raises(DataError, match='000005.occluded: frame 08/000005, file'):
        LoadDrivingMasks()(dict(item))


def test_visible_occluded_and_unobserved_voxels(item, tree):
    path = tree / 'dataset/sequences/08/voxels/000005.invalid'
    write_voxel_bits(path, np.random.default_rng(4).random(GRID.shape) < 0.3)
    results = LoadDrivingMasks(kinds=('visibility',))(item)
    masks = results['eval_masks']
    assert list(masks) == ['visible', 'occluded', 'unobserved']
    for n, (hidden, invalid) in enumerate(zip(bits(item, 'occluded'), bits(item, 'invalid'))):
        found = [bool(masks[name].reshape(-1)[n]) for name in masks]
        assert found == [not (hidden or invalid), bool(hidden and not invalid), bool(invalid)]
    sample = PackSSCInputs()(results)['data_samples']
    guess = np.random.default_rng(1).integers(0, 20, GRID.shape).astype(np.uint8)
    sample.set_data(dict(pred_voxels=sample.gt_voxels.new_tensor(guess)))
    metric = SSCMetric(protocols=('full', *masks))
    metric.dataset_meta = SemanticKITTIDataset.METAINFO
    metric.process(None, [sample.to_dict()])
    scores = metric.compute_metrics(metric.results)
    for name, mask in masks.items():
        labels = np.where(mask, results['gt_voxels'], 255)
        expected = SSCMetric.calculate([guess], [labels], metric.classes)
        assert scores[f'SSC_mIoU_{name}'] == expected['SSC_mIoU'] > 0
        assert scores[f'SC_IoU_{name}'] == expected['SC_IoU']
    # Every labelled voxel is in exactly one of them.
    parts = [metric.results[0][name].confusion for name in masks]
    assert (sum(parts) == metric.results[0]['full'].confusion).all()


def test_both_kinds_of_masks(item, tree):
    write_voxel_bits(tree / 'dataset/sequences/08/voxels/000005.invalid', np.zeros(GRID.shape))
    step = LoadDrivingMasks(kinds=('nyu', 'visibility'))
    assert len(step.files(item)) == 3
    names = ['nyu_ssc', 'nyu_sc', 'visible', 'occluded', 'unobserved']
    assert list(step(item)['eval_masks']) == names


def test_a_score_without_its_masks_says_what_is_missing(item):
    sample = PackSSCInputs()(LoadDrivingMasks()(item))['data_samples']
    sample.set_data(dict(pred_voxels=sample.gt_voxels.clone()))
    metric = SSCMetric(protocols='occluded')
    metric.dataset_meta = SemanticKITTIDataset.METAINFO
    with pytest.raises(DataError, match=r"needs LoadDrivingMasks\(kinds=\('visibility',\)\)"):
        metric.process(None, [sample.to_dict()])
    with pytest.raises(DataError, match="'nyu', 'visibility' or both, found seen"):
        LoadDrivingMasks(kinds=('seen',))
