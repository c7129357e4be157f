"""Videos are read frame by frame, and what is no video is named."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

from mmssc.errors import DataError
from mmssc.formats.video import count_video_frames, is_video, read_video


@pytest.fixture
def video(tmp_path):
    """Seven frames of one colour each: blue, so that swapped channels show."""
    path = tmp_path / 'a.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 10, (64, 48))
    for number in range(7):
        writer.write(np.full((48, 64, 3), (250 - 30 * number, 0, 0), np.uint8))
    writer.release()
    return path


def test_frames_are_rgb_in_order(video):
    frames = [*read_video(video)]
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 7
    assert all(abs(int(f[..., 2].mean()) - (250 - 30 * n)) < 12 for n, f in enumerate(frames))
    assert all(frame[..., 0].mean() < 12 for frame in frames)
    assert count_video_frames(video, 100) == 7 and count_video_frames(video, 3) == 3


def test_a_step_leaves_out_frames(video):
    every = [*read_video(video)]
    for wanted, found in zip(every[::3], read_video(video, 3)):
        np.testing.assert_array_equal(wanted, found)
    assert len([*read_video(video, 3)]) == 3


def test_endings():
    assert is_video('a.MP4') and is_video('b/c.avi') and not is_video('a.png')


@pytest.mark.parametrize('part', ['half', 'noise'])
def test_a_damaged_video_gets_one_line(video, part):
    content = bytearray(video.read_bytes())
    random = np.random.default_rng(0)
    if part == 'noise':
        content[50:] = random.integers(0, 256, len(content) - 50, np.uint8).tobytes()
    video.write_bytes(content[: len(content) // 2] if part == 'half' else content)
    # In a process of its own: FFmpeg and OpenCV print nothing of their own there.
    code = 'from mmssc import command_line as c; c.prepare_process()\n'
    code += 'from mmssc.formats.video import count_video_frames\n'
    code += f'c.command(count_video_frames)({str(video)!r}, 100)'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.stderr.startswith(f'error: {video}: video: expected one that can be decoded')
    assert done.stdout == '' and done.stderr.count('\n') == 1


def test_a_video_cut_off_is_said(video):
    content = video.read_bytes()
    # The index of an MP4 is at its end; an AVI still gives its first frames.
    with pytest.raises(DataError, match='expected one that can be decoded|a frame that can'):
        video.write_bytes(content[: len(content) // 2])
        count_video_frames(video, 100)
    path = video.with_suffix('.avi')
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, (64, 48))
    for value in np.random.default_rng(0).integers(0, 255, (9, 48, 64, 3), np.uint8):
        writer.write(value)
    writer.release()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.warns(UserWarning, match='a.avi: . of 9 frames can be decoded'):
        assert 0 < count_video_frames(path, 100) < 9


LIST = b'#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.mp4\n#EXT-X-ENDLIST\n'


@pytest.mark.parametrize('content', [LIST, b'ffconcat version 1.0\nfile a.mp4\n', b'\x89PNG', b'x'])
def test_lists_and_other_files_are_refused(video, content):
    """FFmpeg would play a list, which names other files."""
    path = video.with_name('list.mp4')
    path.write_bytes(content)
    with pytest.raises(DataError, match='list.mp4: video: expected MP4.*Extract its frames'):
        count_video_frames(path, 10)


def test_pipes_folders_and_missing_files_are_named(tmp_path):
    os.mkfifo(tmp_path / 'pipe.mp4')
    (tmp_path / 'folder.mp4').mkdir()
    (tmp_path / 'empty.mp4').touch()
    for name in ('pipe', 'folder', 'empty', 'missing'):
        with pytest.raises(DataError, match=f'{name}.mp4'):
            next(read_video(tmp_path / f'{name}.mp4'))


def test_frames_of_many_pixels_are_refused(video, monkeypatch):
    monkeypatch.setattr('mmssc.formats.video._MAX_PIXELS', 1000)
    with pytest.raises(DataError, match='image size: expected at most .* found 48 x 64'):
        next(read_video(video))


@pytest.mark.parametrize('name', ['12:30:05.mp4', 'concat:a.mp4|a.mp4', 'http:x.mp4', 'fd:.mp4'])
def test_a_name_with_a_colon_is_no_address(video, name, monkeypatch):
    """FFmpeg would read other files, or ask another machine."""
    monkeypatch.chdir(video.parent)
    shutil.copy(video, name)
    video.write_bytes(b'damaged')
    assert count_video_frames(name, 100) == len([*read_video(name)]) == 7


@pytest.mark.skipif(os.name != 'posix', reason='names are text elsewhere')
@pytest.mark.parametrize('name', ['\udcff.mp4', 'folder\udcff/a.mp4'])
def test_a_name_that_is_no_text_is_refused(video, name):
    """OpenCV would end the process."""
    path = video.parent / name
    try:
        path.parent.mkdir(exist_ok=True)
        shutil.copy(video, path)
    except OSError:
        pytest.skip('the file system has no such names')
    with pytest.raises(DataError, match='name: expected UTF-8, found other bytes. Rename'):
        count_video_frames(path, 100)
