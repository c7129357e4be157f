"""The viewer is one file that needs nothing else and holds the scene."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
import zlib

import numpy as np
import pytest
from PIL import Image

from mmssc.visualization import visible_faces, visible_labels, write_html


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


def test_refers_to_nothing_outside(page):
    assert not re.search(r'https?:|//[a-z]+\.|@import|<link|<script[^>]+src|url\(', page)
    assert page.count('<script') == page.count('</script>') == 2
    assert '__' not in re.sub(r'type="application/json">.*?</script>', '', page, flags=re.S)


def test_holds_the_scene(page, grid, labels, meta):
    scene = scene_of(page)
    assert scene['title'] == '08/000005 </script><b>'
    assert scene['classes'] == list(meta['classes'])
    assert scene['colors'] == [list(color) for color in meta['palette']]
    assert (scene['origin'], scene['shape']) == (list(grid.origin), list(grid.shape))
    assert [volume['name'] for volume in scene['volumes']] == ['prediction', 'ground truth']
    truth = scene['volumes'][1]
    assert truth['counts'] == np.bincount(visible_labels(labels).reshape(-1), minlength=4).tolist()
    image = base64.b64decode(scene['image'].split(',')[1])
    assert Image.open(io.BytesIO(image)).size == (122, 37)


def test_faces_come_back(page, grid, labels):
    packed = base64.b64decode(scene_of(page)['volumes'][1]['faces'])
    x, y, z, word = np.frombuffer(zlib.decompress(packed), '<u2').reshape(4, -1)
    faces = visible_faces(visible_labels(labels), grid, between_classes=True)
    assert np.stack([x, y, z], 1).tolist() == faces.voxels.tolist()
    assert (word & 7).tolist() == faces.directions.tolist()
    assert ((word >> 3 & 15) / 8).tolist() == faces.openness.tolist()
    assert (word >> 7).tolist() == faces.labels.tolist()


@pytest.mark.skipif(shutil.which('node') is None, reason='needs node to read the script')
def test_script_has_no_syntax_error(page, tmp_path):
    script = re.findall(r'<script>\n(.*?)</script>', page, re.S)[0]
    (tmp_path / 'viewer.js').write_text(script, encoding='utf-8')
    done = subprocess.run(
        ['node', '--check', str(tmp_path / 'viewer.js')],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
