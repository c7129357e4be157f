"""Runs that are repeated, stopped, or use several processes; real frames."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from converter_trees import (
    GRID_OPTIONS,
    break_image,
    contents,
    prepared_tree,
    raw_tree,
    run_here,
    semantic_kitti_tree,
    snapshot,
)
from tool_runs import ROOT, left_by_killed_process, run_tool_in, tool_environment
from warm_start import run_script

from mmssc import temporary_files
from mmssc.formats.kitti import read_velodyne
from mmssc.preparation import SemanticKITTILayout, prepare_driving


@pytest.fixture(scope='module')
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared_tree(tmp_path_factory.mktemp('prepared'))


def command(root: Path, *options: str) -> list[str]:
    converter = ROOT / 'tools' / 'dataset_converters' / 'semantic_kitti.py'
    return [
        sys.executable,
        str(converter),
        str(root),
        *GRID_OPTIONS,
        '--max-disparity',
        '16',
        *options,
    ]


def run_command(root: Path, *options: str) -> subprocess.CompletedProcess:
    return run_script(command(root, *options)[1:], root, tool_environment())


def test_a_second_run_rewrites_nothing(prepared: Path) -> None:
    before = snapshot(prepared)
    assert run_here(prepared) == 0
    assert snapshot(prepared) == before


def test_overwrite_makes_the_same_files_again(prepared: Path, tmp_path: Path) -> None:
    root = shutil.copytree(prepared, tmp_path / 'copy')
    before = snapshot(root)
    assert run_here(root, '--overwrite') == 0
    after = snapshot(root)
    assert {k: v[0] for k, v in before.items()} == {k: v[0] for k, v in after.items()}
    for name in ('labels/00/000000_1_1.npy', 'depth/00/000000.npy', 'pseudo_lidar/00/000000.bin'):
        assert before[f'dataset/{name}'][1] != after[f'dataset/{name}'][1]


@pytest.mark.parametrize('damage', [lambda content: content[:-3], lambda content: content + b'xyz'])
def test_damaged_results_are_made_again(prepared: Path, tmp_path: Path, damage) -> None:
    root = shutil.copytree(prepared, tmp_path / 'copy')
    expected = contents(root)
    names = ('labels/00/000000_1_2.npy', 'depth/00/000001.npy', 'pseudo_lidar/00/000002.bin')
    for name in names:
        path = root / 'dataset' / name
        path.write_bytes(damage(path.read_bytes()))
    left_by_killed_process(root / 'dataset/depth/00')
    left_by_killed_process(root / 'dataset/labels/00')
    mine = root / 'dataset/depth/00/.mine.tmp'
    mine.write_bytes(b'mine')
    assert run_here(root) == 0
    mine.unlink()
    assert contents(root) == expected


def test_two_converters_do_not_write_to_one_tree(
    prepared: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temporary_files, '_LOCK_TIMEOUT', 0.1)
    before = snapshot(prepared)
    with temporary_files.lock_folder(prepared):
        assert run_here(prepared, '--overwrite') == 2
    assert 'no other command that writes to this folder' in capsys.readouterr().err
    assert snapshot(prepared) == before


def test_damaged_depth_images_are_made_again(tmp_path: Path) -> None:
    root = raw_tree(tmp_path)
    options = ('--depth-format', 'png', '--steps', 'depth')
    assert run_here(root, *options) == 0
    expected = contents(root)
    path = root / 'dataset/depth/00/000001.png'
    for damaged in (b'', b'PK\x03\x04', path.read_bytes()[:20]):
        path.write_bytes(damaged)
        assert run_here(root, *options) == 0
        assert contents(root) == expected


def test_other_settings_do_not_mix_with_old_results(
    prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    root = shutil.copytree(prepared, tmp_path / 'copy')
    before = snapshot(root)
    assert run_here(root, '--max-height', '1') == 2
    assert 'expected --max-height 1.0, found --max-height 80.0' in capsys.readouterr().err
    assert snapshot(root) == before
    assert run_here(root, '--max-height', '1', '--overwrite', '--steps', 'pseudo_lidar') == 0
    assert read_velodyne(root / 'dataset/pseudo_lidar/00/000000.bin')[:, 2].max() < 1


@pytest.mark.slow
def test_the_command_with_two_workers_equals_one(prepared: Path, tmp_path: Path) -> None:
    root = raw_tree(tmp_path / 'kitti')
    done = run_command(root, '--workers', '2')
    assert done.returncode == 0, done.stderr
    assert contents(root) == contents(prepared)
    assert 'pseudo_lidar' in done.stdout
    break_image(root)
    done = run_command(root, '--workers', '2', '--overwrite')
    assert done.returncode == 1
    assert 'image_2/000001.png' in done.stderr and 'Traceback' not in done.stderr


def is_alive(pid: int) -> bool:
    try:
        state = Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != 'Z'


def children(pid: int) -> list[int]:
    tasks = Path(f'/proc/{pid}/task/{pid}/children')
    return [int(child) for child in tasks.read_text().split()] if tasks.exists() else []


@pytest.mark.slow
@pytest.mark.skipif(not Path('/proc/self/task').exists(), reason='needs /proc to follow processes')
@pytest.mark.parametrize(
    ('stop', 'workers'),
    [(signal.SIGKILL, '1'), (signal.SIGKILL, '2'), (signal.SIGINT, '2'), (signal.SIGTERM, '1')],
)
def test_a_stopped_run_goes_on(tmp_path: Path, stop: signal.Signals, workers: str) -> None:
    size = (192, 640)
    root = semantic_kitti_tree(tmp_path / 'kitti', {'08': 40}, size=size)
    expected = shutil.copytree(root, tmp_path / 'expected')
    # The depth of these images is no road: points are not made from it.
    steps = ('--steps', 'labels', 'depth')
    assert run_here(expected, *steps) == 0
    options = ['--workers', workers, *steps]
    process = subprocess.Popen(
        command(root, *options), env=tool_environment(), stderr=subprocess.PIPE, text=True,
        start_new_session=True,
        # A shell ignores the signal in what it runs in the background, tests perhaps.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    folder = root / 'dataset/depth/08'
    while len(list(folder.glob('*.npy'))) < 5:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)
    workers_of_it = children(process.pid)
    if stop == signal.SIGINT:
        # As a terminal does: to every process of the group.
        os.killpg(process.pid, stop)
    else:
        process.send_signal(stop)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == (-stop if stop == signal.SIGKILL else 130)
    assert 'Traceback' not in stderr
    assert 5 <= len(list(folder.glob('*.npy'))) < 40
    deadline = time.monotonic() + 10
    while any(map(is_alive, workers_of_it)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_alive, workers_of_it))
    for path in folder.glob('*.npy'):
        assert np.load(path).shape == size
    assert run_here(root, *steps) == 0
    assert contents(root) == contents(expected)


@pytest.fixture
def samples(real_frames: Path, tmp_path: Path) -> Path:
    root = tmp_path / 'samples'
    shutil.copytree(real_frames / 'dataset', root / 'dataset')
    for path in [root, *root.rglob('*')]:
        path.chmod(path.stat().st_mode | 0o700)
    return root


@pytest.mark.slow
def test_real_frames(samples: Path) -> None:
    arguments = [str(samples), '--workers', '1']
    assert prepare_driving(SemanticKITTILayout, 'test', arguments) == 0
    clouds = sorted((samples / 'dataset/pseudo_lidar').rglob('*.bin'))
    assert len(clouds) == 7
    assert all(3e5 < path.stat().st_size / 16 < 4.7e5 for path in clouds)
    infos = json.loads((samples / 'semantickitti_infos_val.json').read_text())
    assert infos['data_list'] == [{'sequence': '08', 'frame_id': '000005', 'labelled': False}]
    for sequence, frame, valid, median, within in (
        ('00', '000000', 0.85, 0.016, 0.88),
        ('08', '000005', 0.90, 0.025, 0.87),
    ):
        out = samples / 'check.png'
        options = ['--sequence', sequence, '--frame', frame, '--out', str(out)]
        done = run_tool_in(samples, 'analysis_tools/check_depth.py', samples, *options)
        figures = [
            float(line.split('%')[0].split()[-1]) / 100 for line in done.stdout.splitlines()[1:4]
        ]
        assert figures[0] > valid and figures[1] < median
        share = float(done.stdout.splitlines()[4].rsplit('%', 1)[0].split()[-1]) / 100
        assert share > within
        assert out.stat().st_size > 1e5
