"""Label volumes as meshes: PLY (one coloured mesh) and GLB (one object per class).

Both have two triangles or one square per visible voxel face. MeshLab, Blender, CloudCompare and
other viewers open them.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np

from mmssc.fileio import atomic_write

from .voxel_faces import FACE_NORMALS, VoxelFaces, face_corners

__all__ = ['write_glb', 'write_ply']

PLY_HEADER = """ply
format binary_little_endian 1.0
comment metres, x y z of the {frame} frame
element vertex {vertices}
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
property uchar class
element face {faces}
property list uchar int vertex_indices
end_header
"""

GLB_MAGIC, GLB_VERSION, JSON_CHUNK, BINARY_CHUNK = 0x46546C67, 2, 0x4E4F534A, 0x004E4942
FLOAT, UNSIGNED_INT = 5126, 5125
VERTEX_BUFFER, INDEX_BUFFER = 34962, 34963
# glTF is y-up: (x, y, z) of a z-up frame becomes (x, z, -y). Column-major.
Z_UP_TO_Y_UP = [1, 0, 0, 0, 0, 0, -1, 0, 0, 1, 0, 0, 0, 0, 0, 1]


def write_ply(
    path: str | PathLike[str], faces: VoxelFaces, colors: np.ndarray, frame: str = 'lidar'
) -> None:
    """Write faces as a binary PLY mesh of coloured squares, 4 vertices each.

    Args:
        path: Name of the file.
        faces: The faces.
        colors: (K, 3) RGB of each class, 0 to 255.
        frame: Name of the coordinate frame, for the header.
    """
    count = len(faces)
    vertices = np.zeros(4 * count, dtype=[('position', '<f4', 3), ('color', 'u1', 3), ('id', 'u1')])
    vertices['position'] = face_corners(faces).reshape(-1, 3)
    vertices['id'] = np.repeat(faces.labels, 4)
    vertices['color'] = np.asarray(colors, dtype=np.uint8)[vertices['id']]
    squares = np.zeros(count, dtype=[('count', 'u1'), ('index', '<i4', 4)])
    squares['count'] = 4
    squares['index'] = np.arange(4 * count).reshape(-1, 4)
    header = PLY_HEADER.format(frame=frame, vertices=len(vertices), faces=count)
    with atomic_write(path) as file:
        file.write(header.encode('ascii'))
        file.write(vertices.tobytes())
        file.write(squares.tobytes())


def _linear(color: np.ndarray) -> list[float]:
    """Convert sRGB 0 to 255 to the linear 0 to 1 of glTF materials."""
    value = np.asarray(color, dtype=np.float64) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return [*linear.round(6).tolist(), 1.0]


class _GlbBuilder:
    """Collects buffers and the JSON that describes them."""

    def __init__(self) -> None:
        self.binary = bytearray()
        self.tree: dict[str, Any] = {
            'asset': {'version': '2.0', 'generator': 'mmssc'},
            'scene': 0,
            'scenes': [{'nodes': [0]}],
            'nodes': [{'name': 'voxels', 'matrix': Z_UP_TO_Y_UP, 'children': []}],
            'meshes': [],
            'materials': [],
            'accessors': [],
            'bufferViews': [],
        }

    def add_array(self, array: np.ndarray, kind: str, target: int, bounds: bool = False) -> int:
        views, accessors = self.tree['bufferViews'], self.tree['accessors']
        views.append(
            {
                'buffer': 0,
                'byteOffset': len(self.binary),
                'byteLength': array.nbytes,
                'target': target,
            }
        )
        self.binary += array.tobytes()
        accessor = {
            'bufferView': len(views) - 1,
            'componentType': UNSIGNED_INT if array.dtype == np.uint32 else FLOAT,
            'count': len(array) if kind == 'VEC3' else array.size,
            'type': kind,
        }
        if bounds:
            accessor['min'], accessor['max'] = array.min(0).tolist(), array.max(0).tolist()
        accessors.append(accessor)
        return len(accessors) - 1

    def add_object(self, name: str, faces: VoxelFaces, color: np.ndarray) -> None:
        corners = face_corners(faces).reshape(-1, 3).astype('<f4')
        normals = np.repeat(FACE_NORMALS[faces.directions], 4, axis=0).astype('<f4')
        first = 4 * np.arange(len(faces), dtype='<u4')[:, None]
        triangles = (first + np.array([0, 1, 2, 0, 2, 3], dtype='<u4')).reshape(-1)
        attributes = {
            'POSITION': self.add_array(corners, 'VEC3', VERTEX_BUFFER, bounds=True),
            'NORMAL': self.add_array(normals, 'VEC3', VERTEX_BUFFER),
        }
        indices = self.add_array(triangles, 'SCALAR', INDEX_BUFFER)
        tree = self.tree
        surface = {'baseColorFactor': _linear(color), 'metallicFactor': 0, 'roughnessFactor': 1}
        tree['materials'].append({'name': name, 'pbrMetallicRoughness': surface})
        number = len(tree['meshes'])
        primitive = {'attributes': attributes, 'indices': indices, 'material': number}
        tree['meshes'].append({'name': name, 'primitives': [primitive]})
        tree['nodes'].append({'name': name, 'mesh': number})
        tree['nodes'][0]['children'].append(len(tree['nodes']) - 1)

    def to_bytes(self) -> bytes:
        tree = {key: value for key, value in self.tree.items() if value != []}
        if self.binary:
            tree['buffers'] = [{'byteLength': len(self.binary)}]
        else:
            tree['nodes'][0].pop('children')
        text = json.dumps(tree, separators=(',', ':')).encode()
        text += b' ' * (-len(text) % 4)
        chunks = struct.pack('<II', len(text), JSON_CHUNK) + text
        if self.binary:
            chunks += struct.pack('<II', len(self.binary), BINARY_CHUNK) + bytes(self.binary)
        return struct.pack('<III', GLB_MAGIC, GLB_VERSION, 12 + len(chunks)) + chunks


def write_glb(
    path: str | PathLike[str], faces: VoxelFaces, colors: np.ndarray, classes: Sequence[str]
) -> None:
    """Write faces as binary glTF 2.0: one named object and one material per class, metres, y up.

    Args:
        path: Name of the file.
        faces: The faces.
        colors: (K, 3) sRGB of each class, 0 to 255.
        classes: K names.
    """
    builder = _GlbBuilder()
    for index in np.unique(faces.labels).tolist():
        builder.add_object(classes[index], faces.select(faces.labels == index), colors[index])
    with atomic_write(path) as file:
        file.write(builder.to_bytes())
