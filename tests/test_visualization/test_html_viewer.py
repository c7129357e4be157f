"""The viewer is one file that needs nothing else and holds the scene."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import zlib

import numpy as np
import pytest
from PIL import Image

from mmssc.errors import DataError
from mmssc.structures import Camera, VoxelGrid
from mmssc.visualization import (
    PageFrame,
    Scene,
    visible_labels,
    write_html,
    write_page,
    write_scenes,
)
from mmssc.visualization.html_viewer import MODULES, VIEWER


@pytest.fixture
def page(tmp_path, grid, labels, meta) -> str:
    shown = visible_labels(labels)
    image = np.full((37, 122, 3), 90, dtype=np.uint8)
    volumes = {'prediction': np.where(shown == 3, 0, shown).astype(np.uint8), 'ground truth': shown}
    write_html(
        tmp_path / 'scene.html', volumes, grid, meta['classes'], np.array(meta['palette']),
        '08/000005 </script><b>', image,
    )  # fmt: skip
    return (tmp_path / 'scene.html').read_text(encoding='utf-8')


def scene_of(page: str) -> dict:
    return json.loads(re.search(r'type="application/json">(.*?)</script>', page, re.S).group(1))


def labels_of(volume: dict, shape: tuple[int, ...]) -> np.ndarray:
    packed = zlib.decompress(base64.b64decode(volume['labels']))
    return np.frombuffer(packed, np.uint8).reshape(shape)


def test_refers_to_nothing_outside(page):
    assert not re.search(r'https?:|//[a-z]+\.|@import|<link|<script[^>]+src|url\(', page)
    assert page.count('<script') == page.count('</script>') == 2
    assert not re.search('__[A-Z]+__', page)


def test_only_the_script_of_the_page_may_run(page):
    script = re.search(r'<script type="module">(.*?)</script>', page, re.S).group(1)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = re.search('Content-Security-Policy" content="([^"]+)"', page).group(1)
    assert policy.startswith(f"default-src 'none'; script-src 'sha256-{digest}';")


def test_holds_the_scene(page, grid, labels, meta):
    scene = scene_of(page)
    frame = scene['frames'][0]
    assert frame['title'] == '08/000005 </script><b>'
    assert scene['classes'] == list(meta['classes'])
    assert scene['colors'] == [list(color) for color in meta['palette']]
    assert frame['grid'] == dict(
        origin=list(grid.origin), voxel_size=list(grid.voxel_size), shape=list(grid.shape)
    )
    assert [volume['name'] for volume in frame['volumes']] == ['prediction', scene['truth']]
    truth = labels_of(frame['volumes'][1], grid.shape)
    assert np.array_equal(truth, visible_labels(labels))
    image = base64.b64decode(frame['image'].split(',')[1])
    assert Image.open(io.BytesIO(image)).size == (122, 37)
    assert frame['camera'] is None and frame['sensor'] == dict(name='lidar', position=[0, 0, 0])


def test_a_room_is_stored_along_x_y_z_with_its_camera(tmp_path):
    grid = VoxelGrid((-1.0, 0.0, 1.0), 0.25, (8, 6, 10), ('x', 'z', 'y'), 'world')
    volume = np.random.default_rng(0).integers(0, 4, grid.shape).astype(np.uint8)
    ref2cam = np.array([[1.0, 0, 0, -0.5], [0, 0, -1, 1.2], [0, 1, 0, 0.3], [0, 0, 0, 1]])
    camera = Camera(np.array([[60.0, 0, 60], [0, 60, 40], [0, 0, 1]]), ref2cam, (80, 120))
    frame = PageFrame('room', {'labels': volume}, grid, None, camera)
    write_page(tmp_path / 'room.html', [frame], 'abcd', np.zeros((4, 3)))
    stored = scene_of((tmp_path / 'room.html').read_text(encoding='utf-8'))['frames'][0]
    assert stored['grid']['shape'] == [8, 10, 6] and stored['grid']['origin'] == [-1, 1, 0]
    found = labels_of(stored['volumes'][0], (8, 10, 6))
    assert np.array_equal(found, volume.transpose(0, 2, 1))
    assert stored['sensor'] == dict(name='camera', position=[0.5, -0.3, 1.2])
    assert stored['camera']['size'] == [80, 120] and stored['forward'] == 90


def test_voxels_without_a_label_are_not_compared(tmp_path, sample, meta, labels):
    scene = Scene.from_sample(sample, meta, hide_unevaluated=False)
    write_scenes(tmp_path / 'scene.html', [scene, scene])
    frames = scene_of((tmp_path / 'scene.html').read_text(encoding='utf-8'))['frames']
    assert len(frames) == 2
    assert np.array_equal(labels_of(frames[1]['volumes'][1], labels.shape) == 255, labels == 255)


def test_frames_of_a_page_have_the_same_volumes_and_classes(tmp_path, sample, meta):
    scene = Scene.from_sample(sample, meta)
    alone = Scene.from_sample(sample, meta, draw_truth=False)
    other = Scene.from_sample(sample, {**meta, 'classes': ('empty', 'a', 'b', 'c')})
    for scenes in ([scene, alone], [scene, other], []):
        with pytest.raises(DataError, match='page.html: (frames|scenes)'):
            write_scenes(tmp_path / 'page.html', scenes)
    wrong = Scene.from_sample(sample, {'classes': ('empty', 'a'), 'palette': [(0, 0, 0)] * 2})
    with pytest.raises(DataError, match=r'page.html: prediction: expected 0..1'):
        write_scenes(tmp_path / 'page.html', [wrong])
    assert not (tmp_path / 'page.html').exists()


def test_a_frame_of_full_size_is_far_below_a_megabyte(tmp_path):
    grid = VoxelGrid((0.0, -25.6, -2.0), 0.2, (256, 256, 32))
    rng = np.random.default_rng(0)
    height = np.cumsum(rng.integers(-1, 2, (256, 256)), axis=0) // 4 + 8
    volume = (np.arange(32) < height[..., None]) * rng.integers(1, 20, (256, 256, 1))
    volume[rng.random(volume.shape) < 0.02] = 0
    image = rng.integers(0, 255, (37, 122, 3), dtype=np.uint8).repeat(10, 0).repeat(10, 1)
    volumes = {'prediction': volume.astype(np.uint8)}
    write_html(tmp_path / 'a.html', volumes, grid, ['x'] * 20, np.zeros((20, 3)), image=image)
    assert (tmp_path / 'a.html').stat().st_size < 1_000_000


def test_modules_import_only_what_stands_before_them():
    assert {f'{name}.js' for name in MODULES} == {path.name for path in VIEWER.glob('*.js')}
    for number, name in enumerate(MODULES):
        text = (VIEWER / f'{name}.js').read_text(encoding='utf-8')
        assert set(re.findall(r"from '\./(\w+)\.js'", text)) <= set(MODULES[:number])
    # They share one scope.
    texts = ''.join((VIEWER / f'{name}.js').read_text(encoding='utf-8') for name in MODULES)
    names = re.findall(r'^(?:export )?(?:const|class|function|async function) (\w+)', texts, re.M)
    assert len(names) == len(set(names))
