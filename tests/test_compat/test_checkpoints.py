import os
import pickle
import subprocess
import sys
from contextlib import suppress
from types import ModuleType
from urllib.error import URLError

import numpy as np
import pytest
import torch
from mmengine.fileio import LocalBackend
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.model import BaseModule
from mmengine.runner import Runner
from mmengine.runner import checkpoint as mmengine_checkpoint

from mmssc.compat import load_checkpoint_file, read_checkpoint
from mmssc.errors import DataError, UnsafeCheckpointError


class Malicious:
    """Runs a command when it is unpickled by an ordinary unpickler."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f'touch {self.path}',)


class TakesAttribute:
    def __reduce__(self):
        return getattr, (HistoryBuffer, '__init__')


def mmengine_like_checkpoint() -> dict:
    hub = MessageHub('test_checkpoints')
    for value in (3.0, 2.0, 1.0):
        hub.update_scalar('train/loss', value)
    hub.update_info('best_score', np.float64(27.5))
    hub.update_info('numbers', np.arange(3, dtype=np.int64))
    return dict(
        meta=dict(epoch=3, cfg='text'),
        state_dict=torch.nn.Linear(2, 3).state_dict(),
        parameter=torch.nn.Parameter(torch.ones(2)),
        half=torch.ones(2, dtype=torch.bfloat16),
        message_hub=hub.state_dict(),
        optimizer=dict(state={0: dict(step=torch.tensor(3.0))}, param_groups=[dict(lr=0.1)]),
    )


def test_mmengine_checkpoint_round_trip(tmp_path):
    saved = mmengine_like_checkpoint()
    torch.save(saved, tmp_path / 'epoch_1.pth')
    loaded = load_checkpoint_file(tmp_path / 'epoch_1.pth')
    assert torch.equal(loaded['state_dict']['weight'], saved['state_dict']['weight'])
    assert torch.equal(loaded['half'], saved['half'])
    history = loaded['message_hub']['log_scalars']['train/loss']
    assert history.mean() == 2.0 and history.statistics('min') == 1.0
    assert loaded['message_hub']['runtime_info']['best_score'] == 27.5
    assert loaded['message_hub']['runtime_info']['numbers'].tolist() == [0, 1, 2]


@pytest.mark.parametrize('legacy', [False, True], ids=['zip', 'legacy'])
def test_code_in_a_checkpoint_is_refused_and_not_run(tmp_path, legacy):
    target = tmp_path / 'executed'
    path = tmp_path / 'bad.pth'
    torch.save(dict(state_dict=Malicious(target)), path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(UnsafeCheckpointError, match='bad.pth: expected weights') as caught:
        load_checkpoint_file(path)
    assert 'posix.system' in caught.value.found and 'weights_only' not in str(caught.value)
    assert not target.exists()


def test_getattr_in_a_checkpoint_reaches_log_statistics_only(tmp_path):
    torch.save(TakesAttribute(), tmp_path / 'bad.pth')
    with pytest.raises(pickle.UnpicklingError, match='__init__'):
        load_checkpoint_file(tmp_path / 'bad.pth')


def test_milestones_of_a_schedule_are_read(tmp_path):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    state = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 5]).state_dict()
    torch.save(dict(param_schedulers=[state]), tmp_path / 'epoch.pth')
    (loaded,) = load_checkpoint_file(tmp_path / 'epoch.pth')['param_schedulers']
    assert loaded['milestones'] == {3: 1, 5: 1}


def test_a_log_history_brings_no_function(tmp_path):
    history = HistoryBuffer([1.0], [1])
    history._statistics_methods = {'min': os.system}
    torch.save(history, tmp_path / 'bad.pth')
    with pytest.raises(UnsafeCheckpointError, match='posix.system'):
        load_checkpoint_file(tmp_path / 'bad.pth')


@pytest.mark.parametrize(
    'state',
    [
        dict(max_length=3),
        dict(max_length='3', _log_history=np.zeros(2), _count_history=np.zeros(2)),
        dict(max_length=3, _log_history=np.zeros(2), _count_history=np.zeros(1)),
        dict(max_length=3, _log_history=np.zeros((2, 2)), _count_history=np.zeros(2)),
        dict(max_length=3, _log_history=[1, 2], _count_history=[1, 1]),
    ],
)
def test_a_log_history_is_two_rows_of_numbers(tmp_path, state):
    history = HistoryBuffer()
    history.__dict__.clear()
    history.__dict__.update(state)
    torch.save(history, tmp_path / 'bad.pth')
    with pytest.raises(DataError, match='a log history'):
        load_checkpoint_file(tmp_path / 'bad.pth')


def test_a_history_under_many_names_counts_each_time(tmp_path):
    """mmengine copies each one whenever it saves."""
    numbers, histories = np.zeros(20_000), {}
    for name in range(100):
        histories[str(name)] = history = HistoryBuffer()
        history._log_history = history._count_history = numbers
    torch.save(histories, tmp_path / 'many.pth')
    with pytest.raises(UnsafeCheckpointError, match='together much larger than the file'):
        load_checkpoint_file(tmp_path / 'many.pth')
    torch.save({'0': histories['0']}, tmp_path / 'one.pth')
    assert len(load_checkpoint_file(tmp_path / 'one.pth')['0'].data[0]) == 20_000


def test_callbacks_of_lightning_are_read_without_lightning(tmp_path, monkeypatch):
    name = 'pytorch_lightning.callbacks.model_checkpoint'
    kind = type('ModelCheckpoint', (), {'__module__': name})
    for package in ('pytorch_lightning', 'pytorch_lightning.callbacks', name):
        monkeypatch.setitem(sys.modules, package, ModuleType(package))
    sys.modules[name].ModelCheckpoint = kind
    for legacy in (False, True):
        path = tmp_path / f'{legacy}.ckpt'
        content = dict(state_dict={'a': torch.ones(1)}, callbacks={kind: dict(best=0.5)})
        torch.save(content, path, _use_new_zipfile_serialization=not legacy)
        loaded = load_checkpoint_file(path)
        assert loaded['state_dict']['a'].item() == 1
        assert list(loaded['callbacks'].values()) == [dict(best=0.5)]
        assert kind not in loaded['callbacks']


@pytest.mark.parametrize('key', ['config', 'cfg'])
def test_text_that_mmengine_would_run_is_kept_from_it(tmp_path, key):
    """``Runner.resume`` runs ``meta['config']`` as Python; ``cfg``, its own text, it leaves."""
    torch.save(dict(meta={key: 'gpu_ids = [0]', 'epoch': 1}), tmp_path / 'old.pth')
    loaded = mmengine_checkpoint.CheckpointLoader.load_checkpoint(
        str(tmp_path / 'old.pth'), 'cpu', logger='silent'
    )
    expected = {'config': {'epoch': 1}, 'cfg': {'cfg': 'gpu_ids = [0]', 'epoch': 1}}
    assert loaded['meta'] == expected[key]
    assert load_checkpoint_file(tmp_path / 'old.pth')['meta'][key] == 'gpu_ids = [0]'


@pytest.mark.parametrize(
    'content, message',
    [
        (5, 'content: expected a dict, as in a checkpoint, found a value of type int'),
        ({1: torch.ones(1)}, 'content: expected text as keys, found 1'),
        ({None: torch.ones(1)}, 'content: expected text as keys, found None'),
        (dict(state_dict=[1, 2]), 'state_dict: expected a dict'),
        (dict(state_dict={1: torch.ones(1)}), 'state_dict: expected text as keys, found 1'),
        (dict(state_dict={}, meta=[1]), 'meta: expected a dict'),
        (dict(state_dict={}, meta=dict(dataset_meta='road')), 'dataset_meta: expected a dict'),
    ],
)
def test_a_file_that_is_no_checkpoint_is_named(tmp_path, content, message):
    path = tmp_path / 'other.pth'
    torch.save(content, path)
    with pytest.raises(DataError, match=f'other.pth: {message}'):
        read_checkpoint(path)
    with pytest.raises(DataError, match=f'other.pth: {message}'):
        mmengine_checkpoint.CheckpointLoader.load_checkpoint(str(path), 'cpu', logger='silent')
    assert type(load_checkpoint_file(path)) is type(content)


def test_other_loads_of_the_process_stay_as_strict_as_they_were(tmp_path):
    """What our own checkpoints need is allowed nowhere else."""
    code = """
