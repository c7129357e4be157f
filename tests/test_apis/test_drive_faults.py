"""tools/infer.py on drives where something fails on the way: what is made so far is kept."""

from __future__ import annotations

import shutil
import sys

import numpy as np
import pytest
from PIL import Image
from test_doc_commands import room_depth

from mmssc.formats.sscnet import write_plain_depth_mm
from mmssc.formats.video import read_video

ALONE = ('--cfg-options', 'test_dataloader.dataset.frame_offsets=[]')
FILM_AND_PAGE = ('--formats', 'npy', 'mp4', 'html', '--one-page')
MODEL = """
import numpy as np
calls = []
def broken(image):
    calls.append(image)
    if len(calls) in {wrong}:
        raise {error}
    return np.full(image.shape[:2], 1.5, np.float32)
"""


def count_kept(folder):
    """The scenes in the page, the film and the arrays."""
    page, film = folder / 'scenes.html', folder / 'scenes.mp4'
    return (
        page.read_text('utf-8').count('"labels":') if page.exists() else None,
        len([*read_video(film)]) if film.exists() else None,
        len([*folder.glob('*.npy')]),
    )


@pytest.fixture
def depth_model(tmp_path, monkeypatch):
    """Write a depth model that raises ``error`` in some calls, from 1; returns its option."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'broken_depth', raising=False)

    def write(error, wrong):
        (tmp_path / 'broken_depth.py').write_text(MODEL.format(error=error, wrong=wrong))
        return ('--depth-model', 'broken_depth:broken')

    return write


@pytest.mark.parametrize(
    ('error', 'batch_size'),
    [('RuntimeError("out of\\nrange")', 3), ('StopIteration', 1), ('SystemExit(3)', 1)],
)
def test_a_depth_model_that_raises_spoils_one_frame(
    infer, drive, depth_model, tmp_path, error, batch_size
):
    option = depth_model(error, [2])
    status, printed = infer(
        '--image', drive / 'image', *option, *ALONE, *FILM_AND_PAGE, '--batch-size', batch_size
    )
    assert status == 1 and '1 of 4 scenes not predicted' in printed
    name = error.partition('(')[0]
    assert f'error: {drive / "image/9.png"}: not predicted: ' in printed
    assert 'depth model broken_depth.broken: expected' in printed
    assert f'found {name}' in printed and 'broken_depth.py, line 7' in printed
    (line,) = (one for one in printed.splitlines() if one.startswith('error: '))
    assert 'broken_depth.py' in line  # One line, also of an error with several.
    assert count_kept(tmp_path / 'out') == (3, 3, 3)


def test_a_depth_model_that_always_raises_is_named_once(infer, drive, depth_model, tmp_path):
    option = depth_model('ValueError("no weights")', range(9))
    status, printed = infer('--image', drive / 'image', *option, *ALONE, *FILM_AND_PAGE)
    assert status == 2 and printed.count('error: ') == 1
    assert 'broken_depth.broken' in printed and 'ValueError: no weights' in printed
    assert count_kept(tmp_path / 'out') == (None, None, 0)


def test_ctrl_c_keeps_what_is_there(infer, drive, depth_model, tmp_path):
    option = depth_model('KeyboardInterrupt', [3])
    status, printed = infer('--image', drive / 'image', *option, *ALONE, *FILM_AND_PAGE)
    assert status == 130 and count_kept(tmp_path / 'out') == (2, 2, 2)
    assert f'stopped. 2 of 4 scenes are in {tmp_path / "out"}' in printed
    assert str(tmp_path / 'out/scenes.html') in printed
    assert str(tmp_path / 'out/scenes.mp4') in printed


def test_ctrl_c_before_the_first_scene_leaves_nothing(infer, drive, depth_model, tmp_path):
    option = depth_model('KeyboardInterrupt', [1])
    status, printed = infer('--image', drive / 'image', *option, *ALONE, *FILM_AND_PAGE)
    assert status == 130 and 'stopped. 0 of 4 scenes' in printed
    assert count_kept(tmp_path / 'out') == (None, None, 0)


def test_ctrl_c_among_scenes_of_a_depth_camera(tmp_path, tool_in_process, monkeypatch):
    paths = [tmp_path / f'{name}.png' for name in 'abc']
    for path in paths:
        write_plain_depth_mm(path, room_depth())
    calls = []

    def read(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return room_depth()

    monkeypatch.setattr('mmssc.apis.infer_command.rgbd_scenes.read_depth_image', read)
    status, printed = tool_in_process('infer.py')(
        'light_depth_nyu', '--depth', *paths, '--cam2img', 585, 585, 320, 240, *FILM_AND_PAGE,
        '--out', tmp_path / 'out', '--device', 'cpu',
    )  # fmt: skip
    assert status == 130 and count_kept(tmp_path / 'out') == (2, 2, 2)
    assert 'stopped. 2 of 3 scenes are in' in printed


@pytest.mark.parametrize(
    ('broken', 'kept', 'error'),
    [
        ('page', (None, 4, 4), OSError(28, 'No space left on device')),
        ('film', (4, None, 4), OSError(28, 'No space left on device')),
        ('film', (4, None, 4), ValueError('bug')),
    ],
)
def test_page_and_film_do_not_depend_on_each_other(
    infer, drive, tmp_path, monkeypatch, broken, kept, error
):
    place = {
        'page': 'mmssc.visualization.html_viewer.PageFile.write',
        'film': 'mmssc.visualization.video_files.VideoFile._store',
    }[broken]

    def fail(*_):
        raise error

    monkeypatch.setattr(place, fail)
    options = ('--image', drive / 'image', '--depth', drive / 'depth', *ALONE, *FILM_AND_PAGE)
    if isinstance(error, ValueError):  # A bug keeps its traceback.
        with pytest.raises(ValueError, match='bug'):
            infer(*options)
    else:
        status, printed = infer(*options)
        assert status == 2 and 'No space left on device' in printed
    assert count_kept(tmp_path / 'out') == kept


def test_a_disk_that_fills_up_keeps_the_scenes_before(infer, drive, tmp_path, monkeypatch):
    calls = []

    def save(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 3:
            raise OSError(28, 'No space left on device')
        return []

    monkeypatch.setattr('mmssc.apis.infer_command.results.save_prediction', save)
    options = ('--image', drive / 'image', '--depth', drive / 'depth', *ALONE, *FILM_AND_PAGE)
    status, printed = infer(*options)
    assert status == 2 and count_kept(tmp_path / 'out')[:2] == (2, 2)


@pytest.fixture
def mixed(drive, tmp_path):
    """The images and depth maps, one of them of another height."""

    def make(rows):
        for folder in ('image', 'depth'):
            shutil.copytree(drive / folder, tmp_path / folder)
        image = np.resize(np.asarray(Image.open(drive / 'image/10.png')), (rows, 100, 3))
        Image.fromarray(image).save(tmp_path / 'image/10.png')
        np.save(tmp_path / 'depth/10.npy', np.resize(np.load(drive / 'depth/10.npy'), (rows, 100)))
        return '--image', tmp_path / 'image', '--depth', tmp_path / 'depth'

    return make


def test_each_image_of_a_drive_has_its_own_size(infer, mixed, tmp_path):
    with pytest.warns(UserWarning, match=r'10\.png: image size.*\(66, 100\).*\(70, 100\)') as said:
        status, printed = infer(*mixed(66), *ALONE, *FILM_AND_PAGE, '--batch-size', 3)
    assert status == 0 and count_kept(tmp_path / 'out') == (4, 4, 4), printed
    assert sum('image size' in str(one.message) for one in said) == 1


def test_a_size_that_the_intrinsics_do_not_fit_is_refused_at_once(infer, mixed, tmp_path):
    # cy is 32.
    options = (*mixed(30), *ALONE, *FILM_AND_PAGE)
    status, printed = infer(*options)
    assert status == 2 and f'error: {tmp_path / "image/10.png"}: ' in printed
    assert 'cy' in printed and not (tmp_path / 'out').exists()
    # The remedy.
    assert infer(*options, '--cropped-images')[0] == 0


def test_a_model_of_earlier_frames_needs_images_of_one_size(infer, drive, mixed, tmp_path):
    status, printed = infer(*mixed(66), '--poses', drive / 'poses.txt', *FILM_AND_PAGE)
    assert status == 2 and not (tmp_path / 'out').exists()
    assert f'error: {tmp_path / "image/10.png"}: image size: expected (70, 100)' in printed
