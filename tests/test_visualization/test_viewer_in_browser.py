"""The page of the viewer in a real browser: every control, keys, small screens, foreign names."""

from __future__ import annotations

import io
import itertools
import re

import numpy as np
import pytest
from PIL import Image
from viewer_browser import Viewer, open_browser
from viewer_scene import (
    CAMERA,
    CLASSES,
    COLORS,
    GRID,
    IMAGE,
    SENSOR,
    make_frames,
    make_prediction,
    make_truth,
)

from mmssc.structures import VoxelGrid
from mmssc.visualization import PageFrame, write_page
from mmssc.visualization.html_viewer import MODULES, VIEWER, _script

pytestmark = pytest.mark.browser

SHAPES = {'desktop': (1000, 640), 'phone': (390, 844), 'wide': (1600, 480)}


@pytest.fixture(scope='module')
def browser():
    with open_browser() as opened:
        yield opened


@pytest.fixture
def open_page(browser, tmp_path):
    """Open a page of some frames; in the end it must have had no error and no request."""
    opened = []

    def show(frames=None, size='desktop', classes=CLASSES, colors=COLORS, hidden=(), **options):
        path = tmp_path / 'page.html'
        write_page(path, frames or make_frames(), classes, colors, hidden)
        width, height = SHAPES[size]
        page = browser.new_page(viewport=dict(width=width, height=height), **options)
        opened.append(Viewer(page, path))
        return opened[-1]

    yield show
    for viewer in opened:
        viewer.page.close()
        assert viewer.problems == []


def position_of(readout: str) -> np.ndarray:
    return np.array([float(value) for value in re.findall(r'[xyz] (-?[\d.]+)', readout)])


def test_every_control_changes_the_picture(open_page):
    viewer = open_page()
    page = viewer.page
    check = lambda selector: page.locator(selector).click()  # noqa: E731
    steps = {
        'prediction': lambda: viewer.click('prediction'),
        'ground truth': lambda: viewer.click('ground truth'),
        'difference': lambda: viewer.click('difference'),
        'right off': lambda: check('#differences >> text=right'),
        'wrong class off': lambda: check('#differences >> text=wrong class'),
        'missed off': lambda: check('#differences >> text=missed'),
        'invented off': lambda: check('#differences >> text=invented'),
        'side by side': lambda: viewer.click('side by side'),
        'behind': lambda: viewer.click('behind'),
        'above': lambda: viewer.click('above'),
        'camera': lambda: viewer.click('camera'),
        'opacity': lambda: viewer.set_range('#opacity', 0.2),
        'oblique': lambda: viewer.click('oblique'),
        'slice': lambda: viewer.set_range('#slice', 1),
        'slice off': lambda: check('#slice-on'),
        **{
            f'{axis} {end}': lambda axis=axis, end=end, value=value: viewer.set_range(
                f'#{axis}-{end}', value
            )
            for axis in 'xyz'
            for end, value in (('from', 1), ('to', 4))
        },
        'whole grid': lambda: viewer.click('whole grid'),
        'class off': lambda: check('#classes >> text=road'),
        'all': lambda: viewer.click('all'),
        'none': lambda: viewer.click('none'),
        'all again': lambda: viewer.click('all'),
        'next frame': lambda: viewer.click('next frame'),
        'previous frame': lambda: viewer.click('previous frame'),
        'frame': lambda: viewer.set_range('#frame', 1),
        'dark': lambda: viewer.click('dark'),
    }
    assert viewer.unchanging(steps) == []


def test_mouse_turns_moves_and_zooms(open_page):
    viewer = open_page()
    mouse = viewer.page.mouse

    def drag(button='left', key=None):
        mouse.move(*viewer.middle())
        if key:
            viewer.page.keyboard.down(key)
        mouse.down(button=button)
        mouse.move(viewer.middle()[0] + 60, viewer.middle()[1] + 20, steps=3)
        mouse.up(button=button)
        if key:
            viewer.page.keyboard.up(key)

    assert viewer.changes(drag)
    assert viewer.changes(lambda: drag('right'))
    assert viewer.changes(lambda: drag(key='Shift'))
    assert viewer.changes(lambda: mouse.wheel(0, -300))
    # From the camera, turning goes on from where the camera is.
    viewer.click('camera')
    assert viewer.changes(drag)


