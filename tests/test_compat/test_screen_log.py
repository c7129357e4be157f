from warnings import warn

import pytest

from mmssc.compat import known_warnings_hidden
from mmssc.evaluation.score_table import is_in_table


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        ('ssc/SC_Precision', True),
        ('ssc/SC_Recall_12.8m', True),
        ('ssc/SSC_other-ground_IoU', True),
        ('SSC_car_IoU_fov', True),
        ('semkitti/val/combined_IoU', True),
        ('ssc/SC_IoU', False),
        ('ssc/SC_IoU_nyu', False),
        ('ssc/SSC_mIoU', False),
        ('ssc/SSC_mIoU_51.2m', False),
        ('det/mAP', False),
        ('time', False),
        ('Epoch(val) [1][3/3]', False),
    ],
)
def test_the_line_of_scores_has_what_the_table_lacks(name, expected):
    assert is_in_table(name) is expected


def test_only_known_warnings_are_hidden():
    with pytest.warns(UserWarning) as seen:
        with known_warnings_hidden():
            warn('Grad strides do not match bucket view strides. This may', stacklevel=1)
            warn('`broadcast_buffers` is deprecated. Use', FutureWarning, stacklevel=1)
            for name in ('scheduler', 'lr_scheduler'):
                text = f'Detected call of `{name}.step()` before `optimizer.step()`. In PyTorch'
                warn(text, stacklevel=1)
            warn('a.png: wrong unit?', stacklevel=1)
        warn('Grad strides do not match bucket view strides.', stacklevel=1)
    assert [str(one.message)[:5] for one in seen] == ['a.png', 'Grad ']
