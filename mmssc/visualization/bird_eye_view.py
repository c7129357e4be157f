"""Label volumes from straight above."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from mmssc.structures import Camera, VoxelGrid

from .panel import BACKGROUND, FAINT_TEXT, GAP, TEXT, compose_panel, draw_legend, text_font
from .voxel_faces import EMPTY, forward_azimuth, frame_view
from .voxel_renderer import SENSOR_COLOR, sensor_camera

__all__ = ['bird_eye_view', 'draw_bird_eye_view']

LONGEST_SIDE = 600  # Pixels at least, so that a room is not a stamp.
LEFT, RIGHT, TOP, BOTTOM = 48, 26, 30, 76
TICK, TICK_SIZE, MOST_TICKS = 5, 14, 7
ARROW_ROOM = 20  # Below the picture, for a sensor at its lower border.
# Tip and tail of the arrow of the sensor in pixels: ahead, to the left.
ARROW = np.array([(0, 0), (-22, 9), (-17, 0), (-22, -9)])


def bird_eye_view(
    labels: np.ndarray,
    grid: VoxelGrid,
    colors: np.ndarray,
    scale: int = 3,
    background: tuple[int, int, int] = (238, 240, 243),
) -> np.ndarray:
    """Colour every column of voxels by its topmost occupied voxel.

    Args:
        labels: Volume over ``grid``, 0 = empty; see ``visible_labels``.
        grid: The grid.
        colors: (K, 3) RGB of each class, 0 to 255; shown unchanged.
        scale: Pixels per voxel.
        background: RGB of empty columns.

    Returns:
        uint8 RGB, forward is up, left is left: (scale * X, scale * Y, 3) in a lidar frame
        (+x is up, +y left), (scale * Y, scale * X, 3) in a world frame (+y is up, +x right).
    """
    volume, _, _ = frame_view(np.asarray(labels), grid)
    occupied = volume != EMPTY
    top = volume.shape[2] - 1 - occupied[:, :, ::-1].argmax(2)
    ids = np.take_along_axis(volume, top[:, :, None], 2)[:, :, 0]
    picture = np.asarray(colors, dtype=np.uint8)[ids]
    picture[~occupied.any(2)] = background
    picture = picture[::-1, ::-1] if forward_azimuth(grid) == 0 else picture.swapaxes(0, 1)[::-1]
    return np.repeat(np.repeat(picture, scale, 0), scale, 1)


def _tick_step(length: float) -> float:
    """Metres between marks: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(length / MOST_TICKS))
    return next(step for factor in (1, 2, 5, 10) if length / (step := factor * power) <= MOST_TICKS)


