import io
import logging
from warnings import warn

import pytest
import torch
from mmengine.runner.checkpoint import load_state_dict

from mmssc.compat import known_warnings_hidden
from mmssc.compat.screen_log import _ShortMessages
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


def test_weights_that_do_not_match_are_counted():
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 4), torch.nn.ReLU())
    state = {'0.weight': torch.zeros(5, 2), '0.bias': torch.zeros(3), 'other.a': torch.zeros(1)}
    screen, file = io.StringIO(), io.StringIO()
    logger = logging.Logger('weights')
    plain = logging.Formatter()
    for stream, formatter in ((screen, _ShortMessages(plain, is_in_table)), (file, plain)):
        handler = logging.StreamHandler(stream)
        handler.setFormatter(formatter)
        logger.addHandler(handler)
    load_state_dict(model, state, strict=False, logger=logger)
    assert screen.getvalue() == (
        'Weights that do not match: 1 with other sizes, 1 not in the model, 2 not in the '
        'checkpoint. The log file lists them\n'
    )
    listed = file.getvalue()
    assert all(name in listed for name in ('size mismatch for 0.weight', '1.bias', 'other.a'))


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


def test_the_same_advice_on_loader_workers_comes_once():
    with pytest.warns(UserWarning) as seen, known_warnings_hidden():
        for number in (98, 98, 99):
            text = f'This DataLoader will create {number} worker processes in total. Our suggested'
            warn(text, stacklevel=1)
    assert [str(one.message)[28:30] for one in seen] == ['98', '99']
