"""Matrices that cannot be a camera or a pose are refused with their likely cause."""

from __future__ import annotations

import re

import numpy as np
import pytest

from mmssc.errors import DataError
from mmssc.structures.camera_checks import as_intrinsics, as_pose, check_image_size

K = np.array([[500.0, 0, 320], [0, 510, 240], [0, 0, 1]])
SIZE = (480, 640)
# A turn about two axes, and a shift.
POSE = np.eye(4)
POSE[:3, :3] = [[0.36, 0.48, -0.8], [-0.8, 0.6, 0], [0.48, 0.64, 0.6]]
POSE[:3, 3] = 1, -2, 3


def changed(matrix: np.ndarray, place: object, value: object) -> np.ndarray:
    matrix = matrix.copy()
    matrix[place] = value
    return matrix


def test_right_matrices_are_returned_as_they_are():
    for given in (POSE, POSE.astype(np.float32), POSE[:3], np.stack([POSE, POSE])):
        found = as_pose(given, 'file', 'pose')
        assert found.dtype == np.float64 and np.allclose(found, POSE, atol=1e-6)
    rounded = as_pose(changed(POSE, (3, 0), 1e-9), 'file', 'pose')
    assert rounded[3].tolist() == [0, 0, 0, 1]
    projection = np.pad(K, ((0, 0), (0, 1)))
    for given in (K, K.tolist(), projection):
        assert np.array_equal(as_intrinsics(given, 'file', 'K'), given)
        assert check_image_size(np.asarray(given), SIZE, 'file', 'K') == []


WRONG_POSES = dict(
    transposed=(POSE.T, 'a last row 0 0 0 1, .*looks transposed'),
    columns=(POSE[:3].T.reshape(3, 4), 'a rotation and a shift, .*look like columns'),
    mirrored=(POSE @ np.diag([1.0, 1, -1, 1]), 'mirrors space'),
    scaled=(POSE @ np.diag([1000.0, 1000, 1000, 1]), 'scaled by 1000'),
    few_digits=(changed(POSE, (0, 1), POSE[0, 1] + 0.005), 'write its numbers with six digits'),
    stretched=(POSE @ np.diag([1.0, 2, 1, 1]), 'a rotation and a shift'),
    zeros=(np.zeros((4, 4)), 'a rotation and a shift'),
    last_row=(changed(POSE, (3, 3), 2), 'a last row 0 0 0 1'),
    nan=(changed(POSE, (0, 0), np.nan), 'finite numbers'),
    infinite=(changed(POSE, (0, 3), np.inf), 'finite numbers'),
    shape=(np.eye(3), r'shape \(4, 4\) or \(3, 4\)'),
    text=([['a']], 'a matrix of numbers'),
    second_of_two=(np.stack([POSE, POSE.T]), ', entry 1: .*looks transposed'),
)


@pytest.mark.parametrize(('matrix', 'text'), WRONG_POSES.values(), ids=WRONG_POSES)
def test_wrong_poses(matrix, text):
    with pytest.raises(DataError, match=f'^file: pose.*{text}'):
        as_pose(matrix, 'file', 'pose')


WRONG_INTRINSICS = dict(
    transposed=(K.T, 'a third row 0 0 1, .*looks transposed'),
    scaled=(2 * K, 'a third row 0 0 1'),
    skewed=(changed(K, (0, 1), 5), 'no skew'),
    mixed=(changed(K, (1, 0), 5), 'no skew'),
    opengl=(changed(K, (1, 1), -510), 'positive focal lengths, .*y down'),
    zeros=(np.zeros((3, 3)), 'positive focal lengths'),
    normalised=(np.diag([1 / 640, 1 / 480, 1]) @ K, 'intrinsics in pixels, .*normalised'),
    centred=(changed(K, (slice(2), 2), 0), 'inside the image'),
    four_by_four=(np.pad(K, ((0, 1), (0, 1))), 'first three rows'),
    nan=(changed(K, (0, 0), np.nan), 'finite numbers'),
    twice_as_large=(np.diag([2, 2, 1.0]) @ K, 'inside the image of 640 x 480 .*by about 2'),
    other_format=(np.diag([2, 1.5, 1]) @ K, 'inside the image of 640 x 480'),
    left_of_it=(changed(K, (0, 2), -20), 'inside the image'),
    millimetres_of_lens=(changed(K, (0, 0), 4.2), 'fx and fy that fit'),
)


