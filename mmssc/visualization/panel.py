"""Panels: titles, legend, several views side by side, PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from os import PathLike
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mmssc.fileio import atomic_write

__all__ = [
    'add_depth_bar',
    'compose_panel',
    'draw_depth',
    'draw_legend',
    'draw_points',
    'text_font',
    'write_png',
]

TEXT, FAINT_TEXT, BACKGROUND = (33, 37, 41), (160, 166, 173), (255, 255, 255)
TITLE_HEIGHT, TITLE_SIZE, LEGEND_SIZE, GAP = 34, 19, 17, 12


@lru_cache(maxsize=4)
def text_font(size: int) -> ImageFont.FreeTypeFont:
    """The font of all pictures in a size in pixels.

    Matplotlib contains it, so text looks the same on every machine.
    """
    spec, file = find_spec('matplotlib'), Path('fonts', 'ttf', 'DejaVuSans.ttf')
    # Importing matplotlib takes as long as drawing the picture.
    folder = Path(spec.origin).parent / 'mpl-data' if spec and spec.origin else Path()
    if not (folder / file).is_file():  # Packages of Linux distributions have it elsewhere.
        import matplotlib

        folder = Path(matplotlib.get_data_path())
    return ImageFont.truetype(str(folder / file), size)


def draw_legend(
    classes: Sequence[str],
    colors: np.ndarray,
    width: int,
    present: Sequence[int] | None = None,
    first: int = 1,
) -> np.ndarray:
    """Colour swatches with class names, in as many columns as fit.

    Args:
        classes: K names.
        colors: (K, 3) RGB, 0 to 255.
        width: Width of the picture in pixels.
        present: Classes that occur; names of other classes are pale. ``None``: all occur.
        first: First class to list; 1 leaves out the empty class.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    font, row = text_font(LEGEND_SIZE), LEGEND_SIZE + 11
    entries = range(first, len(classes))
    widest = max((int(font.getlength(classes[index])) for index in entries), default=0)
    cell = widest + LEGEND_SIZE + 30
    columns = max(1, min(len(entries), (width - 2 * GAP) // cell))
    rows = -(-len(entries) // columns) if len(entries) else 0
    picture = Image.new('RGB', (width, rows * row + GAP), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    left = (width - columns * cell) // 2
    for place, index in enumerate(entries):
        x, y = left + place % columns * cell, place // columns * row + 3
        box = (x, y, x + LEGEND_SIZE, y + LEGEND_SIZE)
        draw.rectangle(box, fill=tuple(int(value) for value in colors[index]), outline=FAINT_TEXT)
        shown = present is None or index in present
        draw.text(
            (x + LEGEND_SIZE + 9, y + LEGEND_SIZE // 2),
            classes[index],
            fill=TEXT if shown else FAINT_TEXT,
            font=font,
            anchor='lm',
        )
    return np.asarray(picture)


def draw_points(
    image: np.ndarray, points: np.ndarray, ref2cam: np.ndarray, cam2img: np.ndarray,
    max_depth: float = 50.0,
) -> np.ndarray:  # fmt: skip
    """Draw points on a darkened image, coloured by depth (near red, far blue).

    Args:
        image: (H, W, 3) uint8 RGB.
        points: (M, 3) metres in the reference frame.
        ref2cam: (4, 4) reference frame to the camera.
        cam2img: (3, 3) intrinsics in pixels.
        max_depth: Depth of the last colour in metres.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    height, width = image.shape[:2]
    local = points @ ref2cam[:3, :3].T + ref2cam[:3, 3]
    local = local[local[:, 2] > 0.1]
    pixels = local @ cam2img.T
    pixels = np.round(pixels[:, :2] / pixels[:, 2:]).astype(np.int64)
    inside = ((pixels >= 0) & (pixels < (width, height))).all(1)
    pixels, depth = pixels[inside], local[inside, 2]
    order = np.argsort(-depth)
    pixels, depth = pixels[order], depth[order]
    share = np.clip(255 * (1 - depth / max_depth), 0, 255).astype(np.uint8)
    colors = cv2.applyColorMap(share[:, None], cv2.COLORMAP_TURBO)[:, 0, ::-1]
    picture = (image * 0.45).astype(np.uint8)
    for step_u, step_v in ((0, 0), (1, 0), (0, 1), (1, 1)):
        u = np.minimum(pixels[:, 0] + step_u, width - 1)
        v = np.minimum(pixels[:, 1] + step_v, height - 1)
        picture[v, u] = colors
    return picture


def draw_depth(depth: np.ndarray, max_depth: float | None = None) -> np.ndarray:
    """Colour a depth map (near red, far blue, none black).

    Args:
        depth: (H, W) metres; 0, negative or not finite = none.
        max_depth: Depth of the last colour in metres; None: the 99th percentile.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    known = np.isfinite(depth) & (depth > 0)
    depth = np.where(known, depth, 0)
    max_depth = max_depth or _last_depth(depth)
    share = np.clip(255 * (1 - depth / max_depth), 0, 255).astype(np.uint8)
    return cv2.applyColorMap(share, cv2.COLORMAP_TURBO)[..., ::-1] * known[..., None]


def _last_depth(depth: np.ndarray) -> float:
    known = depth[np.isfinite(depth) & (depth > 0)]
    return float(np.percentile(known, 99)) if known.size else 1.0


def add_depth_bar(depth: np.ndarray) -> np.ndarray:
    """Colour a depth map as :func:`draw_depth` does, with a bar of the colours in metres.

    Args:
        depth: (H, W) metres; 0, negative or not finite = none.

    Returns:
        (H, W + bar, 3) uint8 RGB.
    """
    height, width = depth.shape
    last, size = _last_depth(depth), max(10, height // 22)
    # From far (top) to near; 0 would be black.
    ramp = np.linspace(last, last / height, height)[:, None]
    picture = Image.new('RGB', (width + 6 * size, height), BACKGROUND)
    picture.paste(Image.fromarray(draw_depth(depth, last)))
    picture.paste(Image.fromarray(draw_depth(np.tile(ramp, size), last)), (width + size // 2, 0))
    draw = ImageDraw.Draw(picture)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        place = (width + 2 * size, size // 2 + (1 - share) * (height - size))
        draw.text(place, f'{share * last:.1f} m', fill=TEXT, font=text_font(size), anchor='lm')
    return np.asarray(picture)


def _titled(title: str, picture: np.ndarray, width: int) -> np.ndarray:
    """Scale a picture to a width and put its title above it."""
    height = round(picture.shape[0] * width / picture.shape[1])
    method = cv2.INTER_AREA if width < picture.shape[1] else cv2.INTER_CUBIC
    if (height, width) != picture.shape[:2]:
        picture = cv2.resize(picture, (width, height), interpolation=method)
    head = Image.new('RGB', (width, TITLE_HEIGHT), BACKGROUND)
    ImageDraw.Draw(head).text(
        (4, TITLE_HEIGHT // 2), title, fill=TEXT, font=text_font(TITLE_SIZE), anchor='lm'
    )
    return np.concatenate([np.asarray(head), picture])


def compose_panel(
    rows: Sequence[Sequence[tuple[str, np.ndarray]]],
    legend: np.ndarray | None = None,
    width: int = 1600,
) -> np.ndarray:
    """Put pictures with titles into rows as wide as the panel, and the legend below.

    Args:
        rows: Per row, its ``(title, (H, W, 3) uint8 RGB)``; empty rows are left out.
        legend: A picture of the panel's width, see :func:`draw_legend`.
        width: Width of the panel in pixels.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    bands = []
    for row in rows:
        if not row:
            continue
        cell = (width - GAP * (len(row) + 1)) // len(row)
        tiles = [_titled(title, picture, cell) for title, picture in row]
        band = np.full((max(len(tile) for tile in tiles) + GAP, width, 3), BACKGROUND, np.uint8)
        for place, tile in enumerate(tiles):
            left = GAP + place * (cell + GAP)
            band[: len(tile), left : left + cell] = tile
        bands.append(band)
    if legend is not None:
        bands.append(legend)
    return np.concatenate(bands)


def write_png(path: str | PathLike[str], picture: np.ndarray) -> None:
    """Write a (H, W, 3) uint8 RGB picture, atomically."""
    with atomic_write(path) as file:
        Image.fromarray(picture).save(file, format='PNG')
