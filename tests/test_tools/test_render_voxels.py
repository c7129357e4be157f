"""tools/misc/render_voxels.py as a command."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tool_runs import ROOT, tool_environment

from mmssc.datasets import NYUDataset, SemanticKITTIDataset, SSCBenchKITTI360Dataset
from mmssc.formats.kitti import write_raw_labels, write_voxel_bits, write_voxel_labels

GRID = ['--grid-shape', '8', '8', '4', '--voxel-size', '1', '--grid-origin', '0', '-4', '-2']


TOOL = ROOT / 'tools/misc/render_voxels.py'


@pytest.fixture
def run_tool(monkeypatch, capsys):
    """Run the tool in this process: (exit status, stdout, stderr)."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, arguments)])
        status = runpy.run_path(str(TOOL))['main']()
        return (status, *capsys.readouterr())

    return run


def test_runs_as_a_command_without_a_display(tmp_path, raw):
    write_raw_labels(tmp_path / '000000.label', raw)
    environment = tool_environment()
    environment.pop('DISPLAY', None)
    done = subprocess.run(
        [sys.executable, str(TOOL), str(tmp_path / '000000.label'), *GRID],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / '000000.png')


def test_volumes_of_nyu(tmp_path, run_tool):
    labels = np.zeros((60, 36, 60), np.uint8)
    labels[:, :2] = NYUDataset.METAINFO['classes'].index('floor')
    write_voxel_labels(tmp_path / 'room.npy', labels)
    status, out, _ = run_tool(tmp_path / 'room.npy', '--dataset', 'nyu')
    assert status == 0 and out.strip() == str(tmp_path / 'room.png')
    assert NYUDataset.METAINFO['palette'][2] in colors_of(tmp_path / 'room.png')
    before = (tmp_path / 'room.png').read_bytes()
    status, _, error = run_tool(tmp_path / 'room.npy', '--dataset', 'nyu')
    assert status == 2 and 'room.png: expected a new file, found one that exists' in error
    image = ('--image', tmp_path / 'room.png', '--overwrite')
    status, _, error = run_tool(tmp_path / 'room.npy', '--dataset', 'nyu', *image)
    assert status == 2 and 'room.png: expected a new file, found an input' in error
    assert (tmp_path / 'room.png').read_bytes() == before
    assert run_tool(tmp_path / 'room.npy', '--dataset', 'nyu', '--overwrite')[0] == 0
    np.save(tmp_path / 'small.npy', np.zeros((8, 6, 8), np.uint8))
    status, _, error = run_tool(tmp_path / 'small.npy', '--dataset', 'nyu')
    hint = 'found (8, 6, 8). Give --grid-shape 8 6 8 and --voxel-size of the file'
    assert status == 2 and hint in error
    (tmp_path / 'other.label').write_bytes(b'12')
    status, _, error = run_tool(tmp_path / 'other.label', '--dataset', 'nyu')
    assert status == 2 and 'This data set has no raw ids' in error


def colors_of(path: Path) -> set[tuple[int, ...]]:
    with Image.open(path) as picture:
        return {tuple(color) for color in np.asarray(picture).reshape(-1, 3).tolist()}


@pytest.fixture
def raw() -> np.ndarray:
    """Road (raw 40) with a moving car (raw 252) and voxels without a class (raw 1)."""
    volume = np.zeros((8, 8, 4), dtype=np.uint16)
    volume[:, :, 0] = 40
    volume[2:4, 2:4, 1] = 252
    volume[6, 6, 1] = 1
    return volume


@pytest.mark.slow
def test_raw_labels_of_both_data_sets_in_every_format(tmp_path, raw, run_tool):
    path = tmp_path / '000000.label'
    write_raw_labels(path, raw)
    for name, dataset in (
        ('semantickitti', SemanticKITTIDataset), ('sscbench-kitti360', SSCBenchKITTI360Dataset)
    ):  # fmt: skip
        folder = tmp_path / name
        status, out, err = run_tool(
            path, '--dataset', name, *GRID, '--out-dir', folder,
            '--formats', 'png', 'bev', 'ply', 'glb', 'html',
        )  # fmt: skip
        assert status == 0, err
        made = ['000000.glb', '000000.html', '000000.ply', '000000.png', '000000_bev.png']
        assert sorted(file.name for file in folder.iterdir()) == ['.mmssc-outputs', *made]
        assert sorted(out.split()) == [str(folder / file) for file in made]
        road = dataset.METAINFO['classes'].index('road')
        palette = dataset.METAINFO['palette']
        assert {palette[road], palette[1]} <= colors_of(folder / '000000_bev.png')
        assert {palette[road], palette[1]} <= colors_of(folder / '000000.png')


