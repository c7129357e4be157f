"""Label volumes whose file has its axes in another order."""

import numpy as np
import pytest

from mmssc.datasets.label_axes import check_axes
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