import numpy as np, pickle, sys, torch
import mmssc
from mmengine.runner import load_checkpoint, save_checkpoint
from mmssc.compat import load_checkpoint_file, read_checkpoint
path = sys.argv[1]
torch.save(dict(loss=np.float64(0.5), history=np.arange(3)), path)
assert load_checkpoint_file(path)['loss'] == 0.5
for allowed in getattr(torch.serialization, 'get_safe_globals', list)():
    assert allowed.__module__.startswith('torch.'), allowed
try:
    torch.load(path, weights_only=True)
except pickle.UnpicklingError:
    print('refused')
"""
    done = subprocess.run(
        [sys.executable, '-c', code, str(tmp_path / 'own.pth')], capture_output=True, text=True
    )
    assert done.stdout == 'refused\n', done.stderr


def test_mmengine_loaders_refuse_code(tmp_path, monkeypatch):
    target = tmp_path / 'executed'
    folder = tmp_path / 'hub'
    (folder / 'checkpoints').mkdir(parents=True)
    path = folder / 'checkpoints' / 'bad.pth'
    torch.save(dict(state_dict=Malicious(target)), path)
    with pytest.raises(pickle.UnpicklingError):
        mmengine_checkpoint.CheckpointLoader.load_checkpoint(str(path), 'cpu', logger='silent')
    # As if downloaded already: the http loader finds it in torch's cache.
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(folder))
    with pytest.raises(pickle.UnpicklingError):
        mmengine_checkpoint.CheckpointLoader.load_checkpoint(
            'https://example.org/bad.pth', 'cpu', logger='silent'
        )
    assert not target.exists()


def test_nothing_calls_the_loaders_of_torch(tmp_path, monkeypatch):
    """Every way in which mmengine reads a checkpoint for a model, an inferencer or a training."""
    path = str(tmp_path / 'a.pth')
    content = dict(state_dict=torch.nn.Linear(2, 2).state_dict(), meta={}, message_hub={})
    mmengine_checkpoint.save_checkpoint(content, path)
    nested = str(tmp_path / 'nested.pth')
    mmengine_checkpoint.save_checkpoint(
        {f'a.{key}': value for key, value in content['state_dict'].items()}, nested
    )

    def fail(*args, **kwargs):
        raise AssertionError('a loader of torch')

    for owner, name in (
        (torch, 'load'), (torch.jit, 'load'), (torch.hub, 'load_state_dict_from_url'),
        (torch.serialization, 'load'), (pickle, 'load'), (pickle, 'loads'),
    ):  # fmt: skip
        monkeypatch.setattr(owner, name, fail)
    expected = content['state_dict']['weight']

    model = torch.nn.Linear(2, 2)
    mmengine_checkpoint.load_checkpoint(model, path)
    assert torch.equal(model.weight, expected)
    part = mmengine_checkpoint._load_checkpoint_with_prefix('a', nested)
    assert torch.equal(part['weight'], expected)

    class Pretrained(BaseModule):
        def __init__(self):
            super().__init__(init_cfg=dict(type='Pretrained', checkpoint=path))
            self.weight = torch.nn.Parameter(torch.zeros(2, 2))
            self.bias = torch.nn.Parameter(torch.zeros(2))

    model = Pretrained()
    model.init_weights()
    assert torch.equal(model.weight, expected)

    runner = Runner(model, str(tmp_path), experiment_name='loaders', resume=True)
    for load in (lambda: runner.load_checkpoint(path), lambda: runner.resume(path, False)):
        with torch.no_grad():
            model.weight.zero_()
        with suppress(KeyError, RuntimeError):  # There is no training here that it could resume.
            load()
        assert torch.equal(model.weight, expected)


def test_failed_write_leaves_the_old_checkpoint(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    mmengine_checkpoint.save_checkpoint(dict(value=torch.tensor(1)), str(path))

    with pytest.raises(TypeError):
        LocalBackend().put('not bytes', path)
    assert load_checkpoint_file(path)['value'] == 1
    assert [file.name for file in tmp_path.iterdir()] == ['epoch_1.pth']


def test_an_address_that_cannot_be_reached_is_named(monkeypatch, tmp_path):
    def fail(url, file, progress):
        raise URLError('Name or service not known')

    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.setattr(torch.hub, 'download_url_to_file', fail)
    with pytest.raises(DataError) as caught:
        mmengine_checkpoint.CheckpointLoader.load_checkpoint('https://example.org/resnet.pth')
    assert caught.value.file == 'https://example.org/resnet.pth'
    assert caught.match('found Name or service not known')
    assert str(tmp_path) in caught.value.hint
