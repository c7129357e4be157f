"""PLY and GLB files are read back with parsers of our own."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

from mmssc.visualization import visible_faces, visible_labels, write_glb, write_ply
from mmssc.visualization.voxel_faces import face_corners


def parse_ply(path: Path) -> tuple[np.ndarray, np.ndarray]:
    header, body = path.read_bytes().split(b'end_header\n', 1)
    lines = header.decode('ascii').splitlines()
    assert lines[:2] == ['ply', 'format binary_little_endian 1.0']
    counts = {line.split()[1]: int(line.split()[2]) for line in lines if line.startswith('element')}
    kinds = {'float': '<f4', 'uchar': 'u1'}
    names = [line.split()[1:] for line in lines if line.startswith('property ')]
    vertex = np.dtype([(name[1], kinds[name[0]]) for name in names if name[0] != 'list'])
    face = np.dtype([('count', 'u1'), ('index', '<i4', 4)])
    vertices = np.frombuffer(body, vertex, counts['vertex'])
    faces = np.frombuffer(body, face, counts['face'], vertices.nbytes)
    assert len(body) == vertices.nbytes + faces.nbytes
    return vertices, faces


def parse_glb(path: Path) -> tuple[dict, bytes]:
    data = path.read_bytes()
    magic, version, length = struct.unpack_from('<III', data)
    assert (magic, version, length) == (0x46546C67, 2, len(data))
    size, kind = struct.unpack_from('<II', data, 12)
    assert kind == 0x4E4F534A and size % 4 == 0
    tree = json.loads(data[20 : 20 + size])
    rest = data[20 + size :]
    if not rest:
        return tree, b''
    binary_size, kind = struct.unpack_from('<II', rest)
    assert kind == 0x004E4942 and binary_size == len(rest) - 8 and binary_size % 4 == 0
    return tree, rest[8:]


def read_accessor(tree: dict, binary: bytes, index: int) -> np.ndarray:
    accessor = tree['accessors'][index]
    view = tree['bufferViews'][accessor['bufferView']]
    width = {'SCALAR': 1, 'VEC3': 3}[accessor['type']]
    kind = {5125: '<u4', 5126: '<f4'}[accessor['componentType']]
    count = accessor['count'] * width
    array = np.frombuffer(binary, kind, count, view['byteOffset'])
    assert array.nbytes == view['byteLength']
    return array.reshape(-1, width)


def test_ply_holds_every_face_with_its_colour_and_class(tmp_path, grid, labels, meta):
    faces = visible_faces(visible_labels(labels), grid)
    write_ply(tmp_path / 'scene.ply', faces, meta['palette'])
    vertices, squares = parse_ply(tmp_path / 'scene.ply')
    assert len(squares) == len(faces) and len(vertices) == 4 * len(faces)
    assert (squares['count'] == 4).all()
    points = np.stack([vertices[axis] for axis in 'xyz'], 1)
    np.testing.assert_allclose(points[squares['index']], face_corners(faces), atol=1e-6)
    colors = np.stack([vertices[name] for name in ('red', 'green', 'blue')], 1)
    assert (vertices['class'].reshape(-1, 4) == faces.labels[:, None]).all()
    assert (colors == np.array(meta['palette'])[vertices['class']]).all()


def test_glb_holds_one_object_per_class(tmp_path, grid, labels, meta):
    faces = visible_faces(visible_labels(labels), grid)
    write_glb(tmp_path / 'scene.glb', faces, np.array(meta['palette']), meta['classes'])
    tree, binary = parse_glb(tmp_path / 'scene.glb')
    assert tree['buffers'] == [{'byteLength': len(binary)}]
    nodes = [tree['nodes'][index] for index in tree['nodes'][0]['children']]
    assert [node['name'] for node in nodes] == ['car', 'road', 'pole']
    for node in nodes:
        mesh = tree['meshes'][node['mesh']]
        primitive = mesh['primitives'][0]
        label = meta['classes'].index(node['name'])
        corners = read_accessor(tree, binary, primitive['attributes']['POSITION'])
        normals = read_accessor(tree, binary, primitive['attributes']['NORMAL'])
        triangles = read_accessor(tree, binary, primitive['indices']).reshape(-1, 3)
        expected = faces.select(faces.labels == label)
        assert len(triangles) == 2 * len(expected)
        np.testing.assert_allclose(corners, face_corners(expected).reshape(-1, 3), atol=1e-6)
        # glTF takes counter-clockwise triangles as seen from outside.
        a, b, c = (corners[triangles[:, n]] for n in range(3))
        turning = np.cross(b - a, c - a)
        assert (np.einsum('ij,ij->i', turning, normals[triangles[:, 0]]) > 0).all()
        accessor = tree['accessors'][primitive['attributes']['POSITION']]
        assert accessor['min'] == corners.min(0).tolist()
        assert accessor['max'] == corners.max(0).tolist()
        color = tree['materials'][primitive['material']]['pbrMetallicRoughness']['baseColorFactor']
        srgb = [255 * (12.92 * v if v < 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055)
                for v in color[:3]]  # fmt: skip
        np.testing.assert_allclose(srgb, meta['palette'][label], atol=0.05)


def test_glb_is_y_up(tmp_path, grid, labels, meta):
    faces = visible_faces(visible_labels(labels), grid)
    write_glb(tmp_path / 'scene.glb', faces, np.array(meta['palette']), meta['classes'])
    tree, _ = parse_glb(tmp_path / 'scene.glb')
    matrix = np.array(tree['nodes'][0]['matrix']).reshape(4, 4).T
    assert (matrix @ [0, 0, 1, 1]).tolist() == [0, 1, 0, 1]
    assert np.linalg.det(matrix) == 1


def test_an_empty_scene_gives_valid_files(tmp_path, grid, meta):
    faces = visible_faces(np.zeros(grid.shape, dtype=np.uint8), grid)
    write_ply(tmp_path / 'scene.ply', faces, meta['palette'])
    write_glb(tmp_path / 'scene.glb', faces, np.array(meta['palette']), meta['classes'])
    assert len(parse_ply(tmp_path / 'scene.ply')[1]) == 0
    tree, binary = parse_glb(tmp_path / 'scene.glb')
    assert binary == b'' and 'meshes' not in tree and 'buffers' not in tree
