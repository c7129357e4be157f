"""The recipe of the light completors, from a cache of synthetic rooms to the published files."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from mmengine.config import Config
from tool_runs import ROOT, TINY_ROOMS, read_scalars, run_tool_in, tool_environment

from mmssc.checkpoints.files import read_state_dict

NAMES = ('light_seg-wide_nyu', 'light_depth_nyu_mixed')
TINY = {
    **TINY_ROOMS,
    'model.head.hidden_channels': 16,
    'model.stem.direct_channels': 16,
    'train_cfg.max_epochs': 1,
    'train_dataloader.batch_size': 2,
    'val_dataloader.dataset.indices': [0, 1],
    'default_hooks.logger.interval': 1,
}


@pytest.fixture
def recipe(rooms, tmp_path):
    """Run the recipe on a cache of the rooms; returns what it printed."""
    run_tool_in(tmp_path, 'dataset_converters/nyu_cache.py', rooms, '--out', 'cache')
    settings = [f'{key}={value}'.replace(' ', '') for key, value in TINY.items()]

    def run(*arguments: str, status: int = 0) -> str:
        command = ['bash', str(ROOT / 'tools/train_light.sh'), *arguments]
        done = subprocess.run(
            command + settings, cwd=tmp_path, env=tool_environment(), check=False,
            capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert done.returncode == status, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout + done.stderr

    return run


@pytest.mark.slow
def test_from_the_cache_to_the_published_files(recipe, tmp_path):
    recipe('cache', 'out')
    out = tmp_path / 'out'
    for name in NAMES:
        scores = json.loads((out / f'{name}.json').read_text())
        assert 0 < scores['ssc/SC_IoU_nyu'] <= 100
        assert not any('teacher' in key for key in read_state_dict(out / f'{name}.pth'))
    losses = [read_scalars(out / name)[0] for name in (NAMES[0], 'teacher_1')]
    assert 'loss_distillation' in losses[0] and 'loss_distillation' not in losses[1]
    weights = [
        read_state_dict(out / f'teacher_{seed}/epoch_1.pth')['stem.linear.weight']
        for seed in (1, 2)
    ]
    assert not weights[0].equal(weights[1])

    # The second call repeats nothing, and no model is scored twice.
    before = {path: path.stat().st_mtime_ns for path in out.rglob('*')}
    printed = recipe('cache', 'out')
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob('*')}
    assert printed.count('finished before') == 5 and printed.count('scored before') == 2


def test_held_out_frames_are_scored_instead_of_the_test_frames(tmp_path):
    """The frames are those of the configs, and later settings follow."""
    python = tmp_path / 'python'
    python.write_text(
        f'#!/bin/sh\nif [ "$1" = -c ]; then exec {sys.executable} "$@"; fi\necho "$*"\n'
    )
    python.chmod(0o755)
    for name in ('teacher_1', 'teacher_2', 'teacher_3', *NAMES):
        (tmp_path / 'out' / name).mkdir(parents=True)
        (tmp_path / 'out' / name / 'last_checkpoint').write_text('last.pth')

    def commands(out: str, *more: str) -> list[str]:
        done = subprocess.run(
            ['bash', str(ROOT / 'tools/train_light.sh'), 'cache', out, *more], cwd=tmp_path,
            env={**os.environ, 'PYTHON': str(python)}, capture_output=True, text=True, timeout=60,
            check=True,
        )  # fmt: skip
        return [line for line in done.stdout.splitlines() if '--cfg-options' in line]

    cfg = Config.fromfile(ROOT / 'configs/_base_/datasets/nyu_cache.py')
    kept, held_out = (str([*frames]).replace(' ', '')
                      for frames in (cfg.kept_frames, cfg.held_out_frames))  # fmt: skip
    lines = commands('out', '--held-out', 'randomness.deterministic=True')
    assert len(lines) == 7
    for line in lines:
        assert f' train_dataloader.dataset.indices={kept} ' in line
        assert f' test_dataloader.dataset.indices={held_out} ' in line
        assert ' test_dataloader.dataset.ann_file=nyu_infos_train.json ' in line
        assert ' randomness.deterministic=True' in line
    assert ' model.teachers.2.checkpoint=last.pth' in lines[3]
    averaged = ' model.test_cfg.flip_axes=(0,) model.test_cfg.shift_axes=(0,2)'
    assert [averaged in line for line in lines] == [False] * 4 + [True, False, True]
    for finished in (tmp_path / 'out').glob('*/finished'):
        finished.unlink()
    assert not [line for line in commands('out') if 'indices' in line or 'ann_file' in line]


def test_it_needs_two_folders():
    for arguments in ([], ['cache'], ['cache', '--held-out']):
        done = subprocess.run(
            ['bash', str(ROOT / 'tools/train_light.sh'), *arguments], env=dict(os.environ),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert done.stderr.startswith('usage: ') and 'CACHE OUT' in done.stderr