def test_the_scene_is_in_the_middle_and_nothing_covers_it(open_page):
    for size in SHAPES:
        viewer = open_page(size=size)
        viewer.click('ground truth')
        picture = viewer.picture()
        drawn = picture.max(2) - picture.min(2) > 60
        rows, columns = np.nonzero(drawn)
        shape = np.array(drawn.shape)
        low, high = np.array([rows.min(), columns.min()]), np.array([rows.max(), columns.max()])
        assert (low > 0).all() and (high < shape - 1).all()
        assert (abs((low + high) / 2 / shape - 0.5) < 0.1).all()
        assert ((high - low) / shape).max() > 0.7
        stage = viewer.page.locator('#stage').bounding_box()
        for part in ('header', 'aside', '#image', '#classes', '#bar'):
            box = viewer.page.locator(part).bounding_box()
            apart = (
                box['x'] >= stage['x'] + stage['width']
                or box['y'] >= stage['y'] + stage['height']
                or box['y'] + box['height'] <= stage['y']
            )
            assert apart, part


def test_the_readout_names_voxels_where_they_are(open_page):
    viewer = open_page()
    truth = make_truth()
    volumes = {'prediction': make_prediction(truth), 'ground truth': truth}
    names = {**dict(enumerate(CLASSES)), 255: 'no label'}
    seen = set()
    for view in ('oblique', 'above', 'camera'):
        viewer.click(view)
        for x, y in itertools.product(range(-180, 181, 40), (-150, 110)):
            readout = viewer.hover(x, y)
            if not readout:
                continue
            place = position_of(readout)
            index = tuple(np.round((place - GRID.origin) / GRID.voxel_size - 0.5).astype(int))
            for name, volume in volumes.items():
                assert f'{name}: {names[volume[index]]} ' in readout
            far = float(re.search(r'([\d.]+) m from the camera', readout)[1])
            assert far == pytest.approx(np.linalg.norm(place - SENSOR), abs=0.011)
            seen.add(index)
    assert len(seen) > 10


def test_distance_is_measured_between_two_clicks(open_page):
    viewer = open_page()
    viewer.click('ground truth')
    viewer.click('above')
    viewer.click('measure')
    x, y = viewer.middle()
    assert viewer.text('#length') == 'Click two points.'
    viewer.page.mouse.click(x, y - 180)
    assert viewer.text('#length') == 'Click the second point.'
    assert viewer.changes(lambda: viewer.page.mouse.click(x, y + 180))
    length, *parts = map(float, re.findall(r'-?\d+\.\d+', viewer.text('#length')))
    assert length == pytest.approx(np.linalg.norm(parts), abs=0.02)
    # Both lie on the flat road, one ahead of the other.
    assert parts[0] < -3 and abs(parts[1]) < 0.1 and parts[2] == 0
    assert viewer.changes(lambda: viewer.click('clear'))
    assert viewer.text('#length') == 'Click two points.'


def test_the_camera_view_lies_on_the_image(open_page):
    viewer = open_page()
    viewer.click('ground truth')
    viewer.click('camera')
    viewer.set_range('#opacity', 0)
    empty = viewer.picture()
    image = (abs(empty - IMAGE[0, 0]) <= 3).all(2)
    rows, columns = np.nonzero(image)
    size = (np.ptp(rows) + 1, np.ptp(columns) + 1)
    assert size[1] / size[0] == pytest.approx(122 / 37, rel=0.01) and image.sum() == np.prod(size)
    viewer.set_range('#opacity', 1)
    hue = viewer.picture() / np.maximum(1, viewer.picture().max(2, keepdims=True))
    found = np.argwhere((abs(hue - COLORS[1] / 245) < 0.04).all(2))
    # The near side of the car, as projected by hand: x = 3 m, y = +-1 m, z = -0.5 to 0.5 m.
    scale = size[1] / 122
    for axis, values in ((1, (-1, 1)), (0, (-0.5, 0.5))):
        center = (18.5, 60.5)[axis] * scale + (rows.min(), columns.min())[axis]
        expected = center + 60 * np.array(values) / 6 * scale
        np.testing.assert_allclose([found[:, axis].min(), found[:, axis].max()], expected, atol=3)


def test_the_difference_counts_right_wrong_missed_and_invented(open_page):
    viewer = open_page()
    viewer.click('difference')
    truth = make_truth()
    prediction = make_prediction(truth)
    known = truth != 255
    expected = {
        'right': (known & (truth > 0) & (prediction == truth)).sum(),
        'wrong class': (known & (truth > 0) & (prediction > 0) & (prediction != truth)).sum(),
        'missed': (known & (truth > 0) & (prediction == 0)).sum(),
        'invented': (known & (truth == 0) & (prediction > 0)).sum(),
    }
    lines = viewer.page.locator('#differences label').all_inner_texts()
    found = {name: int(count.replace(',', '')) for name, count in (x.split('\n') for x in lines)}
    assert found == expected and all(expected.values())
    picture = viewer.picture()
    for color in ((67, 160, 71), (255, 179, 0), (30, 136, 229), (229, 57, 53)):
        assert (abs(picture - color).max(2) <= 2).any(), color
    # Classes can be switched off here, too.
    assert viewer.changes(lambda: viewer.page.locator('#classes >> text=road').click())


