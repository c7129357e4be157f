"""Predictions beside the labels, and maps of their errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from mmssc.evaluation.protocols import protocol_masks
from mmssc.evaluation.saved_predictions import SavedPredictions
from mmssc.structures import VoxelGrid

from .bird_eye_view import bird_eye_view
from .panel import compose_panel, draw_depth, draw_legend
from .scene import TRUTH, class_colors
from .voxel_faces import EMPTY, IGNORE_INDEX, visible_faces, visible_labels
from .voxel_renderer import oblique_camera, occupied_boxes, render_faces

__all__ = ['ERRORS', 'draw_comparison', 'draw_saved_frame', 'error_map']

#: Values of an error map; 0, right and empty, is not drawn.
ERRORS = ('empty', 'right', 'wrong class', 'missed', 'invented')
_COLORS = np.array(
    [(255, 255, 255), (196, 202, 208), (240, 160, 32), (38, 110, 200), (214, 39, 40)], np.uint8
)
_NARROWEST, _TILE = 1600, 520


def error_map(
    prediction: np.ndarray, target: np.ndarray, mask: np.ndarray | None = None
) -> np.ndarray:
    """Say of each voxel what is wrong with its prediction.

    Args:
        prediction: Volume of class ids, 0 = empty.
        target: Labels of the same shape, 255 = no label.
        mask: bool, same shape: the voxels that count. ``None``: all.

    Returns:
        uint8, indices of :data:`ERRORS`; 0 where there is no label, too.
    """
    there, found = target != EMPTY, prediction != EMPTY
    errors = np.zeros(target.shape, np.uint8)
    errors[there & found] = 2
    errors[there & (prediction == target)] = 1
    errors[there & ~found] = 3
    errors[~there & found] = 4
    errors[target == IGNORE_INDEX] = 0
    if mask is not None:
        errors[~np.asarray(mask, dtype=bool)] = 0
    return errors


def _picture_of(inputs: Mapping[str, Any]) -> np.ndarray | None:
    """The reference image of a sample, else its depth map, (H, W, 3) uint8 RGB; None without."""
    image, depth = inputs.get('img'), inputs.get('depth')
    if image is not None and image.dtype == torch.uint8:
        return np.ascontiguousarray(image[0].permute(1, 2, 0).numpy())
    return None if depth is None else draw_depth(depth[0].numpy())


def _circle(count: int) -> np.ndarray:
    """(count, 3) uint8 RGB."""
    import matplotlib

    shares = np.linspace(0, 1, count, endpoint=False)
    return np.round(255 * matplotlib.colormaps['hsv'](shares)[:, :3]).astype(np.uint8)


def _fit(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Add white at the sides of a picture that is too tall for a tile (width, height)."""
    height, width = picture.shape[:2]
    missing = max(0, round(height * size[0] / size[1]) - width)
    sides = (missing // 2, missing - missing // 2)
    return np.pad(picture, ((0, 0), sides, (0, 0)), constant_values=255)


def draw_comparison(
    target: np.ndarray,
    predictions: Mapping[str, np.ndarray],
    grid: VoxelGrid,
    meta: Mapping[str, Any],
    title: str,
    image: np.ndarray | None = None,
    mask: np.ndarray | None = None,
) -> np.ndarray:
    """Draw labels and predictions, and below each prediction its errors.

    Args:
        target: (X, Y, Z) labels, 255 = no label.
        predictions: Name -> (X, Y, Z) class ids. Voxels without a label are not drawn.
        grid: The grid of the volumes.
        meta: Metainfo of the data set: ``classes``; ``palette`` (default: the colours of a circle);
            ``roof_classes``, which are not drawn.
        title: Name of the sample.
        image: (H, W, 3) uint8 RGB of the sample; None: the labels from above are drawn instead.
        mask: (X, Y, Z) bool, the voxels that count. ``None``: all.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    classes, colors = class_colors({'palette': _circle(len(meta['classes'])), **meta})
    roof = [classes.index(name) for name in meta.get('roof_classes', ())]
    labelled = target != IGNORE_INDEX
    counted = labelled if mask is None else labelled & np.asarray(mask, dtype=bool)
    volumes = {TRUTH: target, **predictions}
    shown = {name: visible_labels(one, counted, roof) for name, one in volumes.items()}
    width = max(_NARROWEST, _TILE * len(volumes))
    tile = width // len(volumes)
    size = (tile, round(tile * 0.68))
    boxes = [occupied_boxes(volume, grid) for volume in shown.values()]
    camera = oblique_camera(grid, size, content=np.concatenate(boxes))

    def draw(volume: np.ndarray, palette: np.ndarray) -> np.ndarray:
        return render_faces(visible_faces(volume, grid), palette, camera, size, grid)

    def errors(prediction: np.ndarray) -> np.ndarray:
        hidden = np.isin(np.where(target == EMPTY, prediction, target), roof)
        return error_map(prediction, target, counted & ~hidden)

    overview = ('labels from above', bird_eye_view(shown[TRUTH], grid, colors))
    if image is not None:
        overview = ('image', image)
    rows = [
        [(f'{title}  {name}'.strip() if name == TRUTH else name, draw(volume, colors))
         for name, volume in shown.items()],
        [(overview[0], _fit(overview[1], size))]
        + [(f'{name}: errors', draw(errors(volume), _COLORS))
           for name, volume in predictions.items()],
    ]  # fmt: skip
    present = np.unique(np.concatenate([np.unique(one) for one in shown.values()])).tolist()
    legends = (
        draw_legend(classes, colors, width, present),
        draw_legend(ERRORS, _COLORS, width),
    )
    return compose_panel(rows, np.concatenate(legends), width)


def draw_saved_frame(
    saved: SavedPredictions, index: int, names: Sequence[str], protocol: str
) -> np.ndarray:
    """Draw a frame and its saved predictions, see :func:`draw_comparison`.

    Args:
        saved: The predictions.
        index: Of the frame in the data set.
        names: Of each folder of predictions.
        protocol: Its semantic voxels are drawn.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    inputs, sample = saved.load(index)
    target = sample.gt_voxels.numpy()
    volumes = saved.predictions(index, target.shape)
    title = f'{sample.get("sequence", "")}/{sample.get("frame_id", "")}'
    mask, _ = protocol_masks(sample, protocol, f'sample {title}')
    return draw_comparison(
        target,
        dict(zip(names, (volume.numpy() for volume in volumes))),
        VoxelGrid.build(sample.voxel_grid),
        saved.meta,
        title,
        _picture_of(inputs),
        None if mask is None else mask.numpy(),
    )
