"""Counts of one are singular, where commands print them."""

from __future__ import annotations

import numpy as np
import pytest

from mmssc.formats.volumes import describe_ids

ROOMS = ('--layout', 'nyu', '--frames', 1, 1, '--grid-shape', 20, 12, 20, '--voxel-size', 0.24,
         '--image-size', 24, 32, '--workers', 0)  # fmt: skip
STREET = ('--sequences', '08', '--frames', 1, '--grid-shape', 32, 32, 8, '--workers', 0)


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (ROOMS, '1 room to train and 1 to test are in '),
        (STREET, '1 sequence of 1 frame is in '),
    ],
)
def test_synthetic_data(tool_in_process, tmp_path, options, text):
    status, printed = tool_in_process('dataset_converters/make_synthetic.py')(
        *options, '--out', tmp_path / 'data'
    )
    assert status == 0 and text in printed


def test_ids():
    assert describe_ids(np.array([9, 17, 17])) == '17 (2 voxels), 9 (1 voxel)'
    assert describe_ids(np.arange(6)).endswith(' and 1 other id')
