"""What takes the time of loading."""

import time

import pytest
from mmengine.dataset import RepeatDataset

from mmssc.datasets import NYUDataset
from mmssc.errors import DataError
from mmssc.performance.loading import measure_loading


class Busy(NYUDataset):
    """Three frames."""

    def load_data_list(self):
        return [dict(frame_id=str(number), files={}) for number in range(3)]


def work(results):
    end = time.process_time() + 0.01
    while time.process_time() < end:
        pass
    return results


class Work:
    def __call__(self, results):
        return work(results)


def test_transforms_are_timed_inside_of_wrappers():
    dataset = Busy('none.json', pipeline=[lambda results: results, Work(), Work()])
    found = measure_loading(RepeatDataset(dataset, 2), 8)
    assert found['samples'] == 8
    assert [*found['transforms']][0] == 'Work' and set(found['transforms']) > {'others'}
    assert 0.02 <= found['transforms']['Work'] <= found['cpu_seconds'] < 1
    assert sum(found['transforms'].values()) == pytest.approx(found['cpu_seconds'], abs=1e-3)


def test_an_empty_data_set_is_named():
    with pytest.raises(DataError, match='mine: expected at least one sample, found none'):
        measure_loading([], 3, 'mine')
