"""Pictures of label volumes, drawn on the CPU: no display, no OpenGL, no VTK.

Voxel faces towards the camera are filled from back to front. For cubes on a grid
the order "farther along x first, then along y, then along z" is exact: of two cubes in different
slabs the one in the slab nearer to the camera can never be hidden by the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mmssc.structures import VoxelGrid

from .voxel_faces import (
    EMPTY,
    FACE_NORMALS,
    VoxelFaces,
    face_corners,
    forward_azimuth,
    frame_view,
    visible_faces,
)

__all__ = [
    'ViewCamera', 'occupied_boxes', 'oblique_camera', 'render_faces', 'render_voxels',
    'sensor_camera',
]  # fmt: skip

# Light per face direction (-x, +x, -y, +y, -z, +z): tops have exactly the palette colour.
FACE_LIGHT = np.array([0.80, 0.72, 0.66, 0.88, 0.50, 1.00])
DARKEST_CORNER = 0.62
SUPERSAMPLING = 2
SUBPIXEL_BITS = 4
NEAR_PLANE = 0.05
EDGE_FULL_SIZE, EDGE_MIN_SIZE = 16.0, 5.0  # Supersampled pixels along a face.
EDGE_DARKENING = 0.3
FLOOR_COLOR, FRAME_COLOR, SENSOR_COLOR = (238, 240, 243), (176, 182, 190), (60, 66, 76)
_UNIT_BOX = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, 8).T
# Arrow on the floor that ends at the sensor and points along x (metres).
SENSOR_ARROW = np.array([(-0.4, 0.0), (-2.6, 1.0), (-2.1, 0.0), (-2.6, -1.0)])


@dataclass(frozen=True)
class ViewCamera:
    """A virtual perspective camera, not a sensor of the data set.

    Args:
        eye: (3,) position in metres.
        rotation: (3, 3), rows are the right, down and forward directions.
        focal: Focal length in units of the image height.
        center: Principal point, as a share of width and height.
    """

    eye: np.ndarray
    rotation: np.ndarray
    focal: float
    center: tuple[float, float] = (0.5, 0.5)

    def project(self, points: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (..., 2) and depth (...) in metres of points (..., 3); size = (width, height)."""
        local = (points - self.eye) @ self.rotation.T
        depth = local[..., 2]
        scale = self.focal * size[1] / np.maximum(depth, NEAR_PLANE)
        pixels = local[..., :2] * scale[..., None] + np.array(self.center) * size
        return pixels, depth


def _box(grid: VoxelGrid) -> tuple[np.ndarray, np.ndarray]:
    """Origin (3,) and extent (3,) of a grid in metres, x, y, z of the frame."""
    view, origin, voxel_size = frame_view(np.empty(grid.shape, dtype=bool), grid)
    return origin, voxel_size * view.shape


def occupied_boxes(labels: np.ndarray, grid: VoxelGrid) -> np.ndarray:
    """Corners (M, 3) of the boxes around the occupied voxels of each level, metres."""
    volume, origin, voxel_size = frame_view(np.asarray(labels) != EMPTY, grid)
    boxes = [np.empty((0, 3))]
    for level in np.flatnonzero(volume.any((0, 1))):
        voxels = np.argwhere(volume[:, :, level])
        low, high = np.append(voxels.min(0), level), np.append(voxels.max(0), level) + 1
        boxes.append(origin + voxel_size * (low + (high - low) * _UNIT_BOX))
    return np.concatenate(boxes)


def _subpixels(pixels: np.ndarray) -> np.ndarray:
    # In OpenCV, whole numbers are pixel centres; in a projection, they are pixel corners.
    return np.round((pixels - 0.5) * 2**SUBPIXEL_BITS).astype(np.int32)


def _look_along(azimuth: float, elevation: float) -> np.ndarray:
    """Rotation of a camera that looks along an azimuth (from +x to +y), downwards by elevation."""
    forward = np.array(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            -np.sin(elevation),
        ]
    )
    right = np.array([np.sin(azimuth), -np.cos(azimuth), 0.0])
    return np.stack([right, np.cross(forward, right), forward])


def oblique_camera(
    grid: VoxelGrid,
    size: tuple[int, int],
    azimuth: float = 14.0,
    elevation: float = 38.0,
    focal: float = 1.5,
    margin: float = 0.02,
    content: np.ndarray | None = None,
) -> ViewCamera:
    """A camera behind and above the sensor that shows the whole grid, or what is in it.

    Args:
        grid: The grid to show.
        size: (width, height) of the picture.
        azimuth: Viewing direction in degrees, turned from forward (x of a lidar frame, y of a world
            frame) to the left.
        elevation: Degrees below the horizon.
        focal: Focal length in image heights.
        margin: Empty border, as a share of width and height.
        content: (M, 3) points to show besides the footprint of the grid, metres, see
            :func:`occupied_boxes`; None: the whole grid.
    """
    origin, extent = _box(grid)
    corners = origin + extent * _UNIT_BOX
    if content is not None:
        corners = np.concatenate([corners[_UNIT_BOX[:, 2] == 0], content])
    azimuth += forward_azimuth(grid)
    rotation = _look_along(np.deg2rad(azimuth), np.deg2rad(elevation))
    middle = origin + extent / 2
    near, far = 0.5 * np.linalg.norm(extent), 40 * np.linalg.norm(extent)
    for _ in range(50):
        distance = 0.5 * (near + far)
        camera = ViewCamera(middle - distance * rotation[2], rotation, focal)
        pixels, depth = camera.project(corners, size)
        span = np.ptp(pixels, axis=0) / size
        fits = depth.min() > NEAR_PLANE and span.max() <= 1 - 2 * margin
        near, far = (near, distance) if fits else (distance, far)
    camera = ViewCamera(middle - far * rotation[2], rotation, focal)
    pixels, _ = camera.project(corners, size)
    # Shift the principal point so that the box is in the middle of the picture.
    shift = 0.5 - 0.5 * (pixels.min(0) + pixels.max(0)) / size
    return ViewCamera(camera.eye, rotation, focal, (0.5 + shift[0], 0.5 + shift[1]))


