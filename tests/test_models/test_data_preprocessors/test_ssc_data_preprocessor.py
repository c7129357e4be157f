"""Normalising, stacking and the errors that name a sample."""

import numpy as np
import pytest
import torch

from mmssc.errors import DataError
from mmssc.models.data_preprocessors import SSCDataPreprocessor
from mmssc.parity.reference_fill import integers
from mmssc.structures import SSCDataSample


def _sample(**metainfo):
    camera = dict(cam2img=np.eye(3), lidar2cam=np.stack([np.eye(4)] * 2))
    return SSCDataSample(metainfo={**camera, 'sequence': '00', 'frame_id': '000001', **metainfo})


def _batch(*images, **metainfo):
    samples = [_sample(**metainfo) for _ in images]
    return dict(inputs=dict(img=list(images)), data_samples=samples)


def test_normalised_image_of_the_reference(unit_cases):
    image = integers('image_u8', (376, 1241, 3), 1, 0, 256).astype(np.uint8)[:370, :1220]
    image = torch.from_numpy(image).permute(2, 0, 1)[None]
    result = SSCDataPreprocessor()(_batch(image))['inputs']['img']
    assert result.shape == (1, 1, 3, 370, 1220)
    values = result.flatten()[unit_cases['image/normalised/idx']]
    expected = torch.from_numpy(unit_cases['image/normalised/val'])
    torch.testing.assert_close(values, expected, rtol=1e-6, atol=1e-6)


def test_batch_is_stacked_and_cameras_come_from_the_metainfo():
    image = torch.zeros(2, 3, 4, 5, dtype=torch.uint8)
    data = _batch(image, image)
    data['inputs']['points'] = [torch.zeros(3, 3), torch.zeros(0, 3)]
    data['inputs']['depth'] = [torch.zeros(2, 4, 5), torch.ones(2, 4, 5)]
    inputs = SSCDataPreprocessor()(data)['inputs']
    assert inputs['img'].shape == (2, 2, 3, 4, 5)
    assert inputs['depth'].shape == (2, 2, 4, 5) and inputs['depth'][1].all()
    assert inputs['cam2img'].shape == (2, 3, 3)
    assert inputs['lidar2cam'].shape == (2, 2, 4, 4)
    assert inputs['lidar2cam'].dtype == torch.float64
    assert [len(points) for points in inputs['points']] == [3, 0]


def test_matrices_that_are_given_are_kept():
    data = _batch(torch.zeros(2, 3, 4, 5, dtype=torch.uint8))
    given = torch.full((1, 3, 3), 7.0, dtype=torch.float64)
    data['inputs']['cam2img'] = given
    assert torch.equal(SSCDataPreprocessor()(data)['inputs']['cam2img'], given)


def test_images_of_different_size_name_the_file():
    data = _batch(torch.zeros(1, 3, 4, 5), torch.zeros(1, 3, 4, 6), img_paths=['image_2/7.png'])
    with pytest.raises(DataError, match=r'image_2/7.png.*CropDrivingImages'):
        SSCDataPreprocessor()(data)


def test_missing_camera_names_the_sample():
    data = _batch(torch.zeros(1, 3, 4, 5))
    data['data_samples'] = [SSCDataSample(metainfo=dict(sequence='08', frame_id='000005'))]
    with pytest.raises(DataError, match='08/000005: cam2img'):
        SSCDataPreprocessor()(data)
    with pytest.raises(DataError, match='cam2img'):
        SSCDataPreprocessor()(dict(inputs=dict(img=[torch.zeros(1, 3, 4, 5)])))


def test_a_pipeline_that_packs_nothing_is_named():
    with pytest.raises(DataError, match='pipeline of the data set: expected PackSSCInputs'):
        SSCDataPreprocessor()(dict(frame_id=['000000']))