def test_train_ids_with_labels_beside_and_classes_hidden(tmp_path, run_tool):
    prediction = np.zeros((8, 8, 4), dtype=np.uint8)
    prediction[:, :, 0] = 9
    truth = prediction.copy()
    truth[:4] = 255
    prediction[6, 6, 1] = 13
    for name, volume in (('prediction.npy', prediction), ('truth.npy', truth)):
        write_voxel_labels(tmp_path / name, volume)
    status, out, err = run_tool(
        tmp_path / 'prediction.npy', '--truth', tmp_path / 'truth.npy', *GRID,
        '--formats', 'bev', '--hide', 'building',
    )  # fmt: skip
    assert status == 0, err
    shown = np.asarray(Image.open(tmp_path / 'prediction_bev.png'))
    road, empty = ((shown == color).all(2) for color in ((255, 0, 255), (238, 240, 243)))
    # The far half is labelled, and the building is gone; the near half has no labels.
    for part, rows in ((road, slice(0, 300)), (empty, slice(300, 600))):
        top = np.flatnonzero((road | empty).sum(1) > 500)[0]
        assert part[top:][rows].sum(1).min() > 500
    assert (tmp_path / 'prediction_ground_truth_bev.png').is_file()


def test_invalid_voxels_are_hidden_and_an_empty_picture_is_announced(tmp_path, raw, run_tool):
    write_raw_labels(tmp_path / '000000.label', raw)
    write_voxel_bits(tmp_path / '000000.invalid', np.ones(raw.shape, dtype=bool))
    status, out, err = run_tool(
        tmp_path / '000000.label', '--invalid', tmp_path / '000000.invalid', *GRID,
        '--formats', 'bev',
    )  # fmt: skip
    assert status == 0, err
    assert 'nothing to draw' in err
    bev = np.asarray(Image.open(tmp_path / '000000_bev.png'))
    assert (bev == (238, 240, 243)).all(2).sum() > 590 * 590


def test_one_page_of_several_files_through_the_camera(tmp_path, raw, run_tool):
    calib = 'P2: 60 0 30 0 0 60 18 0 0 0 1 0\nTr: 0 -1 0 0 0 0 -1 0 1 0 0 3\n'
    (tmp_path / 'calib.txt').write_text(calib)
    for name in ('a', 'b'):
        write_raw_labels(tmp_path / f'{name}.label', raw)
        Image.new('RGB', (61, 37), (20, 200, 90)).save(tmp_path / f'{name}.png')
    files, images = ([tmp_path / f'{name}.{kind}' for name in 'ab'] for kind in ('label', 'png'))
    page, camera = tmp_path / 'drive.html', ('--calib', tmp_path / 'calib.txt')
    options = (*GRID, '--image', *images, '--formats', 'bev', '--page', page)
    status, out, err = run_tool(*files, *camera, *options)
    assert status == 0, err
    assert out.split() == [*(str(tmp_path / f'{name}_bev.png') for name in 'ab'), str(page)]
    text = page.read_text('utf-8')
    assert re.findall('"title":"([^"]+)"', text) == ['a', 'b']
    assert text.count('"size":[37,61]') == text.count('"position":[-3.0,') == 2
    status, _, err = run_tool(*files, *options)
    assert status == 2 and 'expected a new file, found one that exists' in err
    clash = ('--page', tmp_path / 'a.html', '--overwrite')
    status, _, err = run_tool(*files, *GRID, '--formats', 'html', *clash)
    assert status == 2 and 'Give another name for --page' in err
    (tmp_path / 'calib.txt').write_text('P2: 60 0 30 0 0 60 18 0 0 0 1 0\n')
    status, _, err = run_tool(*files, *camera, *options, '--overwrite')
    assert status == 2 and 'calib.txt: keys: expected P2, Tr, found P2' in err


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--calib', 'c.txt'], '--calib is for the camera of --image'),
        (['--image', 'a.png', 'b.png', 'c.png'], '--image needs one file, or one per FILE, 2'),
        (['--page', 'a.png'], '--page needs a name that ends in .html'),
    ],
    ids=['calib', 'images', 'page'],
)
def test_options_that_do_not_fit_together(run_tool, capsys, arguments, message):
    with pytest.raises(SystemExit):
        run_tool('a.label', 'b.label', *arguments)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['a.label'], 'a.label'),
        (['a.label', *GRID, '--hide', 'unicorn'], '--hide: class'),
        (['b.npy', *GRID], 'class ids: expected 0..19 or 255 (20 classes), found 77 (256 voxels)'),
        (['c.txt', *GRID], '.label (raw ids) or .npy (train ids)'),
    ],
    ids=['size', 'class', 'id', 'suffix'],
)
def test_faults_become_one_line(tmp_path, raw, run_tool, arguments, message):
    write_raw_labels(tmp_path / 'a.label', raw)
    write_voxel_labels(tmp_path / 'b.npy', np.full((8, 8, 4), 77, dtype=np.uint8))
    (tmp_path / 'c.txt').write_text('x')
    status, out, err = run_tool(tmp_path / arguments[0], *arguments[1:])
    assert status == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.glob('*.png'))
