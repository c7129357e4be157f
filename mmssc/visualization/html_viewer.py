"""A viewer in one HTML file: open it in any browser, without a server or network."""

from __future__ import annotations

import base64
import io
import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
from PIL import Image

from mmssc.fileio import atomic_write
from mmssc.structures import VoxelGrid

from .voxel_faces import forward_azimuth, frame_view, visible_faces
from .voxel_renderer import DARKEST_CORNER, FACE_LIGHT

__all__ = ['write_html']

TEMPLATE = Path(__file__).with_name('voxel_viewer.html')
IMAGE_WIDTH = 960


def _pack_faces(labels: np.ndarray, grid: VoxelGrid) -> str:
    """Faces as base64 of deflated little-endian uint16: all x, all y, all z, all words.

    A word is ``direction | openness * 8 << 3 | class << 7``.
    """
    faces = visible_faces(labels, grid, between_classes=True)
    openness = np.round(faces.openness * 8).astype(np.int64)
    words = faces.directions | openness << 3 | faces.labels.astype(np.int64) << 7
    columns = np.concatenate([faces.voxels.T, words[None]]).astype('<u2')
    return base64.b64encode(zlib.compress(columns.tobytes(), 9)).decode('ascii')


def _embed_image(image: np.ndarray) -> str:
    picture = Image.fromarray(image)
    picture.thumbnail((IMAGE_WIDTH, IMAGE_WIDTH))
    buffer = io.BytesIO()
    picture.save(buffer, format='JPEG', quality=85)
    return 'data:image/jpeg;base64,' + base64.b64encode(buffer.getvalue()).decode('ascii')


def write_html(
    path: str | PathLike[str],
    volumes: Mapping[str, np.ndarray],
    grid: VoxelGrid,
    classes: Sequence[str],
    colors: np.ndarray,
    title: str = 'mmssc',
    image: np.ndarray | None = None,
    hidden: Collection[int] = (),
) -> None:
    """Write a self-contained viewer: turn, zoom, switch classes and volumes.

    Args:
        path: Name of the file.
        volumes: Label volumes over ``grid`` by name, e.g. ``prediction`` and ``ground truth``;
            0 = empty, see ``visible_labels``.
        grid: The grid.
        classes: K names.
        colors: (K, 3) RGB of each class, 0 to 255.
        title: Heading.
        image: (H, W, 3) uint8 RGB shown in a corner.
        hidden: Classes that are off at the start.
    """
    _, origin, voxel_size = frame_view(np.empty(grid.shape, dtype=bool), grid)
    scene = {
        'title': title,
        'frame': grid.frame,
        'forward': forward_azimuth(grid),
        'hidden': sorted(hidden),
        'origin': origin.tolist(),
        'voxel_size': voxel_size.tolist(),
        'shape': [grid.shape[grid.axes.index(name)] for name in 'xyz'],
        'classes': list(classes),
        'colors': np.asarray(colors).astype(int).tolist(),
        'light': FACE_LIGHT.tolist(),
        'image': None if image is None else _embed_image(image),
        'volumes': [
            {
                'name': name,
                'counts': np.bincount(labels.reshape(-1), minlength=len(classes)).tolist(),
                'faces': _pack_faces(labels, grid),
            }
            for name, labels in volumes.items()
        ],
    }
    # Escape '<', so that no text can end the script element.
    text = json.dumps(scene, separators=(',', ':')).replace('<', '\\u003c')
    page = (
        TEMPLATE.read_text(encoding='utf-8')
        .replace('__NUM_CLASSES__', str(len(classes)))
        .replace('__DARKEST_CORNER__', str(float(DARKEST_CORNER)))
        .replace('__SCENE__', text)
    )
    with atomic_write(path, 'w') as file:
        file.write(page)
