"""Files of torch.save: what read_torch_file gives is what torch.load gives."""

from __future__ import annotations

import io
import subprocess
import sys
from collections import Counter, OrderedDict, defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_archives import Calls, StorageId, pickled, write_legacy

from mmssc.errors import DataError
from mmssc.formats.torch_file import read_torch_file

DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32,
    torch.int16, torch.int8, torch.uint8, torch.bool, torch.complex64, torch.complex128,
]  # fmt: skip
FORMATS = [(False, 2), (False, 3), (False, 4), (True, 2)]
ALL_FORMATS = pytest.mark.parametrize('legacy, protocol', FORMATS)


def stored(value, legacy: bool = False, protocol: int = 2) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(value, file, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
    file.seek(0)
    return file


def assert_same(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, torch.Tensor):
        assert found.dtype == expected.dtype and found.shape == expected.shape
        assert found.stride() == expected.stride()
        assert found.requires_grad == expected.requires_grad
        assert torch.equal(found, expected)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            assert_same(found[key], expected[key])
        assert getattr(found, '_metadata', None) == getattr(expected, '_metadata', None)
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for one, other in zip(found, expected):
            assert_same(one, other)
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected


class TiedModel(torch.nn.Module):
    """A model whose state has versions, a buffer of truth values and tied weights."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)
        self.two.weight = self.one.weight
        self.norm = torch.nn.BatchNorm1d(3)
        self.register_buffer('mask', torch.tensor([True, False]))


def everything() -> dict:
    torch.manual_seed(0)
    model = TiedModel()
    optimizer = torch.optim.AdamW(model.parameters())
    model.norm(model.two(model.one(torch.rand(4, 3)))).sum().backward()
    optimizer.step()
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 4])
    base = torch.arange(24.0)
    return dict(
        state_dict=model.state_dict(),
        optimizer=optimizer.state_dict(),
        milestones=schedule.state_dict()['milestones'],
        parameter=torch.nn.Parameter(torch.rand(2)),
        frozen=torch.nn.Parameter(torch.rand(2), requires_grad=False),
        learns=torch.rand(2, requires_grad=True),
        tensors=[torch.ones(2, 3).to(dtype) for dtype in DTYPES],
        empty=[torch.zeros(0), torch.zeros(3, 0, 2), torch.tensor(3.5)],
        views=[base[4:9], base.reshape(4, 6).t(), base[::5], base.reshape(2, 3, 4)[:, 1]],
        numbers=[np.float64(0.5), np.float32(0.5), np.int64(-3), np.bool_(True), np.uint8(7)],
        arrays=[np.arange(6).reshape(2, 3), np.asfortranarray(np.ones((2, 3), np.float32))],
        plain=[None, True, 0, -1, 300, 70000, 2**40, -(2**63), 1.5, 2 + 1j],
        texts=['text', 'ä\n', b'\0\xff'],
        containers=[(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], {}, {1: 'a', None: 'b'}],
        torch=[torch.float32, torch.device('cpu'), torch.device('cuda', 1), torch.Size([2, 3])],
        ordered=OrderedDict(b=1, a=2),
        counter=Counter('aab'),
        set={'a', 'b', 3},
    )  # fmt: skip


@ALL_FORMATS
def test_all_that_checkpoints_hold_comes_back(legacy, protocol):
    value = everything()
    found = read_torch_file(stored(value, legacy, protocol))
    for key in value:
        assert_same(found[key], value[key])
    # Tied weights stay tied, and views of one storage stay views of one.
    state = found['state_dict']
    assert state['one.weight'].data_ptr() == state['two.weight'].data_ptr()
    found['views'][0].fill_(-1)
    assert found['views'][1][4, 0] == -1
    # The state fits a model, versions included.
    model = TiedModel()
    model.load_state_dict(state)
    assert state._metadata['norm'] == {'version': 2}


@ALL_FORMATS
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_tensor_comes_back_as_torch_gives_it(legacy, protocol, data):
    shape = data.draw(st.lists(st.integers(0, 4), max_size=4))
    dtype = data.draw(st.sampled_from(DTYPES))
    tensor = torch.arange(int(np.prod(shape))).reshape(shape).to(dtype)
    for axis in range(len(shape)):
        if data.draw(st.booleans()):
            tensor = tensor.narrow(axis, shape[axis] // 2, shape[axis] - shape[axis] // 2)
    if len(shape) > 1 and data.draw(st.booleans()):
        tensor = tensor.transpose(0, -1)
    values = [tensor, tensor[..., None]]
    found = read_torch_file(stored(values, legacy, protocol))
    assert len(found) == 2
    for one, other in zip(found, values):
        assert one.dtype == other.dtype and one.shape == other.shape
        assert torch.equal(one, other)
        assert one.storage_offset() == other.storage_offset() or not other.numel()
    if protocol == 2:
        expected = torch.load(stored(values, legacy), weights_only=True)
        assert all(torch.equal(one, other) for one, other in zip(found, expected))


def can_be_stored(tensor) -> bool:
    """Older versions of torch have types that they cannot store."""
    try:
        torch.save(tensor, io.BytesIO())
    except KeyError:
        return False
    return True


def test_types_without_a_storage_class_come_back():
    names = [name for name in ('float8_e4m3fn', 'uint16') if hasattr(torch, name)]
    tensors = [torch.ones(3).to(getattr(torch, name)) for name in names]
    tensors = [tensor for tensor in tensors if can_be_stored(tensor)]
    assert len(tensors) == 2 or torch.__version__ < '2.6'
    loaded = read_torch_file(stored(tensors))
    assert len(loaded) == len(tensors)
    for found, expected in zip(loaded, tensors):
        assert found.dtype == expected.dtype
        assert torch.equal(found.float(), expected.float())


@ALL_FORMATS
def test_a_repeated_element_becomes_an_element_of_its_own(legacy, protocol):
    """Fused kernels count from the first element on and would leave the storage."""
    expanded = torch.arange(3.0).expand(4, 3)
    found = read_torch_file(stored(expanded, legacy, protocol))
    assert torch.equal(found, expanded)
    assert found.is_contiguous() and found.untyped_storage().nbytes() == 48


def test_a_tensor_with_attributes_loses_them():
    tensor = torch.ones(2)
    tensor.note = 'of the author'
    parameter = torch.nn.Parameter(torch.ones(2))
    parameter.note = 'of the author'
    found = read_torch_file(stored([tensor, parameter]))
    assert [value.tolist() for value in found] == [[1, 1], [1, 1]]
    assert not any(hasattr(value, 'note') for value in found)


def test_parameters_as_torch_before_0_4_stored_them(tmp_path):
    """Of this kind are the first weights of torchvision's ResNet, on which some methods start."""
    rebuild = Calls(torch._utils._rebuild_tensor, StorageId(torch.FloatStorage, 2), 0, (2,), (1,))
    program = b'\x80\x02ctorch.nn.parameter\nParameter\n' + pickled(rebuild)[2:-1] + b'\x85\x81'
    program += pickled((False, False, OrderedDict()))[2:-1] + b'b.'
    content = np.float32([1.5, 2.5]).tobytes()
    found = read_torch_file(write_legacy(tmp_path / 'old.pth', program, {'0': (2, content)}))
    assert type(found) is torch.nn.Parameter and not found.requires_grad
    assert found.tolist() == [1.5, 2.5]


def test_a_dict_as_python_2_stored_it(tmp_path):
    program = b'\x80\x02ccollections\nOrderedDict\n](](U\x01aK\x01e](U\x01bK\x02ee\x85R.'
    found = read_torch_file(write_legacy(tmp_path / 'old.pth', program))
    assert found == OrderedDict(a=1, b=2) and type(found) is OrderedDict


@pytest.mark.parametrize('legacy', [False, True], ids=['zip', 'legacy'])
@pytest.mark.parametrize(
    'location',
    [
        None, 'meta', torch.device('meta'), {'cpu': 'meta'}, {'cuda:0': 'meta'},
        lambda storage, location: storage, lambda storage, location: None,
        lambda storage, location: storage.clone(),
    ],
    ids=['none', 'text', 'device', 'dict', 'other key', 'same', 'no answer', 'copy'],
)  # fmt: skip
def test_tensors_go_where_map_location_says(location, legacy):
    weight = torch.arange(4.0)
    loaded = read_torch_file(stored({'weight': weight, 'mask': weight > 1}, legacy), location)
    found = loaded['weight']
    moved = location == {'cpu': 'meta'} or str(location) == 'meta'
    assert found.device.type == ('meta' if moved else 'cpu')
    assert moved or torch.equal(found, weight)
    assert moved or torch.equal(loaded['mask'], weight > 1)


def fails(storage, location):
    raise LookupError('no such device')


@pytest.mark.parametrize('legacy', [False, True], ids=['zip', 'legacy'])
@pytest.mark.parametrize('location', ['nonsense', {'cpu': 'nonsense'}, fails])
def test_a_device_that_is_not_there_is_no_fault_of_the_file(location, legacy):
    with pytest.raises((RuntimeError, LookupError), match='nonsense|no such device'):
        read_torch_file(stored({'weight': torch.ones(1)}, legacy), location)


def test_a_file_is_read_from_where_it_stands(tmp_path):
    path = tmp_path / 'model.pth'
    path.write_bytes(stored({'weight': 1}).getvalue())
    with path.open('rb') as file:
        assert read_torch_file(file) == {'weight': 1}
    assert read_torch_file(str(path)) == read_torch_file(path) == {'weight': 1}


def test_other_objects_are_named(tmp_path):
    with pytest.raises(DataError, match='found collections.defaultdict. Only weights') as caught:
        read_torch_file(stored(defaultdict(int)))
    assert caught.value.file == 'open file'
    with pytest.raises(DataError, match='found torch.nn.modules.linear.Linear. Only weights'):
        read_torch_file(stored(torch.nn.Linear(1, 1)))


@pytest.mark.parametrize('legacy', [False, True], ids=['zip', 'legacy'])
def test_every_truncated_file_is_refused(legacy):
    whole = stored({'weight': torch.arange(100.0)}, legacy).getvalue()
    for length in range(0, len(whole), 7):
        with pytest.raises(DataError):
            read_torch_file(io.BytesIO(whole[:length]))


@pytest.mark.filterwarnings('ignore:ComplexHalf support')
@ALL_FORMATS
def test_half_complex_numbers_are_read_without_a_warning(tmp_path, legacy, protocol):
    """torch warns once in a process."""
    value = [torch.zeros(count, dtype=torch.complex32) for count in (3, 0)]
    (tmp_path / 'a.pth').write_bytes(stored(value, legacy, protocol).getvalue())
    code = 'import sys\nfrom mmssc.formats.torch_file import read_torch_file\n'
    code += 'print([one.dtype for one in read_torch_file(sys.argv[1])])'
    done = subprocess.run(
        [sys.executable, '-c', code, tmp_path / 'a.pth'], capture_output=True, text=True, check=True
    )
    assert done.stdout == '[torch.complex32, torch.complex32]\n'
    assert 'ComplexHalf' not in done.stderr
