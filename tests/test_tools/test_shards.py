"""Converters and the dataset check in shares: ``--shard I/N``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from converter_trees import contents, prepared_tree, raw_tree, run_here
from nyu_trees import OPTIONS as NYU_OPTIONS
from nyu_trees import nyu_tree
from test_own_rgbd import prepare as prepare_own_frames
from test_own_rgbd import root as own_frames  # noqa: F401

from mmssc.errors import DataError
from mmssc.fileio import lock_folder, share_folder
from mmssc.preparation.rgbd.nyu import prepare_nyu
from mmssc.shards import Shard

ROOT = Path(__file__).resolve().parents[2]


def results(root: Path) -> dict[str, bytes]:
    """All files but locks."""
    return {name: data for name, data in contents(root).items() if not name.endswith('.lock')}


def test_every_name_is_in_one_shard():
    names = [f'00/{number:06d}' for number in range(0, 4000, 5)]
    for count in (1, 2, 5, 7):
        shards = [Shard(number + 1, count) for number in range(count)]
        owners = [[shard.number for shard in shards if shard.has(name)] for name in names]
        assert all(len(one) == 1 for one in owners)
        sizes = [sum(one == [shard.number] for one in owners) for shard in shards]
        assert min(sizes) > 0.7 * len(names) / count


@pytest.mark.parametrize(
    'text', ['0/2', '3/2', '1', '1/0', 'a/b', '-1/2', '1/2/3', ' 1/2', '1/1e9']
)
def test_a_wrong_shard_is_refused(text, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run_here(tmp_path, f'--shard={text}')
    assert 'I/N with I from 1 to N' in capsys.readouterr().err


@pytest.mark.parametrize('options', [[], ['--crop'], ['--frames', 'samples']])
def test_shards_of_drives_give_the_files_of_one_run(options, tmp_path, capsys):
    whole, shared = raw_tree(tmp_path / 'whole'), raw_tree(tmp_path / 'shared')
    assert run_here(whole, *options) == 0
    before = set(results(shared))
    made: list[set[str]] = []
    for number in (3, 1, 2):
        assert run_here(shared, *options, '--shard', f'{number}/3') == 0
        now = {name for name in results(shared) if not name.endswith('recipe.json')}
        made.append(now - before)
        before |= now
        assert not list(shared.glob('*_infos_*.json'))
        assert 'without --shard' in capsys.readouterr().out
    assert all(made)
    assert run_here(shared, *options) == 0
    assert results(shared) == results(whole)
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines() if line.startswith(('labels', 'depth '))]
    assert all(line[1] == '0' for line in lines), 'the last run makes no frame again'


def test_shards_of_nyu_give_the_files_of_one_run(tmp_path):
    whole, shared = nyu_tree(tmp_path / 'whole'), nyu_tree(tmp_path / 'shared')
    run = [*NYU_OPTIONS, '--fine']
    assert prepare_nyu('test', [str(whole), *run]) == 0
    for number in (1, 2):
        assert prepare_nyu('test', [str(shared), *run, '--shard', f'{number}/2']) == 0
    assert prepare_nyu('test', [str(shared), *run]) == 0
    assert results(shared) == results(whole)


def test_shards_of_own_frames_give_the_files_of_one_run(own_frames, tmp_path_factory):  # noqa: F811
    shared = tmp_path_factory.mktemp('shared')
    shutil.copytree(own_frames, shared, dirs_exist_ok=True)
    assert prepare_own_frames(own_frames) == 0
    for number in (1, 2):
        assert prepare_own_frames(shared, '--shard', f'{number}/2') == 0
        assert not (shared / 'own_infos.json').exists()
    assert prepare_own_frames(shared) == 0
    assert results(shared) == results(own_frames)


def test_a_frame_that_fails_in_its_shard_stops_the_lists(tmp_path, capsys):
    root = raw_tree(tmp_path)
    (root / 'dataset/sequences/00/image_3/000003.png').unlink()
    statuses = [run_here(root, '--shard', f'{number}/2') for number in (1, 2)]
    assert sorted(statuses) == [0, 1]
    assert run_here(root) == 1 and not list(root.glob('*_infos_*.json'))
    assert '00/000003' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (['--overwrite'], '--overwrite: expected a run without --shard'),
        (['--steps', 'infos'], '--shard: expected a step that works on frames'),
    ],
)
def test_what_cannot_be_shared_is_refused(options, text, tmp_path, capsys):
    root = prepared_tree(tmp_path)
    before = results(root)
    assert run_here(root, *options, '--shard', '1/2') == 2
    assert text in capsys.readouterr().err and results(root) == before


def test_shards_with_other_settings_are_refused(tmp_path, capsys):
    root = raw_tree(tmp_path)
    assert run_here(root, '--shard', '1/2') == 0
    assert run_here(root, '--shard', '2/2', '--max-height', '3') == 2
    error = capsys.readouterr().err
    assert '--max-height 3' in error and 'Give all shards the same options' in error
    # Another shard has only just claimed the folder, without a result yet.
    for path in (root / 'dataset/pseudo_lidar/00').glob('*.bin'):
        path.unlink()
    assert run_here(root, '--shard', '2/2', '--max-height', '3') == 2
    assert run_here(root, '--shard', '2/2') == 0


def test_shards_share_a_folder_and_nobody_else_does(tmp_path):
    refused = pytest.raises(DataError, match='no other command')
    shared, alone = (partial(lock, tmp_path, timeout=0) for lock in (share_folder, lock_folder))
    with shared(), shared(), refused, alone():
        pass
    with alone(), refused, shared():
        pass
    with shared():
        pass


def damaged_tree(root: Path) -> Path:
    prepared_tree(root)
    for name in ('labels/00/000000_1_1.npy', 'pseudo_lidar/00/000001.bin', 'depth/08/000001.npy'):
        (root / 'dataset' / name).unlink()
    (root / 'dataset/depth/00/000002.npy').write_bytes(b'broken')
    (root / 'dataset/labels/00/000009_1_1.npy').write_bytes(b'extra')
    (root / 'dataset/sequences/08/image_2/000001.png').write_bytes(b'broken')
    return root


def checked(check, target: Path, *options: object) -> tuple[int, list[str], list[str]]:
    """Exit status; problems; table and notes."""
    status, text = check(target, '--list', *options)
    lines = text.splitlines()[:-1]
    bad = [one for one in lines if one.startswith(('missing ', 'extra ', 'damaged ', 'release '))]
    return status, bad, [one for one in lines if one not in bad]


@pytest.mark.parametrize('options', [[], ['--thorough']])
def test_shards_of_a_check_have_the_problems_of_one_check(
    options, tool_in_process, tmp_path, capsys
):
    root, check = damaged_tree(tmp_path), tool_in_process('misc/check_dataset.py')
    capsys.readouterr()
    status, problems, others = checked(check, root, *options)
    assert status == 1 and len(problems) >= 5
    shards = [checked(check, root, *options, '--shard', f'{n}/3') for n in (1, 2, 3)]
    assert sorted(line for _, found, _ in shards for line in found) == sorted(problems)
    assert all(status == bool(found) for status, found, _ in shards)
    assert shards[0][2] == others
    assert {line for line in others if not line.startswith('note ')} == {*shards[1][2]}


SBATCH = """#!/bin/sh
for last in "$@"; do :; done
case "$*" in
    *--array*) for i in 1 2 3; do (SLURM_ARRAY_TASK_ID=$i sh -c "$last") & done; wait; echo 17;;
    *) echo "$*" >> "$0.log"; sh -c "$last" >&2; echo '18;cluster';;
esac
"""


@pytest.mark.slow
def test_a_job_array_prepares_a_tree(tmp_path):
    whole = prepared_tree(tmp_path / 'whole')
    shared = raw_tree(tmp_path / "a user's data")
    sbatch = tmp_path / 'bin/sbatch'
    sbatch.parent.mkdir()
    sbatch.write_text(SBATCH)
    sbatch.chmod(0o755)
    environment = {
        **os.environ, 'PYTHON': sys.executable, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1',
        'PATH': f'{sbatch.parent}{os.pathsep}{os.environ["PATH"]}',
    }  # fmt: skip
    arguments = ['part', 'job', '3', 'dataset_converters/semantic_kitti.py', shared]
    options = ['--grid-shape', '16', '16', '2', '--voxel-size', '3.2', '--workers', '1',
               '--max-disparity', '16']  # fmt: skip
    done = subprocess.run(
        ['bash', ROOT / 'tools/slurm_prepare.sh', *arguments, *options],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 'job array' in done.stdout and 'job 18: what is missing' in done.stdout
    assert '--dependency afterany:' in (tmp_path / 'bin/sbatch.log').read_text()
    assert results(shared) == results(whole)
