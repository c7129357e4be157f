"""Training and testing with a small ``/dev/shm`` end with one line and never hang."""

from __future__ import annotations

import pytest
from tool_runs import HERE

CONFIG = HERE / 'small_shared_memory_config.py'
TRAIN = ('train.py', CONFIG)
TRAIN_TWO = ('dist_train.sh', CONFIG, 2)
TEST = ('test.py', CONFIG, 'untrained')
TEST_TWO = ('dist_test.sh', CONFIG, 'untrained', 2)


@pytest.fixture
def error_of(run_tool, monkeypatch):
    """Run a tool that fails: its only line with an error."""

    def run(tool, memory, *options):
        monkeypatch.setenv('SMALL_SHARED_MEMORY', memory)
        errors = run_tool(
            *tool, '--work-dir', 'run', '--cfg-options', *options, status=2
        ).stderr.splitlines()
        (line,) = (line for line in errors if line.startswith('error: '))
        assert not [one for one in errors if 'Traceback' in one]
        return line

    return run


@pytest.mark.parametrize(
    ('tool', 'split', 'need', 'batches', 'processes'),
    [
        (TRAIN, 'train', '72 kB', '3 batches of 24 kB', 1),
        pytest.param(
            TEST_TWO, 'test', '48 kB', '2 batches of 12 kB', 2,
            marks=pytest.mark.slow,
        ),
    ],
)  # fmt: skip
def test_the_size_is_checked_at_the_start(
    error_of, tmp_path, tool, split, need, batches, processes
):
    error = error_of(tool, '20000 all', f'{split}_dataloader.num_workers=3')
    expected = (
        f'error: /dev/shm: size: expected {need} for {split}_dataloader: {batches} at a time '
        f'in each of {processes} process(es), found 20 kB free of 62 kB'
    )
    assert error.startswith(expected)
    assert 'docker run --shm-size=8g or --ipc=host' in error
    option = f'--cfg-options {split}_dataloader.num_workers=0 {split}_dataloader.persistent_workers'
    assert error.endswith(f'{option}=False')
    assert not list((tmp_path / 'run').glob('*.pth'))


@pytest.mark.parametrize(
    ('tool', 'split'),
    [(TEST, 'test'), (TRAIN, 'val'), pytest.param(TRAIN_TWO, 'train', marks=pytest.mark.slow)],
)
def test_a_run_that_fills_it_later_ends(error_of, tool, split):
    error = error_of(tool, '20000 workers', f'{split}_dataloader.num_workers=1')
    assert error.startswith('error: /dev/shm: size: expected ') and '--shm-size' in error
    assert 'train_dataloader.num_workers=0 train_dataloader.persistent_workers=False' in error
