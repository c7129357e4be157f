"""Pictures become a video that other programs read."""

from __future__ import annotations

import os
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

from mmssc.errors import DataError
from mmssc.formats.video import read_video
from mmssc.visualization.video_files import VideoFile


def pictures(sizes):
    return [
        np.full((*size, 3), (200 - 60 * number, 40, 60 * number), np.uint8)
        for number, size in enumerate(sizes)
    ]


def test_a_video_has_the_pictures_in_order(tmp_path):
    drawn = pictures([(48, 64)] * 3)
    with VideoFile(tmp_path / 'new/a.mp4', rate=10) as video:
        for picture in drawn:
            video.add(picture)
    assert video.path == tmp_path / 'new/a.mp4'
    for found, wanted in zip(read_video(video.path), drawn):
        assert abs(found.astype(int) - wanted).mean() < 6
    assert cv2.VideoCapture(str(video.path)).get(cv2.CAP_PROP_FPS) == 10


def test_pictures_of_other_sizes_are_fitted(tmp_path):
    drawn = pictures([(49, 65), (98, 65), (10, 20)])
    with VideoFile(tmp_path / 'a.mp4') as video:
        for picture in drawn:
            video.add(picture)
    found = [*read_video(video.path)]
    assert [frame.shape for frame in found] == [(48, 64, 3)] * 3
    assert found[1][:, 50:].min() > 200  # White beside the picture that is scaled down.
    assert found[2][20:].min() > 200


def test_a_gif_where_mp4_cannot_be_written(tmp_path, monkeypatch):

    class NoWriter:
        def __init__(self, *arguments):
            pass

        def isOpened(self):  # noqa: N802
            return False

    monkeypatch.setattr(cv2, 'VideoWriter', NoWriter)
    with VideoFile(tmp_path / 'a.mp4', rate=4) as video:
        for picture in pictures([(100, 1000)] * 3):
            video.add(picture)
    assert video.path == tmp_path / 'a.gif' and [*tmp_path.iterdir()] == [video.path]
    with Image.open(video.path) as image:
        assert image.n_frames == 3 and image.size == (800, 80) and image.info['duration'] == 250


@pytest.mark.parametrize('rate', [0.001, 1e5, float('nan')])
def test_a_rate_that_no_format_has_is_refused_before_the_work(tmp_path, rate):
    with pytest.raises(DataError, match=f'^frame rate: expected 0.02 to 1000 .*, found {rate}'):
        VideoFile(tmp_path / 'a.mp4', rate)


@pytest.mark.parametrize('suffix', ['.mp4', '.gif'])
@pytest.mark.parametrize('rate', [0.02, 1000])
def test_the_slowest_and_the_fastest_rate_are_written(tmp_path, monkeypatch, rate, suffix):
    if suffix == '.gif':
        monkeypatch.setattr(cv2.VideoWriter, 'isOpened', lambda self: False)
    with VideoFile(tmp_path / 'a.mp4', rate) as video:
        for picture in pictures([(48, 64)] * 2):
            video.add(picture)
    assert [*tmp_path.iterdir()] == [tmp_path / f'a{suffix}']


@pytest.mark.parametrize('left', [300, 0, 2])
def test_a_video_that_a_full_disk_cuts_is_refused(tmp_path, capfd, left):
    whole = tmp_path / 'a.mp4'
    whole.write_bytes(b'of an earlier run')
    with pytest.raises(DataError, match='space for the video a.mp4'), VideoFile(whole) as video:
        for picture in pictures([(48, 64)] * 3):
            video.add(picture)
        writer = video._writer
        video._writer = SimpleNamespace(
            release=lambda: (writer.release(), os.truncate(video._work, left))
        )
    assert whole.read_bytes() == b'of an earlier run'
    assert 'moov' not in capfd.readouterr().err  # What FFmpeg prints about such a file.


def test_nothing_is_left_after_an_error_or_without_pictures(tmp_path):
    with pytest.raises(KeyboardInterrupt), VideoFile(tmp_path / 'a.mp4') as video:
        video.add(pictures([(48, 64)])[0])
        raise KeyboardInterrupt
    with VideoFile(tmp_path / 'b.mp4'):
        pass
    assert not [*tmp_path.iterdir()]


def test_a_temporary_folder_that_is_no_text_is_refused(tmp_path, monkeypatch):
    """OpenCV would end the process."""
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path / 'folder\udcff'))
    with pytest.raises(DataError, match='name: expected UTF-8, found other bytes. Set TMPDIR'):
        VideoFile(tmp_path / 'a.mp4')
