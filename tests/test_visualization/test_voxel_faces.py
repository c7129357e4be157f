"""Faces of voxels against a slow count, and what is hidden."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from mmssc.errors import DataError
from mmssc.structures import VoxelGrid
from mmssc.visualization.voxel_faces import (
    FACE_NORMALS,
    face_corners,
    visible_faces,
    visible_labels,
)

SMALL = VoxelGrid((1.0, 2.0, 3.0), (0.5, 0.25, 0.125), (3, 4, 2))


def slow_faces(volume: np.ndarray, between_classes: bool) -> set[tuple[int, ...]]:
    found = set()
    for cell in np.ndindex(volume.shape):
        for direction, normal in enumerate(FACE_NORMALS):
            if not volume[cell]:
                continue
            other = np.add(cell, normal)
            inside = (other >= 0).all() and (other < volume.shape).all()
            neighbour = volume[tuple(other)] if inside else 0
            if neighbour == 0 or (between_classes and neighbour != volume[cell]):
                found.add((*cell, direction, volume[cell]))
    return found


@settings(max_examples=40, deadline=None)
@given(
    volume=st_numpy.arrays(np.uint8, SMALL.shape, elements=st.integers(0, 2)),
    between_classes=st.booleans(),
)
def test_faces_equal_a_voxel_by_voxel_search(volume, between_classes):
    faces = visible_faces(volume, SMALL, between_classes)
    listed = [
        (*voxel, direction, label)
        for voxel, direction, label in zip(
            faces.voxels.tolist(), faces.directions.tolist(), faces.labels.tolist()
        )
    ]
    assert set(listed) == slow_faces(volume, between_classes)
    assert len(listed) == len(set(listed)) == len(faces)


def test_corners_lie_on_the_voxel_and_turn_outwards():
    volume = np.zeros(SMALL.shape, dtype=np.uint8)
    volume[2, 1, 1] = 1
    faces = visible_faces(volume, SMALL)
    corners = face_corners(faces)
    assert corners.shape == (6, 4, 3)
    assert corners.reshape(-1, 3).min(0).tolist() == [2.0, 2.25, 3.125]
    assert corners.reshape(-1, 3).max(0).tolist() == [2.5, 2.5, 3.25]
    turning = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 1])
    normals = turning / np.linalg.norm(turning, axis=1, keepdims=True)
    assert normals.tolist() == FACE_NORMALS[faces.directions].tolist()


def test_axis_order_of_the_grid_is_undone():
    volume = np.zeros((3, 4, 2), dtype=np.uint8)
    volume[2, 1, 0] = 1
    grid = VoxelGrid((30.0, 10.0, 20.0), (3.0, 1.0, 2.0), (3, 4, 2), axes=('z', 'x', 'y'))
    faces = visible_faces(volume, grid)
    assert faces.voxels[0].tolist() == [1, 0, 2]
    assert face_corners(faces).reshape(-1, 3).min(0).tolist() == [11.0, 20.0, 36.0]


def test_openness_falls_in_a_corner():
    volume = np.zeros((5, 5, 3), dtype=np.uint8)
    volume[:, :, 0] = 1
    volume[3, :, 1] = 1
    faces = visible_faces(volume, VoxelGrid((0, 0, 0), 1.0, volume.shape))
    tops = faces.select((faces.directions == 5) & (faces.voxels[:, 2] == 0))
    openness = {
        tuple(voxel[:2]): value for voxel, value in zip(tops.voxels.tolist(), tops.openness)
    }
    assert openness[(0, 2)] == 1.0
    assert openness[(2, 2)] == pytest.approx(1 - 3 / 8)


def test_hides_ignored_unevaluated_and_unwanted_voxels():
    labels = np.array([0, 1, 2, 255, 1, 2], dtype=np.uint8).reshape(1, 2, 3)
    assert visible_labels(labels).flatten().tolist() == [0, 1, 2, 0, 1, 2]
    mask = np.array([1, 1, 0, 1, 1, 1], dtype=bool).reshape(1, 2, 3)
    assert visible_labels(labels, mask, hidden=(1,)).flatten().tolist() == [0, 0, 0, 0, 0, 2]
    assert labels.flatten().tolist() == [0, 1, 2, 255, 1, 2]
    with pytest.raises(DataError, match='mask'):
        visible_labels(labels, mask[0])


def test_refuses_a_volume_of_another_shape():
    with pytest.raises(DataError, match=r'\(3, 4, 2\), found \(2, 2, 2\)'):
        visible_faces(np.zeros((2, 2, 2), dtype=np.uint8), SMALL)
