"""--segmenter of infer.py and own_rgbd.py: a tiny model of mmseg from the image to the voxels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pixel_segmenter import squares, write_config, write_weights
from tool_runs import ROOT, run_tool_in

from mmssc.formats.numpy_arrays import read_npz
from mmssc.formats.sscnet import write_plain_depth_mm

CAMERA = ('259.42895', '259.42895', '160.0', '120.0')
OWN = ('dataset_converters/own_rgbd.py', 'frames', '--camera', ','.join(CAMERA), '--rotate', 0,
       '--color', 'color/*.png')  # fmt: skip


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """A room of 240 x 320 pixels, its image at twice the size, its segmentation, the segmenter."""
    monkeypatch.setenv('PYTHONPATH', str(ROOT / 'tests'))
    depth_mm = read_npz(ROOT / 'tests/data/light/room.npz', ['depth_mm'])['depth_mm']
    frames = tmp_path / 'frames'
    image, ids = squares((480, 640), 80)[0], squares((240, 320), 40)[1]
    for name in ('a', 'b'):
        for path in (frames / f'depth/{name}.png', frames / f'color/{name}.png'):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_plain_depth_mm(frames / f'depth/{name}.png', depth_mm.astype(np.float32) / 1000)
        Image.fromarray(image).save(frames / f'color/{name}.png')
    Image.fromarray(ids).save(tmp_path / 'ids.png')
    write_config(tmp_path)
    write_weights(tmp_path)
    return tmp_path


SEGMENTER = ('--segmenter', 'segmenter_config.py', '--segmenter-checkpoint', 'segmenter.pth')


def infer(
    root: Path, out: str, *options: object, model: str = 'light_seg_nyu', status: int = 0
) -> str:
    done = run_tool_in(
        root, 'infer.py', model, '--depth', 'frames/depth/a.png', '--cam2img', *CAMERA,
        '--rotate', 0, '--formats', 'npy', '--out', out, *options, status=status,
    )  # fmt: skip
    return done.stderr


def test_a_model_of_mmseg_takes_the_place_of_the_segmentation(root):
    infer(root, 'given', '--segmentation', 'ids.png')
    infer(root, 'made', '--image', 'frames/color/a.png', *SEGMENTER)
    function = ('--segmenter', 'pixel_segmenter:by_colour')
    infer(root, 'called', '--image', 'frames/color/a.png', *function)
    given, made, called = (np.load(root / f'{one}/a.npy') for one in ('given', 'made', 'called'))
    assert (made == given).all() and (called == given).all()
    infer(
        root, 'none', '--image', 'frames/color/a.png', '--segmenter', 'pixel_segmenter:red_is_a_bed'
    )
    assert (np.load(root / 'none/a.npy') != given).any(), 'the segmentation matters'


def test_a_class_without_a_row_is_one_line(root):
    write_weights(root, dict(dataset_meta=dict(classes=('wall', 'quay', 'bed', 'sky'))))
    image = ('--image', 'frames/color/a.png')
    errors = infer(root, 'out', *image, *SEGMENTER, status=2).splitlines()
    assert len(errors) == 1 and errors[0].startswith(
        'error: segmenter.pth: classes: expected class'
    )
    assert 'none for quay. Give rows for them: --segmenter-table FILE.json' in errors[0]
    (root / 'rows.json').write_text(json.dumps(dict(quay='floor')))
    infer(root, 'out', *image, *SEGMENTER, '--segmenter-table', 'rows.json')
    infer(root, 'given', '--segmentation', 'ids.png')
    assert (np.load(root / 'out/a.npy') == np.load(root / 'given/a.npy')).all()


@pytest.mark.parametrize(
    ('model', 'options', 'text'),
    [
        ('light_seg_nyu', SEGMENTER, '--segmenter: expected colour images (--image), found none'),
        ('light_seg_nyu', SEGMENTER[2:], '--segmenter-checkpoint: expected with --segmenter, foun'),
        ('light_seg_nyu', (*SEGMENTER, '--segmentation', 'ids.png'), 'no --segmentation beside it'),
        ('light_seg_nyu', (), 'Give --segmentation, or --segmenter'),
        ('light_depth_nyu', ('--image', 'frames/color/a.png', *SEGMENTER),
         '--segmenter: expected none: this model reads no segmentation'),
        ('light_seg_nyu', ('--image', 'frames/color/a.png', *SEGMENTER[:2]),
         'error: --segmenter-checkpoint: expected the weights of the segmenter, found none'),
    ],
)  # fmt: skip
def test_options_that_do_not_fit(root, model, options, text):
    errors = infer(root, 'out', *options, model=model, status=2)
    assert text in errors and errors.count('\n') == 1


@pytest.mark.slow
def test_a_folder_gets_its_segmentation(root):
    done = run_tool_in(root, *OWN, '--workers', 2, *SEGMENTER)
    assert 'segmentation         2       0       0' in done.stdout
    expected = np.array(Image.open(root / 'ids.png'))
    for name in ('a', 'b'):
        assert (np.array(Image.open(root / f'frames/seg13/{name}.png')) == expected).all()
    listed = json.loads((root / 'frames/own_infos.json').read_text())
    assert 'seg13/{frame_id}.png' in json.dumps(listed)
    # Only what is missing is made again.
    (root / 'frames/seg13/b.png').unlink()
    done = run_tool_in(root, *OWN, '--workers', 1, *SEGMENTER)
    assert 'segmentation         1       1       0' in done.stdout
    other = ('--segmenter', 'pixel_segmenter:red_is_a_bed')
    errors = run_tool_in(root, *OWN, '--workers', 1, *other, status=2).stderr
    assert '--segmenter pixel_segmenter:red_is_a_bed' in errors and '--overwrite' in errors
    run_tool_in(root, *OWN, '--workers', 1, *other, '--overwrite')
    assert np.array(Image.open(root / 'frames/seg13/a.png')).max() == 1


def test_bad_images_and_files_of_others(root):
    Image.fromarray(np.zeros((240, 400, 3), np.uint8)).save(root / 'frames/color/b.png')
    done = run_tool_in(root, *OWN, '--workers', 1, *SEGMENTER, status=1)
    assert 'color/b.png: image size: expected 240 x 320 as the depth image' in done.stderr
    assert 'segmentation         1       0       1' in done.stdout
    (root / 'frames/seg13/recipe.json').unlink()
    before = (root / 'frames/seg13/a.png').read_bytes()
    errors = run_tool_in(root, *OWN, '--workers', 1, *SEGMENTER, '--overwrite', status=2).stderr
    assert 'frames/seg13: files: expected no files, or files of this command' in errors
    assert (root / 'frames/seg13/a.png').read_bytes() == before
    errors = run_tool_in(root, *OWN[:6], *SEGMENTER, status=2).stderr
    assert '--segmenter: expected colour images (--color), found none. Give --color' in errors