def sensor_camera(
    cam2img: np.ndarray, ref2cam: np.ndarray, image_size: tuple[int, int]
) -> ViewCamera:
    """The camera of the data set, to show a volume from the view of the image.

    Args:
        cam2img: (3, 3) intrinsics in pixels; the focal length of v is used for both axes.
        ref2cam: (4, 4) frame of the grid to the camera (x right, y down, z forward).
        image_size: (height, width) of the image in pixels.
    """
    height, width = image_size
    rotation = np.asarray(ref2cam, dtype=np.float64)[:3, :3]
    return ViewCamera(
        eye=-rotation.T @ np.asarray(ref2cam, dtype=np.float64)[:3, 3],
        rotation=rotation,
        focal=float(cam2img[1][1]) / height,
        center=(float(cam2img[0][2]) / width, float(cam2img[1][2]) / height),
    )


def _facing(faces: VoxelFaces, eye: np.ndarray) -> VoxelFaces:
    """Faces towards the camera, from back to front."""
    position = (eye - faces.origin) / faces.voxel_size
    normals = FACE_NORMALS[faces.directions]
    towards = ((position - (faces.voxels + 0.5)) * normals).sum(1) > 0.5
    faces = faces.select(towards)
    distance = np.abs(faces.voxels + 0.5 - position)
    return faces.select(np.lexsort((-distance[:, 2], -distance[:, 1], -distance[:, 0])))


def _shade(faces: VoxelFaces, colors: np.ndarray) -> np.ndarray:
    """(F, 3) uint8: the class colour, darker on the sides and in corners."""
    corner = DARKEST_CORNER + (1 - DARKEST_CORNER) * faces.openness
    light = FACE_LIGHT[faces.directions] * corner
    return np.round(colors[faces.labels] * light[:, None]).astype(np.uint8)


def _draw_floor(canvas: np.ndarray, grid: VoxelGrid, camera: ViewCamera) -> None:
    """Draw the footprint of the grid, so that empty regions are visible too."""
    origin, extent = _box(grid)
    square = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)])
    size = (canvas.shape[1], canvas.shape[0])
    pixels, depth = camera.project(origin + extent * square, size)
    if depth.min() <= NEAR_PLANE:
        return
    corners = _subpixels(pixels)
    cv2.fillConvexPoly(canvas, corners, FLOOR_COLOR, cv2.LINE_AA, SUBPIXEL_BITS)
    cv2.polylines(canvas, [corners], True, FRAME_COLOR, 2, cv2.LINE_AA, SUBPIXEL_BITS)
    if grid.frame == 'lidar':
        arrow = np.column_stack([SENSOR_ARROW, np.full(len(SENSOR_ARROW), origin[2])])
        pixels, depth = camera.project(arrow, size)
        if depth.min() > NEAR_PLANE:
            cv2.fillPoly(canvas, [_subpixels(pixels)], SENSOR_COLOR, cv2.LINE_AA, SUBPIXEL_BITS)


def render_faces(
    faces: VoxelFaces,
    colors: np.ndarray,
    camera: ViewCamera,
    size: tuple[int, int],
    grid: VoxelGrid | None = None,
    background: Sequence[int] = (255, 255, 255),
) -> np.ndarray:
    """Draw faces as a camera sees them.

    Args:
        faces: The faces to draw.
        colors: (K, 3) RGB of each class, 0 to 255.
        camera: The camera.
        size: (width, height) of the picture.
        grid: Draw the footprint of this grid below them.
        background: RGB.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    large = (size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING)
    canvas = np.full((large[1], large[0], 3), background, dtype=np.uint8)
    if grid is not None:
        _draw_floor(canvas, grid, camera)
    faces = _facing(faces, camera.eye)
    pixels, depth = camera.project(face_corners(faces), large)
    inside = (pixels.max(1) > 0).all(1) & (pixels.min(1) < large).all(1)
    keep = inside & (depth.min(1) > NEAR_PLANE)
    faces, pixels, depth = faces.select(keep), pixels[keep], depth[keep]
    shades = _shade(faces, np.asarray(colors, dtype=np.float64))
    extent = camera.focal * large[1] * float(faces.voxel_size.min()) / depth.mean(1)
    strength = np.clip((extent - EDGE_MIN_SIZE) / (EDGE_FULL_SIZE - EDGE_MIN_SIZE), 0, 1)
    edges = (shades * (1 - EDGE_DARKENING * strength[:, None])).astype(np.uint8)
    corners = _subpixels(pixels)
    outlined = (strength > 0).tolist()
    for corner, fill, edge, outline in zip(corners, shades.tolist(), edges.tolist(), outlined):
        cv2.fillConvexPoly(canvas, corner, fill, cv2.LINE_8, SUBPIXEL_BITS)
        if outline:
            cv2.polylines(canvas, [corner], True, edge, 1, cv2.LINE_AA, SUBPIXEL_BITS)
    return cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)


def render_voxels(
    labels: np.ndarray,
    grid: VoxelGrid,
    colors: np.ndarray,
    size: tuple[int, int] = (1280, 800),
    camera: ViewCamera | None = None,
) -> np.ndarray:
    """Draw a label volume; 0 is empty, see ``visible_labels`` for what else to hide.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    camera = camera or oblique_camera(grid, size)
    return render_faces(visible_faces(labels, grid), colors, camera, size, grid)
