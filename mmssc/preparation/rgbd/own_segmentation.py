"""Segmentation of the colour images of a depth camera: files like the seg13 of NYU."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image

from mmssc.fileio import atomic_write
from mmssc.formats.images import check_upright, read_rgb
from mmssc.segmentation import Segmenter, SegmenterSource

from .options import claim_results
from .own_frame import OWN_SOURCE

__all__ = ['SEGMENT_FILE', 'SegmentTask', 'segment_tasks']

#: Segmentation of a frame, below the data root.
SEGMENT_FILE = 'seg13/{frame_id}.png'


@lru_cache(maxsize=1)
def _segmenter_of(source: SegmenterSource) -> Segmenter:
    """The segmenter, loaded once in each process."""
    return source.load()


@dataclass(frozen=True)
class SegmentTask:
    """The segmentation of one frame.

    Args:
        frame_id: The frame.
        image: Its colour image, registered with the depth.
        size: (height, width) of the depth image, pixels.
        source: The segmenter.
        output: 8-bit PNG of the ids 0 to 13, of this size.
    """

    frame_id: str
    image: Path
    size: tuple[int, int]
    source: SegmenterSource
    output: Path
    sequence: str = OWN_SOURCE

    def is_finished(self) -> bool:
        """Whether the file exists (files are written atomically)."""
        return self.output.is_file() and self.output.stat().st_size > 0

    def make(self) -> None:
        """Write the file."""
        check_upright(self.image, 'the depth image does not turn with it')
        segmenter = _segmenter_of(self.source)
        ids = segmenter(read_rgb(self.image), str(self.image), self.size)
        with atomic_write(self.output) as file:
            Image.fromarray(ids).save(file, format='PNG')


def segment_tasks(
    arguments: argparse.Namespace, frames: Iterable[str], size: tuple[int, int]
) -> list[SegmentTask]:
    """The tasks for all frames with a colour image; none without ``--segmenter``.

    Args:
        arguments: The command line of ``own_rgbd.py``.
        frames: Names of the frames.
        size: (height, width) of the depth images, pixels.

    Raises:
        DataError: The segmenter is wrong, or the folder has files of another origin or of other
            settings.
    """
    source = SegmenterSource.of(arguments)
    if source is None:
        return []
    root, out = arguments.root, arguments.out or arguments.root
    _segmenter_of(source)  # A wrong one is an error of the command, not of each frame.
    folder = (out / SEGMENT_FILE).parent
    recipe = {
        'segmenter': source.name, 'segmenter_checkpoint': source.checkpoint,
        'segmenter_table': source.table, 'color': arguments.color, 'image_size': size,
    }  # fmt: skip
    claim_results(folder, recipe, arguments, suffixes=('.png',))
    images = {frame: root / arguments.color.replace('*', frame) for frame in frames}
    return [
        SegmentTask(frame, image, size, source, out / SEGMENT_FILE.format(frame_id=frame))
        for frame, image in images.items()
        if image.is_file()
    ]