class _Plan:
    """Where metres lie in the picture of a grid from above, forward up."""

    def __init__(self, grid: VoxelGrid) -> None:
        volume, origin, size = frame_view(np.empty(grid.shape, dtype=bool), grid)
        upper = origin + size * volume.shape
        self.scale = max(3, -(-LONGEST_SIDE // max(volume.shape[:2])))
        self.is_lidar = forward_azimuth(grid) == 0
        # Per direction of the picture: axis of the frame, metres at the start and the end.
        if self.is_lidar:
            self.right = (1, upper[1], origin[1])
            self.down = (0, upper[0], origin[0])
        else:
            self.right = (0, origin[0], upper[0])
            self.down = (1, upper[1], origin[1])
        self.size = [self.scale * volume.shape[axis] for axis in (self.right[0], self.down[0])]

    def place(self, point: np.ndarray) -> np.ndarray:
        """Pixel (u, v) of a point (x, y, ...) in metres, from the corner of the first voxel."""
        ends = (self.right, self.down)
        shares = [(point[axis] - start) / (end - start) for axis, start, end in ends]
        return np.array(shares) * self.size


def _draw_scale(draw: ImageDraw.ImageDraw, plan: _Plan) -> None:
    """Marks in metres on the left and below, and the names of the axes."""
    width, height = plan.size
    box = (LEFT - 1, TOP - 1, LEFT + width, TOP + height)
    draw.rectangle(box, outline=FAINT_TEXT)
    for (axis, start, end), length, is_across in (
        (plan.right, width, True),
        (plan.down, height, False),
    ):
        step = _tick_step(abs(end - start))
        low, high = sorted((start, end))
        for value in np.arange(np.ceil(low / step - 1e-6), np.floor(high / step + 1e-6) + 1) * step:
            at = (value - start) / (end - start) * length
            text, font = f'{value + 0.0:g}', text_font(TICK_SIZE)  # No minus before 0.
            if is_across:
                u, v = LEFT + at, TOP + height
                draw.line((u, v, u, v + TICK), fill=FAINT_TEXT)
                draw.text((u, v + TICK + ARROW_ROOM), text, fill=TEXT, font=font, anchor='mt')
            else:
                u, v = LEFT, TOP + at
                draw.line((u - TICK, v, u, v), fill=FAINT_TEXT)
                draw.text((u - TICK - 3, v), text, fill=TEXT, font=font, anchor='rm')
        name, font = f'{"xyz"[axis]} (m)', text_font(TICK_SIZE)
        if is_across:
            draw.text((LEFT + width / 2, TOP + height + 60), name, TEXT, font, anchor='mm')
        else:
            draw.text((LEFT, TOP - 8), name, TEXT, font, anchor='mb')


def _draw_sensor(draw: ImageDraw.ImageDraw, plan: _Plan, camera: Camera | None) -> None:
    """An arrow whose tip is the sensor: the camera, else the origin of a lidar frame."""
    if camera is not None:
        view = sensor_camera(camera.cam2img, camera.ref2cam, camera.image_size)
        eye, ahead = view.eye[:2], view.rotation[2, :2]
    elif plan.is_lidar:
        eye, ahead = np.zeros(2), np.array([1.0, 0.0])
    else:
        return
    tip = plan.place(eye)
    direction = plan.place(eye + ahead) - tip
    direction = direction / max(float(np.linalg.norm(direction)), 1e-9)
    left = np.array([direction[1], -direction[0]])
    # A sensor beside the grid is shown at its border.
    tip = np.clip(tip, 0, plan.size) + (LEFT, TOP)
    corners = tip + ARROW @ np.stack([direction, left])
    draw.polygon([tuple(corner) for corner in corners], fill=SENSOR_COLOR, outline=BACKGROUND)


def draw_bird_eye_view(
    labels: np.ndarray,
    grid: VoxelGrid,
    classes: Sequence[str],
    colors: np.ndarray,
    camera: Camera | None = None,
    title: str = '',
) -> np.ndarray:
    """Draw a volume from above with a title, a scale in metres, the sensor and a legend.

    Args:
        labels: Volume over ``grid``, 0 = empty; see ``visible_labels``.
        grid: The grid.
        classes: K names.
        colors: (K, 3) RGB of each class, 0 to 255; shown unchanged.
        camera: The sensor; without one, the sensor is the origin of a lidar frame.
        title: Text above the picture.

    Returns:
        (height, width, 3) uint8 RGB, forward is up.
    """
    plan = _Plan(grid)
    width, height = plan.size
    canvas = Image.new('RGB', (LEFT + width + RIGHT, TOP + height + BOTTOM), BACKGROUND)
    view = bird_eye_view(labels, grid, colors, plan.scale)
    canvas.paste(Image.fromarray(np.ascontiguousarray(view)), (LEFT, TOP))
    draw = ImageDraw.Draw(canvas)
    _draw_scale(draw, plan)
    _draw_sensor(draw, plan, camera)
    panel_width = canvas.width + 2 * GAP
    legend = draw_legend(classes, colors, panel_width, np.unique(labels).tolist())
    return compose_panel([[(title, np.asarray(canvas))]], legend, panel_width)
