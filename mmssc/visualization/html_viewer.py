"""A viewer in one HTML file: open it in any browser, without a server or network.

The sources are in ``viewer/``: a page, a style and JavaScript modules, which :class:`PageFile`
joins into one script. They use plain WebGL 2: the parts of three.js 0.187 that this page needs are
560 kB, ten times as much as the whole viewer, and would replace about 200 lines of it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mmssc.errors import DataError
from mmssc.fileio import atomic_write
from mmssc.formats.volumes import check_class_ids
from mmssc.structures import Camera, VoxelGrid

from .voxel_faces import forward_azimuth, frame_view
from .voxel_renderer import DARKEST_CORNER, FACE_LIGHT, sensor_camera

__all__ = ['TRUTH', 'PageFile', 'PageFrame', 'write_html', 'write_page']

VIEWER = Path(__file__).with_name('viewer')
# Each module imports only from those before it; all share one scope, so names are unique.
MODULES = (
    'geometry', 'volumes', 'mesh', 'layout', 'theme', 'renderer', 'overlay', 'viewer', 'controls',
    'input', 'main',
)  # fmt: skip
IMAGE_WIDTH = 960
TRUTH = 'ground truth'
"""Name of the volume that the page compares the first volume with."""


@dataclass(frozen=True)
class PageFrame:
    """One frame of a page.

    Args:
        title: Name of the frame.
        volumes: Label volumes over ``grid`` by name; 0 = empty, 255 = no label: neither drawn nor
            compared. If the second or a later one is called :data:`TRUTH`, the page also shows the
            difference between the first one and this one.
        grid: The grid.
        image: (H, W, 3) uint8 RGB.
        camera: The camera of ``image``, for the view through it.
    """

    title: str
    volumes: Mapping[str, np.ndarray]
    grid: VoxelGrid
    image: np.ndarray | None = None
    camera: Camera | None = None


def _pack_labels(labels: np.ndarray, grid: VoxelGrid) -> str:
    """A volume as base64 of deflated bytes in C order, axes x, y, z of the frame."""
    volume, _, _ = frame_view(np.asarray(labels, dtype=np.uint8), grid)
    return base64.b64encode(zlib.compress(volume.tobytes(), 9)).decode('ascii')


def _embed_image(image: np.ndarray) -> str:
    picture = Image.fromarray(image)
    picture.thumbnail((IMAGE_WIDTH, IMAGE_WIDTH))
    buffer = io.BytesIO()
    picture.save(buffer, format='JPEG', quality=85)
    return 'data:image/jpeg;base64,' + base64.b64encode(buffer.getvalue()).decode('ascii')


def _sensor(frame: PageFrame) -> dict[str, Any] | None:
    """What distances are measured from: the camera, else the origin of a lidar frame."""
    if frame.camera is not None:
        camera = frame.camera
        view = sensor_camera(camera.cam2img, camera.ref2cam, camera.image_size)
        return dict(name='camera', position=view.eye.tolist())
    return dict(name='lidar', position=[0, 0, 0]) if frame.grid.frame == 'lidar' else None


def _frame_values(frame: PageFrame) -> dict[str, Any]:
    """A frame as the page reads it."""
    grid, camera = frame.grid, frame.camera
    view, origin, voxel_size = frame_view(np.empty(grid.shape, dtype=bool), grid)
    values = None
    if camera is not None:
        cam2img, ref2cam = np.asarray(camera.cam2img), np.asarray(camera.ref2cam)
        size = [int(length) for length in camera.image_size]
        values = dict(cam2img=cam2img[:3, :3].tolist(), ref2cam=ref2cam.tolist(), size=size)
    return dict(
        title=frame.title,
        grid=dict(
            origin=origin.tolist(), voxel_size=voxel_size.tolist(), shape=list(view.shape)
        ),
        forward=forward_azimuth(grid),
        camera=values,
        sensor=_sensor(frame),
        image=None if frame.image is None else _embed_image(frame.image),
        volumes=[
            dict(name=name, labels=_pack_labels(labels, grid))
            for name, labels in frame.volumes.items()
        ],
    )  # fmt: skip


@lru_cache(maxsize=1)
def _script() -> str:
    """The modules as one script: without their imports and exports."""
    texts = [(VIEWER / f'{name}.js').read_text(encoding='utf-8') for name in MODULES]
    joined = re.sub(r"^import [^;]+ from '\./\w+\.js';\n", '', '\n'.join(texts), flags=re.M)
    return '\n' + re.sub(r'^export (?=const|class|function|async)', '', joined, flags=re.M)


def _policy(script: str) -> str:
    """What a browser may do with the page: run this script, and fetch nothing."""
    digest = base64.b64encode(hashlib.sha256(script.encode('utf-8')).digest()).decode('ascii')
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


class PageFile:
    """A self-contained viewer that grows by one frame at a time; several ones get a slider.

    It keeps of a frame only what the page stores: the packed volumes and a small JPEG.

    Args:
        path: Name of the file.
        classes: K names.
        colors: (K, 3) RGB of each class, 0 to 255.
        hidden: Classes that are off at the start.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        classes: Sequence[str],
        colors: np.ndarray,
        hidden: Collection[int] = (),
    ) -> None:
        self.path, self.classes = path, classes
        self.colors, self.hidden = colors, hidden
        self._volumes: tuple[str, ...] = ()
        self._frames: list[dict[str, Any]] = []

    def add(self, frame: PageFrame) -> None:
        """Add a frame, in the order of the slider.

        Raises:
            DataError: It has other volumes than the first frame, or a volume has a class that
                ``classes`` does not have.
        """
        names = tuple(frame.volumes)
        if self._frames and names != self._volumes:
            found = ' and '.join(map(str, sorted({names, self._volumes})))
            raise DataError(self.path, 'frames', 'frames with the same volumes', found)
        for name, labels in frame.volumes.items():
            check_class_ids(labels, len(self.classes), self.path, name)
        self._volumes = names
        self._frames.append(_frame_values(frame))

    def write(self) -> None:
        """Write the page.

        Raises:
            DataError: There is no frame.
        """
        if not self._frames:
            raise DataError(self.path, 'frames', 'frames with the same volumes', 'none')
        scene = dict(
            classes=list(self.classes),
            colors=np.asarray(self.colors).astype(int).tolist(),
            hidden=sorted(self.hidden),
            truth=TRUTH,
            light=FACE_LIGHT.tolist(),
            darkest_corner=float(DARKEST_CORNER),
            frames=self._frames,
        )
        script = _script()
        parts = {
            'POLICY': _policy(script),
            'STYLE': (VIEWER / 'style.css').read_text(encoding='utf-8'),
            'SCRIPT': script,
            # Escape '<', so that no text can end the script element.
            'SCENE': json.dumps(scene, separators=(',', ':')).replace('<', '\\u003c'),
        }
        page = (VIEWER / 'page.html').read_text(encoding='utf-8')
        with atomic_write(self.path, 'w') as file:
            # In one pass: a name of the user's that looks like a place in the page stays as it is.
            file.write(re.sub('__([A-Z]+)__', lambda place: parts[place[1]], page))


