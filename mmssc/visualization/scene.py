"""A scene to draw: volumes without the voxels that must be hidden."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmssc.errors import DataError
from mmssc.option_choices import PICTURE_FORMATS as FORMATS
from mmssc.structures import Camera, VoxelGrid

from .bird_eye_view import draw_bird_eye_view
from .html_viewer import TRUTH, PageFrame, write_page
from .mesh_files import write_glb, write_ply
from .panel import (
    add_depth_bar,
    compose_panel,
    draw_depth,
    draw_legend,
    draw_points,
    write_png,
)
from .voxel_faces import EMPTY, IGNORE_INDEX, visible_faces, visible_labels
from .voxel_renderer import oblique_camera, occupied_boxes, render_faces, sensor_camera

__all__ = [
    'FORMATS',
    'PREDICTION',
    'TRUTH',
    'Scene',
    'check_formats',
    'class_colors',
    'scene_paths',
    'write_scenes',
]

PREDICTION = 'prediction'
PANEL_WIDTH = 1600
# Depth of the last colour of points, metres; smaller in a small grid.
FARTHEST = 50.0


def check_formats(
    formats: Sequence[str], source: str = 'formats', field: str | None = None
) -> tuple[str, ...]:
    """Return ``formats`` as a tuple.

    Raises:
        DataError: ``formats`` is empty, or a format is unknown.
    """
    formats = (formats,) if isinstance(formats, str) else tuple(formats)
    unknown = sorted(set(formats) - set(FORMATS))
    if unknown or not formats:
        raise DataError(source, field, f'some of {", ".join(FORMATS)}', unknown or 'none')
    return formats


def scene_paths(
    stem: str | PathLike[str], formats: Sequence[str], volumes: Sequence[str] = (PREDICTION,)
) -> dict[tuple[str, str], Path]:
    """The files that :meth:`Scene.save` writes.

    Args:
        stem: Path without suffix.
        formats: See :meth:`Scene.save`.
        volumes: Names of the volumes.

    Returns:
        (format, name of the volume; empty for a file with all volumes) -> path.

    Raises:
        DataError: ``formats`` is empty, or a format is unknown.
    """
    stem, formats = Path(stem), check_formats(formats)
    paths: dict[tuple[str, str], str] = {}
    for kind in ('png', 'html'):
        if kind in formats:
            paths[kind, ''] = f'{stem.name}.{kind}'
    for number, name in enumerate(volumes):
        base = f'{stem.name}_{name.replace(" ", "_")}' if number else stem.name
        endings = dict(bev='_bev.png', ply='.ply', glb='.glb')
        paths |= {(kind, name): base + endings[kind] for kind in endings if kind in formats}
    return {key: stem.with_name(name) for key, name in paths.items()}


def class_colors(meta: Mapping[str, Any]) -> tuple[tuple[str, ...], np.ndarray]:
    """Class names and (K, 3) uint8 RGB palette from the metainfo of a data set.

    Raises:
        DataError: A class has no colour.
    """
    classes = tuple(meta.get('classes') or ())
    palette = meta.get('palette')
    shape = () if palette is None else np.shape(palette)
    if not classes or shape != (len(classes), 3):
        raise DataError('metainfo', 'palette', f'one RGB colour for each of {len(classes)} classes',
                        f'shape {shape}')  # fmt: skip
    return classes, np.asarray(palette, dtype=np.uint8)


def _to_array(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def _evaluated(sample: Any) -> np.ndarray | None:
    """Voxels that any metric counts or the view gives evidence of, ``None`` if unknown."""
    reach = sample.get('within_reach')
    mask = None if reach is None else _to_array(reach).astype(bool)
    if sample.get('gt_voxels') is not None:
        labelled = _to_array(sample.get('gt_voxels')) != 255
        mask = labelled if mask is None else mask & labelled
    masks = [_to_array(item).astype(bool) for item in (sample.get('eval_masks') or {}).values()]
    if masks:
        union = np.logical_or.reduce(masks)
        mask = union if mask is None else mask & union
    return mask


@dataclass(frozen=True)
class Scene:
    """Everything to draw of one sample.

    Args:
        title: Name of the sample.
        volumes: Name -> uint8 volume over ``grid``; 0 is empty, all other voxels are drawn.
        grid: The grid.
        classes: K names.
        colors: (K, 3) uint8 RGB.
        image: (H, W, 3) uint8 RGB of the reference frame.
        camera: The camera of ``image``: adds a view of the first volume from this camera.
        points: (M, 3) metres in the grid's frame: adds a view of them on the image.
        roof: Classes that views from above leave out, because they cover the rest.
        depth: (H, W) metres along the optical axis, 0 = none: adds a picture of it.
        unlabelled: bool over ``grid``: voxels that have no label, so that the page cannot compare a
            prediction there.
    """

    title: str
    volumes: Mapping[str, np.ndarray]
    grid: VoxelGrid
    classes: tuple[str, ...]
    colors: np.ndarray
    image: np.ndarray | None = None
    camera: Camera | None = None
    points: np.ndarray | None = None
    roof: tuple[int, ...] = ()
    depth: np.ndarray | None = None
    unlabelled: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Mirror a scene in a left-handed frame: everything that draws is right-handed."""
        grid = self.grid
        if not grid.is_left_handed:
            return
        axis = grid.axes.index('y')
        origin = list(grid.origin)
        origin[axis] = -grid.upper[axis]
        mirrored: dict[str, Any] = dict(
            volumes={name: np.flip(volume, axis) for name, volume in self.volumes.items()},
            grid=VoxelGrid(origin, grid.voxel_size, grid.shape, grid.axes, 'lidar'),
        )
        if self.unlabelled is not None:
            mirrored['unlabelled'] = np.flip(self.unlabelled, axis)
        if self.points is not None:
            mirrored['points'] = self.points * np.array([1, -1, 1], self.points.dtype)
        for name, value in mirrored.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_sample(
        cls,
        sample: Any,
        meta: Mapping[str, Any],
        image: np.ndarray | None = None,
        points: np.ndarray | None = None,
        draw_truth: bool = True,
        draw_prediction: bool = True,
        hide_unevaluated: bool = True,
        hidden: Collection[int] = (),
        depth: np.ndarray | None = None,
    ) -> Scene:
        """Collect what to draw of an :class:`~mmssc.structures.SSCDataSample`.

        Args:
            sample: The data sample (or its dict).
            meta: Metainfo of the data set: ``classes`` and ``palette``; ``roof_classes``, names of
                classes that views from above leave out.
            image: (H, W, 3) uint8 RGB of the reference frame.
            points: (M, 3) metres in the grid's frame.
            draw_truth: Draw ``gt_voxels``, if there are any.
            draw_prediction: Draw ``pred_voxels``, if there are any.
            hide_unevaluated: Hide predictions that no metric counts (without a label, or outside
                all ``eval_masks``) or that are outside ``within_reach``. Networks are not trained
                there, so they predict noise.
            hidden: Classes to hide.
            depth: (H, W) metres along the optical axis, 0 = none.

        Raises:
            DataError: There is no volume to draw, or a colour or the grid is missing.
        """
        title = f'{sample.get("sequence", "")}/{sample.get("frame_id", "")}'.strip('/')
        grid = sample.get('voxel_grid')
        if grid is None:
            raise DataError(f'sample {title}', 'voxel_grid', 'the grid of the volumes', 'none')
        mask = _evaluated(sample) if hide_unevaluated else None
        wanted = ((PREDICTION, 'pred_voxels', draw_prediction), (TRUTH, 'gt_voxels', draw_truth))
        volumes = {
            name: visible_labels(_to_array(sample.get(field)), mask, hidden)
            for name, field, draw in wanted
            if draw and sample.get(field) is not None
        }
        if not volumes:
            raise DataError(f'sample {title}', 'pred_voxels', 'a volume to draw', 'none')
        classes, colors = class_colors(meta)
        roof = tuple(classes.index(name) for name in meta.get('roof_classes', ()))
        camera = _camera_of(sample, depth if image is None else image)
        truth = sample.get('gt_voxels')
        unlabelled = None if truth is None else _to_array(truth) == IGNORE_INDEX
        return cls(
            title, volumes, grid, classes, colors, image, camera, points, roof, depth, unlabelled
        )

    def draw(self, width: int = PANEL_WIDTH) -> np.ndarray:
        """Image, depth, camera view, volumes side by side, legend: (H, ``width``, 3) uint8 RGB."""
        below = {n: visible_labels(v, hidden=self.roof) for n, v in self.volumes.items()}
        faces = {name: visible_faces(volume, self.grid) for name, volume in below.items()}
        top = [] if self.image is None else [('image', self.image)]
        if self.depth is not None:
            top.append(('depth', add_depth_bar(self.depth)))
        if self.camera is not None:
            camera = self.camera
            if self.image is not None and self.points is not None:
                side = max(s * n for s, n in zip(self.grid.voxel_size, self.grid.shape))
                reach = min(FARTHEST, 1.5 * side)
                drawn = draw_points(self.image, self.points, camera.ref2cam, camera.cam2img, reach)
                top.append(('points', drawn))
            view = sensor_camera(camera.cam2img, camera.ref2cam, camera.image_size)
            name, volume = next(iter(self.volumes.items()))
            seen = visible_faces(volume, self.grid) if self.roof else faces[name]
            picture = render_faces(seen, self.colors, view, camera.image_size[::-1])
            top.append((f'{name} from the camera', picture))
        tile = width // max(2, len(faces))
        size = (tile, round(tile * 0.68)) if len(faces) > 1 else (width, round(width * 0.6))
        boxes = [occupied_boxes(volume, self.grid) for volume in below.values()]
        view = oblique_camera(self.grid, size, content=np.concatenate(boxes))
        bottom = [
            (name, render_faces(face, self.colors, view, size, self.grid))
            for name, face in faces.items()
        ]
        present = np.unique(np.concatenate([*map(np.unique, self.volumes.values())])).tolist()
        legend = draw_legend(self.classes, self.colors, width, present)
        rows = [row for row in (top, bottom) if row]
        first, picture = rows[0][0]
        rows[0][0] = (f'{self.title}  {first}'.strip(), picture)
        return compose_panel(rows, legend, width)

    def save(self, stem: str | PathLike[str], formats: Sequence[str] = ('png',)) -> list[Path]:
        """Write files, each atomically.

        Args:
            stem: Path without suffix. ``png`` and ``html`` have all volumes in one file; ``bev``,
                ``ply`` and ``glb`` are one file per volume: the first is ``STEM.ply``, the others
                have the volume's name, as in ``STEM_ground_truth.ply``.
            formats: Some of ``png``, ``bev`` (bird's-eye view, PNG), ``ply``, ``glb``, ``html``.

        Returns:
            The files.
        """
        paths = scene_paths(stem, formats, tuple(self.volumes))
        for (kind, name), path in paths.items():
            if kind == 'png':
                write_png(path, self.draw())
            elif kind == 'html':
                write_scenes(path, [self])
            else:
                self._save_volume(path, kind, name)
        return list(paths.values())

    def _save_volume(self, path: Path, kind: str, name: str) -> None:
        volume = self.volumes[name]
        if kind == 'bev':
            below = visible_labels(volume, hidden=self.roof)
            title = self.title if len(self.volumes) < 2 else f'{self.title}  {name}'
            picture = draw_bird_eye_view(
                below, self.grid, self.classes, self.colors, self.camera, title
            )
            write_png(path, picture)
        elif kind == 'ply':
            write_ply(path, visible_faces(volume, self.grid), self.colors, self.grid.frame)
        else:
            write_glb(path, visible_faces(volume, self.grid), self.colors, self.classes)

    def page_frame(self) -> PageFrame:
        """This scene as a frame of a page, see :func:`write_scenes`."""
        volumes = dict(self.volumes)
        if self.unlabelled is not None and TRUTH in volumes:
            volumes[TRUTH] = np.where(self.unlabelled, IGNORE_INDEX, volumes[TRUTH])
        image = self.image
        if image is None and self.depth is not None:
            image = draw_depth(self.depth)
        return PageFrame(self.title, volumes, self.grid, image, self.camera)

    @property
    def is_empty(self) -> bool:
        """Whether there is no voxel to draw."""
        return all(not (volume != EMPTY).any() for volume in self.volumes.values())


def write_scenes(path: str | PathLike[str], scenes: Sequence[Scene]) -> None:
    """Write one HTML page with a slider over several scenes of one data set.

    Args:
        path: Name of the file.
        scenes: The scenes, in the order of the slider; with the same classes and volumes.

    Raises:
        DataError: There is no scene, or scenes have different classes or volumes.
    """
    classes = {scene.classes for scene in scenes}
    if len(classes) != 1:
        found = f'{len(classes)} sets of classes'
        raise DataError(path, 'scenes', 'scenes with the same classes', found)
    first = scenes[0]
    frames = (scene.page_frame() for scene in scenes)
    write_page(path, frames, first.classes, first.colors, first.roof)


def _camera_of(sample: Any, image: np.ndarray | None) -> Camera | None:
    fields = [sample.get(name) for name in ('cam2img', 'lidar2cam', 'img_shape')]
    if any(field is None for field in fields):
        return None
    cam2img, lidar2cam, shape = (_to_array(field) for field in fields)
    if cam2img[0][0] < 0:  # A flipped sample of a training pipeline: no camera sees it.
        return None
    size = shape[:2] if image is None else image.shape[:2]
    return Camera(cam2img, lidar2cam[0], (int(size[0]), int(size[1])))
