"""mmssc/kept_memory.py: what a new process does with the memory of large volumes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmssc import kept_memory

ROOT = Path(__file__).resolve().parents[1]
IS_GLIBC = kept_memory._is_glibc()
# 160 MiB, four times: page faults, and the memory that stays afterwards.
USE = """
import json, os, resource, sys
import numpy as np
from mmssc import kept_memory
kept_memory._LEAST_FREE = 0  # The machine of the test may be busy.

def resident():
    lines = open('/proc/self/status').read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith('VmRSS:')) / 1024

def use():
    for _ in range(4):
        np.ones(40 * 2**20, np.float32)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        np.ones(40 * 2**20, np.float32)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
"""


def run(code: str, **environment: str) -> list:
    """Run a program; its last line is JSON."""
    variables = {**os.environ, 'PYTHONPATH': str(ROOT), **environment}
    if kept_memory.SWITCH not in environment:
        variables.pop(kept_memory.SWITCH, None)
    done = subprocess.run(
        [sys.executable, '-c', USE + code], env=variables,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


COMMAND = """
from mmssc.command_line import prepare_process
prepare_process()
print(json.dumps([use()]))
"""


@pytest.mark.skipif(not IS_GLIBC, reason='needs glibc')
def test_a_command_keeps_the_memory_of_volumes():
    (kept,), (returned,) = run(COMMAND), run(COMMAND, MMSSC_KEEP_MEMORY='0')
    # Huge pages may need few faults, too, but never so few.
    assert kept < 20 < returned


@pytest.mark.skipif(not IS_GLIBC, reason='needs glibc')
@pytest.mark.parametrize(
    'variable', ['MALLOC_TRIM_THRESHOLD_', 'MALLOC_MMAP_THRESHOLD_', 'GLIBC_TUNABLES']
)
def test_settings_of_the_user_count_more(variable):
    code = 'from mmssc.kept_memory import keep_memory; print(json.dumps([keep_memory()]))'
    value = 'glibc.malloc.trim_threshold=131072' if variable == 'GLIBC_TUNABLES' else '131072'
    assert run(code) == [True] and run(code, **{variable: value}) == [False]


@pytest.mark.skipif(not IS_GLIBC, reason='needs glibc')
@pytest.mark.parametrize(('free', 'kept'), [(17 * 2**30, False), (18 * 2**30, True)])
def test_a_training_needs_more_room(free, kept):
    code = f"""
kept_memory.keep_memory()
kept_memory.free_memory = lambda: {free}
print(json.dumps([kept_memory.keep_memory_in_training(), use()]))
"""
    found, faults = run(code)
    assert found is kept and (faults < 20) is kept


@pytest.mark.skipif(not IS_GLIBC, reason='needs glibc')
def test_a_forked_worker_returns_its_memory():
    code = """
from mmssc.command_line import prepare_process
prepare_process()
process = os.fork()
before = resident()
volume = np.ones(60 * 2**20, np.float32)
del volume
if not process:
    print(json.dumps([resident() - before]), flush=True)
    os._exit(0)
os.waitpid(process, 0)
"""
    assert run(code)[0] < 50


@pytest.mark.skipif(not IS_GLIBC, reason='needs glibc')
def test_a_spawned_worker_changes_nothing():
    code = """
import multiprocessing
from mmssc.kept_memory import keep_memory
with multiprocessing.get_context('spawn').Pool(1) as pool:
    print(json.dumps([pool.apply(keep_memory), keep_memory()]))
"""
    assert run(code) == [False, True]


def test_a_loaded_model_keeps_memory_on_the_cpu_only(monkeypatch):
    from mmssc.apis import model_loading

    calls = []
    monkeypatch.setattr(model_loading, 'keep_memory', lambda: calls.append('kept'))
    config = ROOT / 'configs/quickstart/light_synthetic.py'
    model_loading.init_model(config, device='meta')
    assert calls == []
    model_loading.init_model(config)
    assert calls == ['kept']


MACHINE = {'/proc/meminfo': 'MemTotal: 99 kB\nMemAvailable:    8388608 kB\n'}
VERSION_2 = {
    '/proc/self/cgroup': '0::/jobs/one\n',
    '/sys/fs/cgroup/jobs/one/memory.max': 'max\n',
    '/sys/fs/cgroup/jobs/one/memory.current': '5\n',
    '/sys/fs/cgroup/jobs/memory.max': '3000000\n',
    '/sys/fs/cgroup/jobs/memory.current': '1500000\n',
    '/sys/fs/cgroup/jobs/memory.stat': 'anon 7\ninactive_file 500000\n',
}
VERSION_1 = {
    '/proc/self/cgroup': '5:cpu:/x\n4:cpuset,memory:/docker/abc\n',
    '/sys/fs/cgroup/memory/memory.limit_in_bytes': '4000000\n',
    '/sys/fs/cgroup/memory/memory.usage_in_bytes': '1000000\n',
    '/sys/fs/cgroup/memory/memory.stat': 'inactive_file 1\ntotal_inactive_file 250000\n',
}


@pytest.mark.parametrize(
    ('files', 'free'),
    [
        (MACHINE, 8 * 2**30),
        (MACHINE | VERSION_2, 2_000_000),
        (MACHINE | VERSION_1, 3_250_000),
        ({}, None),
    ],
)
def test_free_memory_is_that_of_the_machine_and_of_the_container(files, free, monkeypatch):
    monkeypatch.setattr(kept_memory, '_text', lambda path: files.get(str(path), ''))
    assert kept_memory.free_memory() == free


@pytest.mark.parametrize('free', [2**30, None])
def test_little_free_memory_is_not_kept(free, monkeypatch):
    monkeypatch.delenv(kept_memory.SWITCH, raising=False)
    monkeypatch.setattr(kept_memory, 'free_memory', lambda: free)
    monkeypatch.setattr(kept_memory, '_set_allocator', lambda values: pytest.fail('changed'))
    kept_memory.keep_memory.cache_clear()
    assert not kept_memory.keep_memory()
    kept_memory.keep_memory.cache_clear()


@pytest.mark.parametrize('answer', [None, ValueError('no such name')])
def test_nothing_changes_without_glibc(answer, monkeypatch):
    def confstr(name):
        if answer is not None:
            raise answer

    monkeypatch.setattr(os, 'confstr', confstr)
    monkeypatch.setattr(kept_memory, '_set_allocator', lambda values: pytest.fail('changed'))
    kept_memory.keep_memory.cache_clear()
    assert not kept_memory.keep_memory()
    kept_memory.keep_memory.cache_clear()