def write_page(
    path: str | PathLike[str],
    frames: Iterable[PageFrame],
    classes: Sequence[str],
    colors: np.ndarray,
    hidden: Collection[int] = (),
) -> None:
    """Write a page of one or several frames; see :class:`PageFile`.

    Args:
        path: Name of the file.
        frames: The frames, in the order of the slider.
        classes: K names.
        colors: (K, 3) RGB of each class, 0 to 255.
        hidden: Classes that are off at the start.

    Raises:
        DataError: There is no frame, frames have different volumes, or a volume has a class that
            ``classes`` does not have.
    """
    page = PageFile(path, classes, colors, hidden)
    for frame in frames:
        page.add(frame)
    page.write()


def write_html(
    path: str | PathLike[str],
    volumes: Mapping[str, np.ndarray],
    grid: VoxelGrid,
    classes: Sequence[str],
    colors: np.ndarray,
    title: str = 'mmssc',
    image: np.ndarray | None = None,
    hidden: Collection[int] = (),
    camera: Camera | None = None,
) -> None:
    """Write a page of one frame; see :class:`PageFrame` and :func:`write_page`.

    Args:
        path: Name of the file.
        volumes: Label volumes over ``grid`` by name, e.g. ``prediction`` and ``ground truth``;
            0 = empty, 255 = no label.
        grid: The grid.
        classes: K names.
        colors: (K, 3) RGB of each class, 0 to 255.
        title: Heading.
        image: (H, W, 3) uint8 RGB, shown beside the scene.
        hidden: Classes that are off at the start.
        camera: The camera of ``image``, for the view through it.
    """
    write_page(path, [PageFrame(title, volumes, grid, image, camera)], classes, colors, hidden)
