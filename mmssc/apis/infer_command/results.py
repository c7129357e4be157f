"""Write what the command predicts: files of each scene, one page or one video of all."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from mmssc.apis import PREDICTION_FORMATS, prediction_paths, save_prediction
from mmssc.errors import DataError, counted
from mmssc.fileio import check_outputs, note_outputs
from mmssc.model_index import UNTRAINED
from mmssc.resources import find_config
from mmssc.visualization.html_viewer import PageFile
from mmssc.visualization.scene import FORMATS, Scene
from mmssc.visualization.video_files import VideoFile

from .parser import FRAME_RATE
from .untrained import SHARE_DRAWN, least_empty_voxels

__all__ = ['Results']

# The maker of the predictions.
MAKER = 'infer.py'
# Stem of the files that hold all scenes.
ALL_SCENES = 'scenes'
# A page of more scenes is slow to open: about 300 kB each.
_MOST_ON_PAGE = 200
_UNTRAINED_TITLE = 'untrained network: the classes mean nothing'
_SHARE_TITLE = f'untrained network: {SHARE_DRAWN:.0%} of the view, classes mean nothing'


class Results:
    """The files that the command writes. A context manager: it ends the page and the video.

    It also does so after an exception or Ctrl-C: they hold the scenes before.

    Args:
        args: The command line.
        names: Names of the scenes, as in messages: files, or frames of a video.
        inputs: Files that the command reads.
        stems: Names of the results, without ending; None: those of the files.

    Raises:
        DataError: A file to write is an input, or exists and --overwrite is not given; or there are
            too many scenes for one page.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        names: Sequence[str],
        inputs: Iterable[str | Path],
        stems: Sequence[str] | None = None,
    ) -> None:
        self.args, self.names = args, names
        self.stems = unique_stems(names, stems or [Path(name).stem for name in names])
        # The page and the video hold all scenes; the other formats have files of each scene.
        joint = {'mp4'} | ({'html'} if args.one_page else set())
        self.formats = [name for name in args.formats if name not in joint]
        self._page_path = args.out / f'{ALL_SCENES}.html' if args.one_page else None
        self._page: PageFile | None = None
        self._video: VideoFile | None = None
        if 'mp4' in args.formats:
            self._video = VideoFile(args.out / f'{ALL_SCENES}.mp4', args.frame_rate or FRAME_RATE)
        self._count = 0
        if self._page_path and len(names) > _MOST_ON_PAGE:
            hint = 'Leave out --one-page, take fewer frames (--frame-step, --max-frames), or draw '
            hint += 'a video (--formats mp4)'
            raise DataError('--one-page', None, f'at most {_MOST_ON_PAGE} scenes', len(names), hint)
        outputs = [
            path
            for stem in self.stems
            for path in prediction_paths(args.out / stem, self.formats).values()
        ]
        outputs += [self._page_path] if self._page_path else []
        if self._video:
            outputs += [self._video.path, self._video.path.with_suffix('.gif')]
        inputs = [*inputs, find_config(args.config), args.checkpoint]
        check_outputs(outputs, inputs, args.overwrite, MAKER)

    def __enter__(self) -> Results:
        if self._video:
            self._video.__enter__()
        return self

    def write(
        self,
        number: int,
        sample: Any,
        meta: Mapping[str, Any],
        image: np.ndarray | None,
        depth: np.ndarray | None = None,
    ) -> None:
        """Write the files of a scene and print their paths.

        Args:
            number: Place of the scene in the names.
            sample: Its prediction.
            meta: Metainfo of the data set.
            image: (H, W, 3) uint8 RGB, shown with the pictures.
            depth: (H, W) metres, 0 = none, shown with the pictures.
        """
        args, stem = self.args, self.stems[number]
        occupied = float((sample.pred_voxels > 0).float().mean())
        shape = tuple(sample.pred_voxels.shape)
        print(f'{self.names[number]}: {occupied:.1%} of {shape} voxels occupied')
        title = stem
        if set(args.formats) & {*FORMATS, 'mp4'}:
            self._say_hidden(sample)
            if args.checkpoint == UNTRAINED:
                title = f'{stem}  ({_limit_untrained(sample)})'
        note_outputs(prediction_paths(args.out / stem, self.formats).values(), MAKER)
        paths = save_prediction(
            sample, meta, args.out / stem, self.formats, image, args.show_all, depth, title
        )
        for path in paths:
            print(f'  {path}')
        if self._page_path or self._video:
            scene = Scene.from_sample(
                sample, meta, image, hide_unevaluated=not args.show_all, depth=depth
            )
            self._add(replace(scene, title=title))
        self._count += 1

    def _say_hidden(self, sample: Any) -> None:
        reach = sample.get('within_reach')
        if reach is not None and not self.args.show_all:
            hidden = counted(int(((sample.pred_voxels > 0) & ~reach).sum()), 'voxel')
            print(f'  not drawn: {hidden} behind the farthest measured surface (--show-all)')

    def _add(self, scene: Scene) -> None:
        if self._page_path:
            if self._page is None:
                self._page = PageFile(self._page_path, scene.classes, scene.colors, scene.roof)
            self._page.add(scene.page_frame())
        if self._video:
            self._video.add(scene.draw())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The page must not be lost with the video, nor the video with the page.
        failures = [*filter(None, map(_failure_of, (self._write_page, self._end_video)))]
        raised = failures.pop(0) if kind is None and failures else None
        for failure in failures:
            print(f'error: {failure}', file=sys.stderr)
        if raised:
            raise raised
        kept = f'{self._count} of {len(self.names)} scenes are in {self.args.out}'
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            raise KeyboardInterrupt(kept) from None
        if kind is not None and self._count:
            print(f'stopped by an error: {kept}', file=sys.stderr)

    def _write_page(self) -> None:
        if self._page:
            note_outputs([self._page.path], MAKER)
            self._page.write()
            print(self._page.path)

    def _end_video(self) -> None:
        if self._video is None:
            return
        if self._count:
            note_outputs([self._video.path], MAKER)
        self._video.__exit__(None, None, None)
        if self._count:
            if self._video.path.suffix != '.mp4':
                print('OpenCV cannot write MP4 here: wrote an animated GIF', file=sys.stderr)
            print(self._video.path)


def _limit_untrained(sample: Any) -> str:
    """Choose what is drawn of an untrained network, and say it; returns the title."""
    drawn = None if sample.get('within_reach') is not None else least_empty_voxels(sample)
    if drawn is None:
        return _UNTRAINED_TITLE
    sample.within_reach = drawn
    count = counted(int(drawn.sum()), 'voxel')
    text = f'{count} that the network takes least for empty, {SHARE_DRAWN:.0%} of those in view'
    print(f'  drawn: {text}')
    return _SHARE_TITLE


def _failure_of(step: Callable[[], None]) -> Exception | None:
    """The exception of a step, so that others can follow it."""
    try:
        step()
    except Exception as failure:  # noqa: BLE001 The caller raises it.
        return failure
    return None


def unique_stems(names: Sequence[str], stems: Sequence[str]) -> Sequence[str]:
    """The stems, with numbers if two scenes would write the same file; says so."""
    written: dict[Path, str] = {}
    for name, stem in zip(names, stems):
        for path in prediction_paths(stem, PREDICTION_FORMATS).values():
            if path in written:
                numbered = [f'{number:03d}_{stem}' for number, stem in enumerate(stems)]
                print(
                    f'{written[path]} and {name} have the same name, so the results have numbers: '
                    f'{numbered[0]}, {numbered[1]}, ...',
                    file=sys.stderr,
                )
                return numbered
            written[path] = name
    return stems
