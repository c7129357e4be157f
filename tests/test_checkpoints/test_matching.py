import pytest
import torch
from torch import nn

from mmssc.checkpoints import check_weights
from mmssc.errors import DataError


def test_quantised_weights_are_refused():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    state = {key: value.half() for key, value in model.state_dict().items()}
    check_weights(state, model, 'half.pth')
    state = {key: value.to(torch.int8) for key, value in state.items()}
    with pytest.raises(DataError, match='int8.pth: 0.weight: .* whole numbers .* quantised'):
        check_weights(state, model, 'int8.pth')
    state = {key: value.to(torch.complex64) for key, value in state.items()}
    with pytest.raises(DataError, match='odd.pth: 0.weight: .* complex numbers .* of this config'):
        check_weights(state, model, 'odd.pth')
