"""Segmenters: a model of mmseg or the user's own function, with the table of its classes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import torch

from mmssc.dataset_facts import SEGMENT_NAMES
from mmssc.errors import DataError
from mmssc.user_functions import call_on_image, check_takes_image, load_function, names_function

from .class_table import read_class_table, segment_ids
from .mmseg_model import MMSegModel, find_mmseg_config

__all__ = ['Segmenter', 'SegmenterSource', 'load_segmenter']

_ROLE = 'segmenter'
_REMEDY = 'The segmenter must return the id of each pixel (--segmenter)'
# Largest relative difference of the aspect ratios of two images of one view.
_RATIO_TOLERANCE = 0.01


class Segmenter:
    """Gives each pixel of a colour image one of the 13 classes of ``seg13``.

    Example::

        segmenter = Segmenter(my_function)
        inferencer = RGBDInferencer('light_seg_nyu', segmenter=segmenter)

    Args:
        function: (H, W, 3) uint8 RGB -> (H, W) whole numbers, an array or a tensor. If it has an
            attribute ``classes`` (names), the numbers are indices of them, and the table of classes
            turns them into the 13 ids. Otherwise they are the ids, 0 to 13.
        table: More rows for the table, see :func:`segment_ids`.

    Raises:
        DataError: The function takes no image, or one of its classes has no row.
    """

    def __init__(
        self, function: Callable[..., Any], table: Mapping[str, str] | None = None
    ) -> None:
        check_takes_image(function, _ROLE, {}, _REMEDY)
        self.function = function
        classes = getattr(function, 'classes', None)
        self.ids = np.arange(len(SEGMENT_NAMES), dtype=np.uint8)
        if classes is not None:
            self.ids = segment_ids(classes, getattr(function, 'source', _ROLE), table)
        elif table:
            hint = 'Give the function an attribute classes: the names of its ids'
            raise DataError(_ROLE, 'table', 'a function with classes', 'one without', hint)

    def __call__(self, image: np.ndarray, name: str, size: tuple[int, int]) -> np.ndarray:
        """Segment an image.

        Args:
            image: (H, W, 3) uint8 RGB.
            name: The frame, for errors.
            size: (height, width) of the result, pixels: that of the depth image, which shows the
                same view.

        Returns:
            ``size`` uint8, indices of :data:`~mmssc.dataset_facts.SEGMENT_NAMES`.

        Raises:
            DataError: The image shows another view, or the function fails or returns other values.
        """
        _check_view(image.shape[:2], name, size)
        what = 'the segmentation of the image'
        found = call_on_image(self.function, image, name, _ROLE, what, {})
        if isinstance(found, torch.Tensor):
            found = found.detach().cpu().numpy()
        is_array = isinstance(found, np.ndarray)
        if not is_array or found.dtype.kind not in 'ui' or found.shape != image.shape[:2]:
            expected = f'{image.shape[:2]} whole numbers'
            words = f'{found.dtype} {found.shape}' if is_array else type(found).__name__
            raise DataError(name, _ROLE, expected, words, _REMEDY)
        low, high = int(found.min()), int(found.max())
        if low < 0 or high >= len(self.ids):
            expected = f'ids 0..{len(self.ids) - 1}'
            raise DataError(name, _ROLE, expected, low if low < 0 else high, _REMEDY)
        rows, columns = (
            ((np.arange(new) + 0.5) * old / new).astype(np.int64)
            for new, old in zip(size, found.shape)
        )
        return self.ids[found[rows[:, None], columns]]


def _check_view(shape: tuple[int, ...], name: str, size: tuple[int, int]) -> None:
    """Refuse an image that cannot show the view of the depth image in another resolution."""
    ratio = shape[0] * size[1] / (shape[1] * size[0])
    if abs(ratio - 1) > _RATIO_TOLERANCE:
        expected = f'{size[0]} x {size[1]} as the depth image, or the same view in another size'
        hint = 'Register the colour image with the depth image'
        raise DataError(name, 'image size', expected, f'{shape[0]} x {shape[1]}', hint)


@dataclass(frozen=True)
class SegmenterSource:
    """Where a segmenter comes from: what a command line says, plain values for other processes.

    Args:
        name: Config of mmseg (file or name), or ``'package.module:function'``.
        checkpoint: Weights of the model; None for a function.
        table: JSON file with more rows for the table of classes.
    """

    name: str
    checkpoint: str | None = None
    table: str | None = None

    @classmethod
    def of(cls, args: argparse.Namespace) -> SegmenterSource | None:
        """The segmenter of a command line (``--segmenter`` and its options); None without it."""
        if args.segmenter is None:
            return None
        return cls(args.segmenter, args.segmenter_checkpoint, args.segmenter_table)

    @property
    def files(self) -> list[str]:
        """The files that are read."""
        config = [] if names_function(self.name) else [str(find_mmseg_config(self.name))]
        return [*config, *filter(None, (self.checkpoint, self.table))]

    def load(self, device: str | torch.device | None = None) -> Segmenter:
        """As :func:`load_segmenter`."""
        table = None if self.table is None else read_class_table(self.table)
        return load_segmenter(self.name, self.checkpoint, table, device)


def load_segmenter(
    name: str | PathLike[str],
    checkpoint: str | PathLike[str] | None = None,
    table: Mapping[str, str] | None = None,
    device: str | torch.device | None = None,
) -> Segmenter:
    """Load a model of mmseg, or a function that the user names. A config and a module run code.

    Args:
        name: Config file of mmseg, name of a config that comes with mmseg
            (``'segformer_mit-b0_8xb2-160k_ade20k-512x512'``), or ``'package.module:function'``, see
            :class:`Segmenter`.
        checkpoint: Weights for a config; only weights and plain values are read from it.
        table: More rows for the table of classes, see :func:`segment_ids`.
        device: For a model of mmseg; default: the GPU if there is one.

    Raises:
        DataError: There is no such config or function, the checkpoint is missing or of another
            model, or a class has no row in the table.
    """
    text = str(name)
    if not names_function(text):
        return Segmenter(MMSegModel(text, checkpoint, device), table)
    if checkpoint is not None:
        expected, hint = 'none: the segmenter is a function', 'Leave it out'
        raise DataError('--segmenter-checkpoint', None, expected, checkpoint, hint)
    return Segmenter(load_function(text, '--segmenter'), table)
