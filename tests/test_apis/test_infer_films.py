"""tools/infer.py with a depth camera: one film and one page of all scenes."""

from __future__ import annotations

import pytest
from test_doc_commands import room_depth

from mmssc.formats.sscnet import write_plain_depth_mm
from mmssc.formats.video import read_video


@pytest.fixture
def depth_images(tmp_path):
    paths = [tmp_path / f'{name}.png' for name in 'ab']
    for path in paths:
        write_plain_depth_mm(path, room_depth())
    return paths


def test_scenes_of_a_depth_camera_are_one_film_and_one_page(
    depth_images, tmp_path, tool_in_process
):
    status, printed = tool_in_process('infer.py')(
        'light_depth_nyu', '--depth', *depth_images, '--cam2img', 585, 585, 320, 240, '--formats',
        'mp4', 'html', '--one-page', '--out', tmp_path / 'out', '--device', 'cpu',
    )  # fmt: skip
    assert status == 0 and 'voxels behind the farthest measured surface (--show-all)' in printed
    assert len([*read_video(tmp_path / 'out/scenes.mp4')]) == 2
    page = (tmp_path / 'out/scenes.html').read_text('utf-8')
    assert '"title":"a"' in page and '"title":"b"' in page


@pytest.mark.parametrize(
    'option',
    [
        ('--image-right', 'a.png'), ('--baseline', 0.5), ('--depth-model', 'a:b'),
        ('--frame-step', 2), ('--max-frames', 2), ('--max-disparity', 64),
        ('--earlier-image-right', 'a.png'),
    ],
)  # fmt: skip
def test_options_of_drives_are_refused(depth_images, tmp_path, tool_in_process, option):
    status, printed = tool_in_process('infer.py')(
        'light_depth_nyu', '--depth', *depth_images, '--cam2img', 585, 585, 320, 240, *option,
        '--out', tmp_path / 'out',
    )  # fmt: skip
    assert status == 2
    assert printed.startswith(f'error: {option[0]}: expected an option of models for depth cameras')


def test_a_batch_size_is_refused(depth_images, tmp_path, tool_in_process):
    command = ('light_depth_nyu', '--depth', *depth_images, '--cam2img', 585, 585, 320, 240,
               '--formats', 'npy', '--device', 'cpu', '--out', tmp_path / 'out')  # fmt: skip
    status, printed = tool_in_process('infer.py')(*command, '--batch-size', 2)
    assert status == 2 and printed == (
        'error: --batch-size: expected 1: scenes of a depth camera are predicted one by one, found '
        '2. Leave it out\n'
    )
    # The remedy.
    assert tool_in_process('infer.py')(*command)[0] == 0


def test_an_untrained_network_for_a_depth_camera(depth_images, tmp_path, tool_in_process):
    status, printed = tool_in_process('infer.py')(
        'light_depth_nyu', 'untrained', '--depth', depth_images[0], '--cam2img', 585, 585, 320, 240,
        '--formats', 'html', '--out', tmp_path / 'out', '--device', 'cpu',
    )  # fmt: skip
    assert status == 0 and 'untrained: random weights' in printed
    assert '"title":"a  (untrained network' in (tmp_path / 'out/a.html').read_text('utf-8')