@pytest.mark.parametrize(('matrix', 'text'), WRONG_INTRINSICS.values(), ids=WRONG_INTRINSICS)
def test_wrong_intrinsics(matrix, text):
    with pytest.raises(DataError, match=f'^file: K: expected .*{text}'):
        check_image_size(as_intrinsics(matrix, 'file', 'K'), SIZE, 'file', 'K')


def remarks_of(matrix: np.ndarray) -> list[str]:
    return check_image_size(as_intrinsics(matrix, 'file', 'K'), SIZE, 'file', 'K')


SUSPICIOUS = dict(
    half=(np.diag([0.5, 0.5, 1]) @ K, 'another size.* Multiply fx, fy, cx, cy by about 2'),
    swapped=(K[[1, 0, 2]][:, [1, 0, 2]], 'Are cx and cy swapped, or is the image turned'),
    flat=(np.diag([1, 0.6, 1]) @ K, 'principal point .* another size'),
    stretched=(changed(K, (0, 0), 1000), 'that was stretched'),
)


@pytest.mark.parametrize(('matrix', 'text'), SUSPICIOUS.values(), ids=SUSPICIOUS)
def test_suspicious_intrinsics_are_said(matrix, text):
    assert any(re.search(text, remark) for remark in remarks_of(matrix))


@pytest.mark.parametrize(
    'numbers', [(240, 320, 585, 580), (320, 240, 585, 580), (585, 320, 580, 240)]
)
def test_numbers_in_another_order_are_named(numbers):
    fx, fy, cx, cy = numbers
    matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    text = 'in another order.* fit as fx = 58[05], fy = 58[05], cx = 320, cy = 240'
    try:
        said = ' '.join(remarks_of(matrix))
    except DataError as error:
        said = str(error)
    assert re.search(text, said)
    assert not any('order' in remark for remark in remarks_of(0.6 * K + np.diag([0, 0, 0.4])))


def test_the_error_says_how_crops_are_given():
    with pytest.raises(DataError, match='cut out of a larger image: give --cropped-images$'):
        check_image_size(2 * K, SIZE, 'file', 'K', 'give --cropped-images')


def test_small_skew_and_rotations_of_three_digits_stay_as_they_are():
    skewed = changed(changed(K, (0, 1), 0.4), (1, 0), -0.01)
    assert np.array_equal(as_intrinsics(skewed, 'file', 'K'), skewed)
    rng = np.random.default_rng(0)
    for _ in range(200):
        rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        rotation *= np.sign(np.linalg.det(rotation))
        pose = np.eye(4)
        pose[:3, :3] = np.round(rotation, 3)
        assert np.array_equal(as_pose(pose, 'file', 'pose'), pose)


@pytest.mark.parametrize(
    ('matrix', 'found'),
    [
        (['a.txt', 'b.txt'], 'a list of text: a.txt ... Read the file first'),
        ('a.txt', 'a path: a.txt. Read the file first'),
        ([[1, 2], [3]], 'rows of different lengths'),
        ([[1, 'x', 3]] * 3, 'text'),
        (None, 'none'),
        ({'fx': 1}, 'other values'),
        ([[True] * 3] * 3, 'True or False'),
    ],
)
def test_what_is_no_matrix_is_said_in_words(matrix, found):
    for check in (as_intrinsics, as_pose):
        with pytest.raises(DataError, match=f'^a.png: cam2img: expected a matrix .*found {found}'):
            check(matrix, 'a.png', 'cam2img')