def test_frames_play_and_stop(open_page):
    viewer = open_page(make_frames(3))
    assert viewer.text('#frame-name') == '1 of 3' and viewer.text('h1') == '08/000000'
    viewer.click('play')
    seen = []
    while len(set(seen)) < 3 and len(seen) < 300:
        viewer.page.wait_for_timeout(100)
        seen.append(viewer.text('h1'))
    assert set(seen) == {'08/000000', '08/000001', '08/000002'}
    viewer.click('play')
    viewer.page.wait_for_timeout(100)
    stopped = viewer.text('h1')
    viewer.page.wait_for_timeout(600)
    assert viewer.text('h1') == stopped
    single = open_page(make_frames(1))
    assert not single.page.locator('#frames').is_visible()


def test_the_picture_is_saved(open_page):
    viewer = open_page()
    viewer.click('camera')
    with viewer.page.expect_download() as download:
        viewer.click('save picture')
    assert download.value.suggested_filename == '08_000000_view.png'
    saved = Image.open(io.BytesIO(download.value.path().read_bytes())).convert('RGB')
    shown = viewer.picture()
    saved = np.asarray(saved.resize(shown.shape[1::-1], Image.Resampling.BOX)).astype(int)
    assert abs(saved - shown).mean() < 6 and (abs(saved - IMAGE[0, 0]).max(2) < 4).any()


def test_dark_follows_the_system_and_the_button(open_page):
    viewer = open_page(color_scheme='dark')
    assert viewer.picture()[2, 2].max() < 60
    viewer.page.emulate_media(color_scheme='light')
    assert viewer.picture()[2, 2].min() > 200
    viewer.click('dark')
    assert viewer.picture()[2, 2].max() < 60
    viewer.page.emulate_media(color_scheme='dark')
    viewer.click('dark')
    assert viewer.picture()[2, 2].min() > 200


def test_a_phone_reaches_everything(open_page):
    viewer = open_page(size='phone', has_touch=True)
    page = viewer.page
    wide = page.evaluate('document.documentElement.scrollWidth')
    assert wide <= 390
    for control in page.locator('button:visible, input:visible, summary').all():
        box = control.bounding_box()
        assert box['x'] >= 0 and box['x'] + box['width'] <= 390, control.inner_html()
    stage = page.locator('#stage').bounding_box()
    assert stage['width'] > 350 and stage['height'] > 400
    assert viewer.changes(lambda: page.locator('#classes >> text=road').tap())


def test_keys_reach_and_do_everything(open_page):
    viewer = open_page()
    page = viewer.page
    press = page.keyboard.press
    reached = set()
    for _ in range(60):
        press('Tab')
        label = page.evaluate("""() => {
          const at = document.activeElement;
          if (at === document.body) return [];
          const name = at.ariaLabel || at.labels?.[0]?.innerText || at.innerText;
          const style = getComputedStyle(at);
          return [at.id || name, name, style.outlineStyle !== 'none'];
        }""")
        if not label:
            break
        assert label[2], f'{label} shows no focus'
        reached.add(label[0])
    assert {'surface', 'theme', 'save', 'play', 'frame', 'slice', 'slice-on', 'x-from', 'z-to',
            'measure', 'difference', 'camera', 'all'} <= reached  # fmt: skip
    page.locator('#surface').focus()
    keys = ['ArrowLeft', 'ArrowUp', 'Shift+ArrowRight', '+', '-', 'b', 'a', 'c', 'o', 'd', '1', ' ',
            'h', 'h', '.', ',', 't']  # fmt: skip
    steps = {f'{place} {key}': lambda key=key: press(key) for place, key in enumerate(keys)}
    assert viewer.unchanging(steps) == []
    press('m')
    # Both keys before the next picture.
    page.evaluate("""() => ['a', 'ArrowDown'].forEach((key) => document.activeElement
      .dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true })))""")
    viewer.picture()
    press('Enter')
    assert position_of(viewer.text('#readout')).size == 3
    assert viewer.text('#length') == 'Click the second point.'
    press('?')
    assert page.locator('#keys').is_visible()
    listed = viewer.text('#keys')
    assert all(word in listed for word in ('measure', 'play', 'difference', 'save picture', 'zoom'))
    # Space belongs to the button or box that has the focus.
    page.locator('#slice-on').focus()
    assert viewer.changes(lambda: press(' '))
    assert page.locator('#slice-on').is_checked()


EVIL = '</script><script>alert(1)</script><img src=x onerror=alert(2)>__SCENE__\u2028"\'&'


