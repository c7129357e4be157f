"""Label volumes whose file has its axes in another order."""

import numpy as np
import pytest

from mmssc.errors import DataError
from mmssc.inspection.label_checks import check_axes


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
    with pytest.raises(DataError, match=f'a.label: axes: .*axes stored as {name} 100%'):
        check_axes('a.label', stored, scan)
