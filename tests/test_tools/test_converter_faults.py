"""What the converters say about bad input."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import numpy as np
import pytest
from converter_trees import GRID, HEIGHT, WIDTH, break_image, raw_tree, run_here, snapshot
from tool_runs import run_tool_in

from mmssc.formats.kitti import write_depth


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return raw_tree(tmp_path / 'kitti')


def break_label(root: Path) -> str:
    path = root / 'dataset/sequences/08/voxels/000002.label'
    path.write_bytes(path.read_bytes()[:-2])
    return '000002.label'


def break_label_id(root: Path) -> str:
    path = root / 'dataset/sequences/08/voxels/000002.label'
    path.write_bytes(np.full(GRID, 60000, '<u2').tobytes())
    return '000002.label'


def remove_label(root: Path) -> str:
    (root / 'dataset/sequences/08/voxels/000002.label').unlink()
    return '000002.label'


def remove_invalid(root: Path) -> str:
    (root / 'dataset/sequences/08/voxels/000002.invalid').unlink()
    return '000002.invalid'


def remove_right_image(root: Path) -> str:
    (root / 'dataset/sequences/08/image_3/000001.png').unlink()
    return 'image_3/000001.png'


def swap_cameras(root: Path) -> str:
    path = root / 'dataset/sequences/08/calib.txt'
    path.write_text(path.read_text().replace('P2', 'PX').replace('P3', 'P2').replace('PX', 'P3'))
    return 'calib.txt'


def break_poses(root: Path) -> str:
    path = root / 'dataset/sequences/08/poses.txt'
    path.write_text(path.read_text().replace(' ', ' x', 1))
    return 'poses.txt'


def remove_sample_image(root: Path) -> str:
    for side in (2, 3):
        (root / f'dataset/sequences/08/image_{side}/000002.png').unlink()
    return 'image_2/000002.png'


@pytest.mark.parametrize(
    ('damage', 'status'),
    [
        (break_label, 1), (break_label_id, 1), (remove_label, 1), (remove_invalid, 1),
        (break_image, 1), (remove_right_image, 1),
        # Of these nothing at all, or no list, can be made.
        (swap_cameras, 2), (break_poses, 2), (remove_sample_image, 2),
    ],
)  # fmt: skip
def test_bad_input_is_named_and_fails(
    tree: Path, damage, status: int, capsys: pytest.CaptureFixture
) -> None:
    name = damage(tree)
    assert run_here(tree) == status
    assert name in capsys.readouterr().err
    assert list(tree.rglob('.*.tmp')) == []


@pytest.mark.parametrize('kind', ['pipe', 'device', 'sparse'])
@pytest.mark.parametrize(
    'name',
    [
        'calib.txt', 'poses.txt', 'image_2/000002.png', 'image_3/000001.png',
        'voxels/000002.label', 'voxels/000002.invalid',
    ],
)  # fmt: skip
def test_pipes_devices_and_huge_files_are_named(
    tree: Path, name: str, kind: str, capsys: pytest.CaptureFixture
) -> None:
    path = tree / 'dataset/sequences/08' / name
    path.unlink()
    if kind == 'pipe':
        os.mkfifo(path)
    elif kind == 'device':
        path.symlink_to('/dev/zero')
    else:
        path.touch()
        os.truncate(path, 2**42)
    signal.alarm(60)  # Ends the process of a test that waits.
    try:
        assert run_here(tree) in (1, 2)
    finally:
        signal.alarm(0)
    assert path.name in capsys.readouterr().err


@pytest.mark.parametrize('name', ['image_2/thumb.png', 'voxels/000002 (copy).bin'])
@pytest.mark.parametrize('options', [[], ['--crop']], ids=['plain', 'crop'])
def test_files_that_are_no_frames_are_named(
    tree: Path, name: str, options: list[str], capsys: pytest.CaptureFixture
) -> None:
    path = tree / 'dataset/sequences/08' / name
    path.write_bytes(path.with_name(f'000002{path.suffix}').read_bytes())
    assert run_here(tree, *options) == 2
    error = capsys.readouterr().err
    assert f'08/{path.parent.name}: file names' in error and path.stem in error


def test_a_bad_frame_does_not_stop_the_others(tree: Path, capsys: pytest.CaptureFixture) -> None:
    break_image(tree)
    assert run_here(tree) == 1
    out = capsys.readouterr().out
    made = sorted(path.stem for path in (tree / 'dataset/pseudo_lidar').rglob('*.bin'))
    assert made == ['000000', '000000', '000001', '000002', '000002', '000003', '000004']
    assert '1 frame left out' in out and 'infos: not written' in out
    assert not list(tree.glob('*.json'))


@pytest.mark.parametrize('fault', ['shape', 'nan', 'negative', 'nothing', 'missing'])
def test_bad_depth_of_a_folder_is_named(
    tree: Path, tmp_path: Path, fault: str, capsys: pytest.CaptureFixture
) -> None:
    depth = np.full((HEIGHT, WIDTH), 5, np.float32)
    for frame in range(3):
        path = tmp_path / f'other/08/{frame:06d}.npy'
        write_depth(path, depth)
    bad = {'shape': depth[1:], 'nan': depth * np.nan, 'negative': -depth, 'nothing': depth * 0}
    if fault == 'missing':
        path.unlink()
    else:
        np.save(path, bad[fault])
    options = ['--sequences', '08', '--depth-from', str(tmp_path / 'other')]
    assert run_here(tree, *options) == 1
    assert 'other/08/000002.npy' in capsys.readouterr().err
    made = sorted(path.name for path in (tree / 'dataset/depth/08').glob('*.npy'))
    assert made == ['000000.npy', '000001.npy']


@pytest.mark.parametrize(
    ('options', 'message', 'status'),
    [
        (['--sequences', '07'], '--sequences', 2),
        (['--label-factors', '4'], 'multiples of 4', 2),
        (['--max-disparity', '100'], 'multiple of 16', 1),
        (['--depth-from', 'nowhere'], 'error: nowhere/00: folder: expected FFFFFF.npy', 2),
    ],
)
def test_bad_options_are_named(
    tree: Path, options: list[str], message: str, status: int, capsys: pytest.CaptureFixture
) -> None:
    assert run_here(tree, *options) == status
    assert message in capsys.readouterr().err


def test_infos_are_of_the_grid_of_the_labels(tree: Path, capsys: pytest.CaptureFixture) -> None:
    assert run_here(tree, '--steps', 'labels') == 0
    for options in (['--grid-shape', '16', '16', '4'], ['--grid-shape', '256', '256', '32']):
        assert run_here(tree, '--steps', 'infos', *options) == 2
        error = capsys.readouterr().err
        assert '000000_1_1.npy: shape' in error and 'found (16, 16, 2). Give' in error
    assert not list(tree.glob('*.json'))
    assert run_here(tree, '--steps', 'infos') == 0


@pytest.mark.parametrize('folder', ['nowhere', 'empty'])
def test_a_wrong_source_of_depth_is_refused_before_the_labels(
    tree: Path, tmp_path: Path, folder: str, capsys: pytest.CaptureFixture
) -> None:
    for sequence in ('00', '08', '11'):
        (tmp_path / f'empty/{sequence}').mkdir(parents=True)
    before = snapshot(tree)
    assert run_here(tree, '--depth-from', str(tmp_path / folder)) == 2
    found = 'none' if folder == 'nowhere' else 'none of . frames'
    text = f'{folder}/00: folder: expected FFFFFF.npy or FFFFFF.png, found {found}. DIR of'
    assert re.search(text, capsys.readouterr().err)
    assert snapshot(tree) == before


def test_nothing_is_removed_for_a_source_that_is_not_there(tree: Path, tmp_path: Path) -> None:
    assert run_here(tree, '--steps', 'depth') == 0
    before = snapshot(tree)
    (tmp_path / 'other/00').mkdir(parents=True)
    options = ['--steps', 'depth', '--depth-from', str(tmp_path / 'other'), '--overwrite']
    assert run_here(tree, *options) == 2
    assert snapshot(tree) == before


def test_an_empty_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert run_here(tmp_path / 'nothing') == 2
    assert 'nothing: root: expected a folder, found none' in capsys.readouterr().err
    assert not (tmp_path / 'nothing').exists()
    (tmp_path / 'empty').mkdir()
    assert run_here(tmp_path / 'empty') == 2
    assert 'empty: sequences: expected images in' in capsys.readouterr().err


@pytest.mark.parametrize('step', ['labels', 'depth', 'pseudo_lidar', 'infos'])
def test_a_folder_that_cannot_be_written_is_named_before_the_work(
    tree: Path, step: str, monkeypatch, capsys: pytest.CaptureFixture
) -> None:
    before = snapshot(tree)
    monkeypatch.setattr('os.access', lambda path, mode: False)
    assert run_here(tree, '--steps', step) == 2
    errors = capsys.readouterr().err
    assert errors.count('\n') == 1 and 'no permission to write to' in errors
    assert snapshot(tree) == before


@pytest.mark.parametrize('tool', ['own_rgbd', 'nyu', 'nyu_cache', 'make_synthetic'])
def test_results_that_cannot_be_written_get_advice(tmp_path: Path, tool: str) -> None:
    (tmp_path / 'file').touch()
    options = {'own_rgbd': ['.', '--camera', '9,9,4,4'], 'make_synthetic': []}.get(tool, ['.'])
    run = run_tool_in(
        tmp_path, f'dataset_converters/{tool}.py', *options, '--out', 'file', status=2
    )
    text = 'file: expected a folder for the results, found a file. Give another folder for --out'
    assert run.stderr == f'error: {text}\n'
