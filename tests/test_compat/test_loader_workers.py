"""Loader workers say why they cannot send a batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset

from mmssc.compat import (
    full_shared_memory,
    loader_worker_errors,
    readable_size,
    shared_bytes,
)  # fmt: skip
from mmssc.compat.loader_workers import SharingCollate
from mmssc.errors import DataError
from mmssc.structures import SSCDataSample

FULL = 'unable to allocate shared memory(shm) for file </torch_1>: '


class Samples(Dataset):
    """Four samples of one tensor, or what is given."""

    def __init__(self, sample=None):
        self.sample = sample

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return torch.full((100,), float(index)) if self.sample is None else self.sample


def loader(dataset, workers=1):
    sampler = dict(type='DefaultSampler', shuffle=False)
    return Runner.build_dataloader(
        dict(dataset=dataset, sampler=sampler, batch_size=2, num_workers=workers)
    )


def test_tensors_of_a_batch_are_counted_once_in_whole_pages():
    sample = SSCDataSample(metainfo=dict(lidar2cam=np.eye(4)))
    sample.gt_voxels = torch.zeros(100, 100, dtype=torch.uint8)
    image = torch.zeros(10)
    batch = dict(inputs=dict(img=[image, image[1:]], none=torch.zeros(0)), data_samples=[sample])
    assert shared_bytes(batch) == 4096 + 3 * 4096
    assert shared_bytes(dict(depth=np.zeros(10))) == 0
    assert [readable_size(count) for count in (0, 5000, 2**26)] == ['0 kB', '5 kB', '64.0 MB']


@pytest.mark.parametrize('workers', [0, 1, 2])
def test_batches_arrive_as_they_were(workers):
    batches = [torch.stack(list(batch))[:, 0].tolist() for batch in loader(Samples(), workers)]
    assert batches == [[0, 1], [2, 3]]


def test_a_loader_is_wrapped_once_and_a_ready_one_is_kept():
    first = loader(Samples())
    assert isinstance(first.collate_fn, SharingCollate)
    assert Runner.build_dataloader(first).collate_fn is first.collate_fn
    ready = DataLoader(Samples(), batch_size=2)
    assert Runner.build_dataloader(ready) is ready and len(list(ready)) == 2


# torch 2.10 reports the number of an earlier error.
@pytest.mark.parametrize('number', ['No space left on device (28)', 'Success (0)'])
def test_an_allocation_that_fails_is_a_data_error(monkeypatch, number):
    def fail(tensor):
        raise RuntimeError(FULL + number)

    monkeypatch.setattr(torch.Tensor, 'share_memory_', fail)
    with pytest.raises(DataError, match=r'/dev/shm: size: expected 8 kB for the next batch, found'):
        list(loader(Samples()))


def test_other_errors_of_sending_reach_the_training(monkeypatch):
    with pytest.raises((AttributeError, TypeError), match='pickle'):
        list(loader(Samples(lambda: 3)))

    def fail(tensor):
        raise RuntimeError('unable to open shared memory object: Too many open files (24)')

    monkeypatch.setattr(torch.Tensor, 'share_memory_', fail)
    with pytest.raises(RuntimeError, match='Too many open files'):
        list(loader(Samples()))


def test_the_error_names_size_and_remedy():
    text = str(full_shared_memory('8 kB', free=0))
    assert '/dev/shm: size: expected 8 kB, found 0 kB free of ' in text
    assert 'docker run --shm-size=8g or --ipc=host' in text and 'num_workers=0' in text


def test_a_worker_that_died_of_it_is_named():
    died = RuntimeError('DataLoader worker (pid 7) is killed by signal: Bus error. It is possible')
    for error in (died, RuntimeError('DataLoader worker (pid(s) 7) exited unexpectedly')):
        with pytest.raises(DataError, match='/dev/shm: size'), loader_worker_errors():
            raise error from died
    with pytest.raises(RuntimeError, match='^another$'), loader_worker_errors():
        raise RuntimeError('another')
