import pytest
import torch
from torch import nn

from mmssc.checkpoints import check_weights
from mmssc.errors import DataError


def test_quantised_weights_are_refused():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    state = {key: value.half() for key, value in model.state_dict().items()}
    check_weights(state, model, 'half.pth')
    # Weights of 8 bits have no isfinite() of their own.
    small = {key: value.to(torch.float8_e5m2) for key, value in state.items()}
    check_weights(small, model, 'small.pth')
    small['0.weight'] = torch.full((2, 2), torch.inf).to(torch.float8_e5m2)
    with pytest.raises(DataError, match='small.pth: 0.weight: expected finite numbers'):
        check_weights(small, model, 'small.pth')
    state = {key: value.to(torch.int8) for key, value in state.items()}
    with pytest.raises(DataError, match='int8.pth: 0.weight: .* whole numbers .* quantised'):
        check_weights(state, model, 'int8.pth')
    state = {key: value.to(torch.complex64) for key, value in state.items()}
    with pytest.raises(DataError, match='odd.pth: 0.weight: .* complex numbers .* of this config'):
        check_weights(state, model, 'odd.pth')


def test_long_names_of_a_file_are_cut():
    model = nn.Linear(2, 2)
    state = {**model.state_dict(), f'start{"x" * 10_000}end': torch.zeros(1)}
    with pytest.raises(DataError, match='startx+[.]{3}x+end') as caught:
        check_weights(state, model, 'a.pth')
    assert len(str(caught.value)) < 500
