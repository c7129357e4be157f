"""Label volumes whose file has its axes in another order."""

import re

import numpy as np
import pytest

from mmssc.datasets.label_axes import check_against_scan, check_axes
from mmssc.errors import DataError


@pytest.fixture
def scan():
    """Ground and a few boxes, in a grid whose axes differ."""
    volume = np.zeros((24, 16, 8), bool)
    volume[:, :, 1] = True
    for x, y in ((3, 2), (9, 11), (20, 5)):
        volume[x : x + 3, y : y + 2, 1:6] = True
    return volume


@pytest.mark.parametrize(
    ('order', 'name'),
    [
        ((2, 1, 0), 'z, y, x'),
        ((2, 0, 1), 'z, x, y'),
        ((0, 2, 1), 'x, z, y'),
        ((1, 2, 0), 'y, z, x'),
    ],
)
def test_an_order_of_the_file_is_named(scan, order, name):
    check_axes('a.label', scan, scan)
    stored = scan.transpose(order).reshape(scan.shape)
    with pytest.raises(DataError, match=f'a.label: axes: .*with .*{name} 100%'):
        check_axes('a.label', stored, scan)


@pytest.mark.parametrize('axis', range(3))
def test_reversed_axes_are_named_as_in_the_grid(scan, axis):
    name = 'xzy'[axis]
    scan[: 24 // 2 - 4] = False
    scan[:, :5] = False
    with pytest.raises(DataError, match=f'{name} reversed 100%'):
        check_axes('a.bin', np.flip(scan, axis), scan, axes='xzy')


def test_swapped_x_and_y_of_a_grid_that_is_not_square(scan):
    scan[:, :, 1] = False
    with pytest.raises(DataError, match='with x and y swapped 100%'):
        check_axes('a.label', scan.transpose(1, 0, 2).reshape(scan.shape), scan)


@pytest.mark.parametrize('axis', range(3))
@pytest.mark.parametrize('shift', [-6, -2, 2, 3])
def test_a_volume_that_is_shifted_is_named(axis, shift):
    scan = np.zeros((48, 40, 32), bool)
    for x, y, z in np.random.default_rng(0).integers(8, 30, (20, 3)).clip(max=21):
        scan[x : x + 2, y : y + 2, z : z + 2] = True
    check_against_scan('a.label', scan, scan)
    moved = f'moved by {-shift:+d} voxels along {"xyz"[axis]} 100%'
    with pytest.raises(DataError, match=f'^a.label: place: .*{re.escape(moved)}'):
        check_against_scan('a.label', np.roll(scan, shift, axis), scan)


@pytest.mark.parametrize('shift', [-3, -2])
def test_a_street_that_was_moved_out_of_the_grid_is_named(scan, shift):
    street = np.roll(scan, shift, 2)
    street[:, :, shift:] = False
    with pytest.raises(DataError, match=rf'a.label: place: .*moved by \{-shift:+d} voxels along z'):
        check_against_scan('a.label', street, scan)


def test_a_volume_without_its_street_is_in_its_place(scan):
    walls = scan.copy()
    walls[:, :, :2] = False
    check_against_scan('a.label', walls, scan)


def test_a_volume_that_fits_no_better_elsewhere_is_in_its_place(scan):
    check_against_scan('a.label', scan & (np.indices(scan.shape).sum(0) % 2 > 0), scan)
    check_against_scan('a.label', np.zeros_like(scan), scan)
    check_against_scan('a.label', scan, np.zeros_like(scan))
    check_against_scan('a.label', np.roll(scan, 1, 0), scan)
