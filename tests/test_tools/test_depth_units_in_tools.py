"""Depth of a wrong unit, images that turn or have another ending, where a user meets them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from converter_trees import (
    BASELINE_FOCAL,
    CENTER_V,
    FOCAL,
    HEIGHT,
    WIDTH,
    raw_tree,
    run_here,
)
from PIL import Image

from mmssc.apis import RGBDInferencer
from mmssc.errors import DataError
from mmssc.formats.numpy_arrays import read_npz
from mmssc.inspection import check_driving_tree
from mmssc.preparation.rgbd.own_camera import prepare_own

ROOT = Path(__file__).resolve().parents[2]
LIGHT = [ROOT / 'configs/light/light_depth_nyu.py', ROOT / 'checkpoints/light_depth_nyu.pth']
CAMERA = ('259.42895', '259.42895', '160', '120')


# --- drives ---------------------------------------------------------------------------------


def road() -> np.ndarray:
    """A flat road 1.65 m below the camera, and a wall 40 m ahead."""
    rows = np.arange(HEIGHT)[:, None] - CENTER_V
    depth = np.where(rows > 0, 1.65 * FOCAL / np.maximum(rows, 1e-3), 40)
    return np.minimum(depth, 40).astype(np.float32) * np.ones((1, WIDTH), np.float32)


def save(path: Path, values: np.ndarray) -> None:
    """An ``.npy`` of float32, or a 16-bit ``.png``, for frames 0 to 2 of 08."""
    for frame in range(3):
        file = path / f'08/{frame:06d}'
        file.parent.mkdir(parents=True, exist_ok=True)
        if values.dtype == np.uint16:
            Image.fromarray(values).save(file.with_suffix('.png'))
        else:
            np.save(file.with_suffix('.npy'), values.astype(np.float32))


@pytest.fixture
def tree(tmp_path) -> Path:
    return raw_tree(tmp_path / 'kitti')


RIGHT = {
    'metres': (road(), 'depth'),
    'png of 1/256 m': ((road() * 256).astype(np.uint16), 'depth'),
    'disparity': (BASELINE_FOCAL / road(), 'disparity'),
}
WRONG = {
    'mm png': ((road() * 1000).astype(np.uint16), 'depth', 'fits with values in millimetres'),
    'mm': (road() * 1000, 'depth', 'fits with values in millimetres. Save metres'),
    'disparity': (BASELINE_FOCAL / road(), 'depth', 'Give --depth-kind disparity'),
    'half': (road() / 2, 'depth', '2.0 times too small (wrong unit'),
    'fifth png': ((road() * 256 / 5).astype(np.uint16), 'depth', '5.0 times too small'),
    '1/256 m as mm': (road() * 0.256, 'depth', 'values in 1/256 m, divided by 1000'),
    'ten times': (road() * 10, 'depth', 'It fits with values in decimetres'),
    'half disparity': (BASELINE_FOCAL / road() / 2, 'disparity', 'Disparities are pixels'),
    'no disparity': (road(), 'disparity', 'Leave out --depth-kind disparity'),
    'normalised': (road() / road().max(), 'depth', 'normalised, relative or 8-bit depth'),
    'all 65535': (np.full((HEIGHT, WIDTH), 65535, np.uint16), 'depth', 'none: all are 65535'),
}


@pytest.mark.parametrize('name', RIGHT)
def test_right_depth_of_a_folder_is_taken(tree, tmp_path, name):
    values, kind = RIGHT[name]
    save(tmp_path / 'depth', values)
    options = ['--sequences', '08', '--depth-from', str(tmp_path / 'depth'), '--depth-kind', kind]
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        assert run_here(tree, *options) == 0
        found = check_driving_tree(tree).problems
    assert not [one for one in found if 'depth/08' in one.path and one.kind == 'damaged']


@pytest.mark.parametrize('name', WRONG)
def test_wrong_depth_of_a_folder_is_refused(tree, tmp_path, capsys, name):
    values, kind, message = WRONG[name]
    save(tmp_path / 'depth', values)
    options = ['--sequences', '08', '--depth-from', str(tmp_path / 'depth'), '--depth-kind', kind]
    assert run_here(tree, *options) == 1
    error = capsys.readouterr().err
    assert 'depth/08/000002' in error and message in error
    assert not list((tree / 'dataset/depth/08').glob('0*'))


@pytest.mark.parametrize('factor', [1.8, 3])
def test_a_wrong_scale_in_a_deep_box_is_said(tree, tmp_path, factor):
    deep = ['--sequences', '08', '--grid-origin', '0', '-25.6', '-5']
    save(tmp_path / 'right', road())
    save(tmp_path / 'wrong', road() * factor)
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        assert run_here(tree, *deep, '--depth-from', str(tmp_path / 'right')) == 0
    with pytest.warns(UserWarning, match=f'000000.npy: depth: .* {factor:.1f} times too large'):
        run_here(tree, *deep, '--depth-from', str(tmp_path / 'wrong'), '--overwrite')


IN_TREES = ['mm png', 'mm', 'normalised', 'all 65535', 'half', 'fifth png', 'ten times']


@pytest.mark.parametrize('name', IN_TREES)
def test_the_dataset_check_and_pseudo_lidar_find_it_in_a_tree(tree, capsys, name):
    assert run_here(tree, '--steps', 'labels', 'depth', 'infos', '--depth-from', 'stereo') == 0
    for path in (tree / 'dataset/depth/08').iterdir():
        path.unlink()
    save(tree / 'dataset/depth', WRONG[name][0])
    # Without --thorough: the values of the first maps are read.
    problems = {Path(one.path).stem: one for one in check_driving_tree(tree).problems}
    assert WRONG[name][2] in problems['000000'].detail and problems['000000'].kind == 'damaged'
    assert run_here(tree, '--steps', 'pseudo_lidar', '--sequences', '08') == 1
    assert WRONG[name][2] in capsys.readouterr().err


def test_jpg_images_are_named_before_any_work(tree, capsys):
    for path in (tree / 'dataset/sequences/08').glob('image_*/*.png'):
        Image.open(path).save(path.with_suffix('.jpg'))
        path.unlink()
    assert run_here(tree) == 2
    error = capsys.readouterr().err
    assert 'image_2: images: expected .png files, found .jpg files. Convert them' in error
    assert not (tree / 'dataset/labels').exists()
    details = [one.detail for one in check_driving_tree(tree).problems]
    assert any('expected .png files, found .jpg files' in detail for detail in details)


@pytest.mark.parametrize('orientation', [3, 6])
def test_an_image_that_turns_does_not_fit_its_depth(tree, tmp_path, capsys, orientation):
    save(tmp_path / 'depth', road())
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tree / 'dataset/sequences/08/image_2/000002.png'
    # Bytes of a JPEG, as a tool that only renames would leave them.
    Image.open(path).save(path, 'JPEG', exif=exif)
    for options in ([], ['--depth-from', str(tmp_path / 'depth')]):
        with warnings.catch_warnings():
            warnings.simplefilter('error', UserWarning)
            assert run_here(tree, '--sequences', '08', '--overwrite', *options) == 1
        error = capsys.readouterr().err
        assert error.count('image_2/000002.png: orientation: ') == 1 and 'exiftool' in error


# --- rooms ----------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def millimetres() -> np.ndarray:
    """(240, 320) depth of a made-up room, with a floor that is found."""
    return read_npz(ROOT / 'tests/data/light/room.npz', ['depth_mm'])['depth_mm'].astype(np.float32)


ROOMS = {
    'L515': (lambda mm: (mm * 2.4).astype(np.uint16), '--depth-scale 4000'),
    'TUM': (lambda mm: (mm * 5).clip(0, 65534).astype(np.uint16), '--depth-scale 5000'),
    'KITTI': (lambda mm: (mm * 0.16).astype(np.uint16), '--depth-scale 256'),
    'swapped': (lambda mm: mm.astype(np.uint16).byteswap(), 'swapped bytes'),
    '1/m': (lambda mm: (1e6 / mm.clip(800)).astype(np.uint16), 'looks like inverse depth'),
    'disparity': (lambda mm: (4e7 / mm.clip(800)).astype(np.uint16), 'looks like inverse depth'),
    'zero': (lambda mm: (mm * 0).astype(np.uint16), 'at least one pixel with depth'),
    'all 65535': (lambda mm: np.full(mm.shape, 65535, np.uint16), 'at least one pixel with depth'),
    '8 bit': (lambda mm: (mm / 40).astype(np.uint8), 'a 16-bit grey image (PNG, TIFF, PGM)'),
}


@pytest.mark.parametrize('name', ROOMS)
def test_own_rgbd_names_the_unit(tmp_path, capsys, millimetres, name):
    make, message = ROOMS[name]
    (tmp_path / 'depth').mkdir()
    Image.fromarray(make(millimetres)).save(tmp_path / 'depth/a.png')
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        options = ['--camera', ','.join(CAMERA), '--workers', '1']
        status = prepare_own('test', [str(tmp_path), *options])
    text = capsys.readouterr().err + ' '.join(str(one.message) for one in caught)
    assert 'depth/a.png: ' in text and message in text
    assert status == 1 or caught


def test_own_rgbd_takes_the_scale_that_it_names(tmp_path, millimetres):
    (tmp_path / 'depth').mkdir()
    Image.fromarray((millimetres * 4).astype(np.uint16)).save(tmp_path / 'depth/a.png')
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        # The floor of this room is not quite sure.
        options = [
            '--camera',
            ','.join(CAMERA),
            '--workers',
            '1',
            '--depth-scale',
            '4000',
            '--rotate',
            '0',
        ]
        assert prepare_own('test', [str(tmp_path), *options]) == 0


@pytest.mark.parametrize('option', ['--depth', '--color', '--segmentation'])
def test_own_rgbd_names_images_of_another_ending(tmp_path, capsys, millimetres, option):
    for folder, suffix in (('depth', 'png'), ('other', 'tiff')):
        (tmp_path / folder).mkdir()
        image = Image.fromarray(millimetres.astype(np.uint16))
        image.save(tmp_path / folder / f'a.{suffix}')
    options = ['--camera', ','.join(CAMERA), '--workers', '1', option, 'other/*.png']
    assert prepare_own('test', [str(tmp_path), *options]) == 2
    error = capsys.readouterr().err
    assert 'other/*.png: ' in error and 'The folder has .tiff files: change the pattern' in error
    assert not (tmp_path / 'prepared').exists()


@pytest.mark.parametrize('name', [*ROOMS, 'mm npy', 'normalised', 'NaN', 'whole numbers'])
def test_infer_names_the_file_and_the_unit(tmp_path, tool_in_process, millimetres, name):
    arrays = {
        'mm npy': (millimetres, '--depth-scale 1000'),
        'normalised': (millimetres / millimetres.max(), 'normalised or relative depth'),
        'NaN': (millimetres * np.nan, 'at least one pixel with depth'),
        'whole numbers': (millimetres.astype(np.uint16), 'whole numbers (uint16)'),
    }
    path = tmp_path / ('a.npy' if name in arrays else 'a.png')
    if name in arrays:
        values, message = arrays[name]
        np.save(path, values)
    else:
        make, message = ROOMS[name]
        Image.fromarray(make(millimetres)).save(path)
    infer = tool_in_process('infer.py')
    options = ['--depth', path, '--cam2img', *CAMERA, '--out', tmp_path / 'out', '--device', 'cpu']
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        status, text = infer(*LIGHT, *options)
    text += ' '.join(str(one.message) for one in caught)
    assert f'{path}: ' in text and message in text
    assert status == 2 or caught


def test_a_colour_image_that_turns_does_not_fit_its_depth(tmp_path, millimetres):
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.new('RGB', (320, 240)).save(tmp_path / 'a.jpg', exif=exif)
    inferencer = RGBDInferencer(LIGHT[0], device='cpu')
    inferencer.inputs |= {'img'}
    with pytest.raises(DataError, match='a.jpg: orientation: .*does not turn with it'):
        inferencer(millimetres / 1000, tuple(map(float, CAMERA)), img=tmp_path / 'a.jpg')