def test_names_of_files_and_classes_are_only_text(open_page):
    truth = make_truth()
    frames = [PageFrame(EVIL, {EVIL: truth, 'ground truth': truth}, GRID, IMAGE, CAMERA)]
    viewer = open_page(frames, classes=('empty', EVIL, 'road', '<b>pole</b>'))
    assert EVIL.replace('\u2028', '') in viewer.text('h1').replace('\u2028', '').replace('\n', '')
    assert viewer.page.evaluate("document.querySelectorAll('img, script, b').length") == 3
    assert EVIL[:30] in viewer.text('#classes') and EVIL[:30] in viewer.text('#shows')
    viewer.hover(0, 0)
    with viewer.page.expect_download() as download:
        viewer.click('save picture')
    assert re.fullmatch(r'[\w.-]+', download.value.suggested_filename)


def test_the_page_may_not_fetch_or_run_anything_else(open_page):
    viewer = open_page()
    fetched = viewer.page.evaluate(
        "fetch('https://example.org/').then(() => 'fetched', () => 'refused')"
    )
    ran = viewer.page.evaluate("""() => {
      const script = document.createElement('script');
      script.textContent = 'window.ran = true';
      document.body.append(script);
      return window.ran === true;
    }""")
    assert (fetched, ran) == ('refused', False)
    assert all('Content Security Policy' in problem for problem in viewer.problems)
    viewer.problems.clear()


def test_a_room_and_an_empty_scene(open_page):
    grid = VoxelGrid((-1.0, 0.0, 1.0), 0.25, (8, 6, 10), ('x', 'z', 'y'), 'world')
    volume = np.zeros(grid.shape, dtype=np.uint8)
    volume[:, 0], volume[2:6, 1:3, 6:9], volume[:, 5] = 2, 3, 1
    viewer = open_page([PageFrame('room', {'labels': volume}, grid)], hidden=(1,))
    viewer.click('above')
    readout = viewer.hover(0, -60)
    x, y, z = (position_of(readout) - (-1, 1, 0)) / 0.25 - 0.5
    assert CLASSES[volume[round(x), round(z), round(y)]] in readout
    assert 'm from' not in readout  # There is no sensor to measure from.
    assert not viewer.page.get_by_role('button', name='camera', exact=True).count()
    assert not viewer.page.locator('#classes input').first.is_checked()
    empty = open_page([PageFrame('nothing', {'labels': 0 * volume}, grid)])
    assert empty.hover(0, 0) == ''


def test_rectangles_cover_exactly_the_visible_faces(open_page):
    viewer = open_page()
    names = MODULES[: MODULES.index('layout')]
    joined = '\n'.join((VIEWER / f'{name}.js').read_text(encoding='utf-8') for name in names)
    plain = re.sub(r'^import [^;]+;\n|^export ', '', joined, flags=re.M)
    volume = np.random.default_rng(0).integers(0, 3, (7, 5, 6)).astype(np.uint8)
    cells = viewer.page.evaluate(
        f"""([values, shape]) => {{ {plain}
        const mesh = buildMesh(Uint8Array.from(values), shape, (label) => [label, 0, 0]);
        const words = new Uint16Array(mesh.vertices), bytes = new Uint8Array(mesh.vertices);
        return mesh.parts.flatMap(({{ first, count }}, direction) =>
          [...Array(count).keys()].map((n) => [direction, bytes[48 * (first + n) + 8],
            ...[0, 1, 2, 3].flatMap((v) => [0, 1, 2].map((a) =>
              words[24 * (first + n) + 6 * v + a]))]));
        }}""",
        [volume.reshape(-1).tolist(), list(volume.shape)],
    )
    found = {}
    for direction, label, *corners in cells:
        corners = np.reshape(corners, (4, 3))
        axis = direction // 2
        turn = np.cross(corners[1] - corners[0], corners[2] - corners[1])[axis]
        assert np.sign(turn) == (1 if direction % 2 else -1)  # Counter-clockwise from outside.
        low, high = corners.min(0), corners.max(0)
        high[axis] += 1
        for cell in np.argwhere(np.ones(high - low)) + low:
            cell[axis] -= direction % 2
            assert found.setdefault((direction, *cell), label) == label
    padded = np.pad(volume, 1)
    expected = {}
    for direction in range(6):
        step = 1 if direction % 2 else -1
        beside = np.roll(padded, -step, direction // 2)[1:-1, 1:-1, 1:-1]
        for cell in np.argwhere((volume > 0) & (beside == 0)):
            expected[(direction, *cell)] = volume[tuple(cell)]
    assert found == expected


def test_the_modules_are_joined_without_imports():
    assert not re.search(r'^(import|export)\b', _script(), re.M)
