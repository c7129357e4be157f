"""What RGBDInferencer says about arguments of the wrong kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_rgbd_inferencer import CAMERA, inferencer, room, small_config  # noqa: F401

from mmssc.apis import RGBDInferencer
from mmssc.errors import DataError


@pytest.mark.parametrize(
    ('changes', 'text'),
    {
        'degrees': (
            dict(height=1.4, tilt=28),
            r'^tilt: expected radians: .*found 28 \(1604 degrees\).*math.radians\(28\)',
        ),
        'height': (dict(height=140), r'^height: expected metres .* found 140. Did you mean 1.4 m'),
        'camera file': (dict(cam2img='camera.txt'), 'cam2img: expected a matrix .* a path: camera'),
        'pose file': (dict(cam2world=Path('p.txt')), 'cam2world: expected a matrix .* a path: p'),
        'rows': (dict(cam2world=[[1], [1, 2]]), 'cam2world: expected .* rows of different lengths'),
        'poses': (dict(cam2world=[np.eye(4)] * 2), r'cam2world, shape: .*\(2, 4, 4\)'),
        'camera files': (dict(cam2img=['a', 'b', 'c', 'd']), 'cam2img: expected finite numbers'),
        'list': (dict(depth=['a.png', 'b.png']), 'depth: expected one file, .* found a list of 2'),
        'crop': (dict(cam2img=(259, 259, 5, 5)), r'give cropped_images=True( |\.|,|$)(?!\()'),
    }.values(),
)  # fmt: skip
def test_a_wrong_argument_is_named(inferencer, room, changes, text):  # noqa: F811
    given = {'depth': room['depth'], 'cam2img': CAMERA, **changes}
    with pytest.raises(DataError, match=text):
        inferencer(**given)


def test_a_row_of_four_numbers_is_a_camera(inferencer, room):  # noqa: F811
    pose = room['cam2world']
    for camera in (list(CAMERA), np.array(CAMERA, np.float32)):
        assert inferencer(room['depth'], camera, pose).pred_voxels.shape == (60, 36, 60)


def test_a_missing_segmentation_names_the_argument(room):  # noqa: F811
    model = RGBDInferencer(small_config('light_seg_nyu'), device='cpu')
    with pytest.raises(DataError, match=r'none\. Give segmentation, or segmenter$'):
        model(room['depth'], CAMERA, room['cam2world'])


def test_masked_depth_is_none(inferencer, room):  # noqa: F811
    depth = room['depth'].copy()
    masked = np.ma.array(depth.copy(), mask=np.zeros(depth.shape, bool))
    masked.mask[:, :60] = True
    depth[:, :60] = 0
    found, expected = (
        inferencer(one, CAMERA, room['cam2world']).pred_voxels for one in (masked, depth)
    )
    assert (found == expected).all()
