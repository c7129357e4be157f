"""The NYU protocol: semantics and completion on two sets of voxels, beside the whole volume."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator

from mmssc.errors import DataError
from mmssc.evaluation import SSCMetric
from mmssc.structures import SSCDataSample

CLASSES = tuple(f'c{number}' for number in range(12))


def make_samples(count: int = 3) -> list[SSCDataSample]:
    random = np.random.default_rng(0)
    samples = []
    for _ in range(count):
        labels = random.integers(0, 13, (6, 4, 6))
        labels[labels == 12] = 255
        guess = np.where(random.random(labels.shape) < 0.4, labels % 255, random.integers(0, 12))
        weight = random.random(labels.shape) < 0.6
        mapped = random.random(labels.shape) < 0.2
        sample = SSCDataSample(metainfo=dict(sequence='test', frame_id='0001'))
        sample.gt_voxels = torch.from_numpy(labels.astype(np.uint8))
        sample.pred_voxels = torch.from_numpy(guess.astype(np.uint8))
        masks = dict(nyu_ssc=weight, nyu_sc=weight & ~mapped)
        sample.eval_masks = {name: torch.from_numpy(mask) for name, mask in masks.items()}
        samples.append(sample)
    return samples


def score(samples: list[SSCDataSample], **options) -> dict[str, float]:
    metric = SSCMetric(**options)
    metric.dataset_meta = dict(classes=CLASSES)
    evaluator = Evaluator(metric)
    evaluator.process(samples)
    return evaluator.evaluate(len(samples))


def by_loops(samples: list[SSCDataSample]) -> dict[str, float]:
    """The references' counting, voxel by voxel."""
    hit, union = [0] * 12, [0] * 12
    tp = fp = fn = 0
    for sample in samples:
        volumes = (sample.pred_voxels, sample.gt_voxels, *sample.eval_masks.values())
        for guess, truth, semantic, completion in zip(*(v.flatten().tolist() for v in volumes)):
            if truth == 255:
                continue
            if semantic:
                for k in range(12):
                    hit[k] += guess == truth == k
                    union[k] += k in (guess, truth)
            if completion:
                tp += guess > 0 and truth > 0
                fp += guess > 0 and truth == 0
                fn += guess == 0 and truth > 0
    figures = dict(
        SC_IoU=tp / (tp + fp + fn), SC_Precision=tp / (tp + fp), SC_Recall=tp / (tp + fn)
    )
    figures['SSC_mIoU'] = sum(h / u for h, u in zip(hit[1:], union[1:])) / 11
    figures['SSC_c3_IoU'] = hit[3] / union[3]
    return {f'ssc/{key}_nyu': 100 * value for key, value in figures.items()}


def test_equals_counting_voxel_by_voxel():
    samples = make_samples()
    figures = score(samples, protocols='nyu')
    expected = by_loops(samples)
    assert {key: figures[key] for key in expected} == pytest.approx(expected, abs=0.006)


def test_completion_and_semantics_are_on_different_voxels():
    samples = make_samples()
    figures = score(samples, protocols=('nyu', 'nyu_ssc', 'nyu_sc', 'full'))
    assert figures['ssc/SSC_mIoU_nyu'] == figures['ssc/SSC_mIoU_nyu_ssc']
    assert figures['ssc/SC_IoU_nyu'] == figures['ssc/SC_IoU_nyu_sc']
    assert figures['ssc/SC_IoU_nyu'] != figures['ssc/SC_IoU_nyu_ssc']
    assert figures['ssc/SSC_mIoU'] != figures['ssc/SSC_mIoU_nyu']


def test_counts_of_processes_add_up_in_any_order():
    samples = make_samples(4)
    figures = score(samples, protocols='nyu')
    assert score(samples[::-1], protocols='nyu') == figures


@pytest.mark.parametrize('name', ['nyu_ssc', 'nyu_sc'])
def test_missing_mask_is_named(name):
    (sample,) = make_samples(1)
    del sample.eval_masks[name]
    with pytest.raises(DataError, match=f'test/0001: eval_masks: expected a mask {name!r}.*Load'):
        score([sample], protocols='nyu')


def test_counting_changes_neither_labels_nor_masks():
    samples = make_samples()
    before = [(sample.gt_voxels.clone(), sample.eval_masks['nyu_sc'].clone()) for sample in samples]
    score(samples, protocols=('nyu', 'full'))
    for sample, (labels, mask) in zip(samples, before):
        assert torch.equal(sample.gt_voxels, labels)
        assert torch.equal(sample.eval_masks['nyu_sc'], mask)
