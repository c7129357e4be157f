"""The values that a file of ``torch.save`` may hold: tensors, numpy's numbers, plain containers.

Each function checks its arguments and makes a new value. A file can choose numbers, shapes and
names, but never a function or an address.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .restricted_pickle import Constructor, check_key
from .unknown_objects import ForbiddenContentError

__all__ = ['PLAIN_TYPES', 'Storage', 'StorageKind', 'TensorBuilder', 'allowed_names']

# Types of the result besides containers. torch.Size is a tuple.
PLAIN_TYPES = (
    bool, int, float, complex, str, bytes, Tensor, np.ndarray, np.generic, np.dtype, torch.dtype,
    torch.device, torch.Size,
)  # fmt: skip

_STORAGE_DTYPES = {
    'DoubleStorage': torch.float64, 'FloatStorage': torch.float32, 'HalfStorage': torch.float16,
    'BFloat16Storage': torch.bfloat16, 'LongStorage': torch.int64, 'IntStorage': torch.int32,
    'ShortStorage': torch.int16, 'CharStorage': torch.int8, 'ByteStorage': torch.uint8,
    'BoolStorage': torch.bool, 'ComplexFloatStorage': torch.complex64,
    'ComplexDoubleStorage': torch.complex128,
}  # fmt: skip
# Types that have no storage class; which of them exist depends on the version of torch.
_FURTHER_DTYPES = (
    'uint16', 'uint32', 'uint64', 'complex32', 'float8_e4m3fn', 'float8_e5m2', 'float8_e4m3fnuz',
    'float8_e5m2fnuz', 'float8_e8m0fnu',
)  # fmt: skip
_DTYPES = frozenset(_STORAGE_DTYPES.values()) | {
    getattr(torch, name) for name in _FURTHER_DTYPES if hasattr(torch, name)
}
_MAX_AXES = 64
_MAX_EMPTY = 2**26  # Product of the other sizes where one is 0.
_MAX_VERSION_ENTRIES = 10  # There is one, 'version'.
# bool, the integers, the floats and the complex numbers; long doubles have invalid bit patterns.
_NUMPY_DTYPES = frozenset(np.dtype(code) for code in '?bhilqBHILQefdFD')
_WRONG_BOOLS = 'bool values other than 0 and 1'


@dataclass(frozen=True)
class StorageKind:
    """The class of a storage in the pickle: the type of its numbers; None: unknown."""

    dtype: torch.dtype | None

    @property
    def element_size(self) -> int:
        """Bytes of one element; 1 if the type is unknown."""
        return 1 if self.dtype is None else self.dtype.itemsize


@dataclass(frozen=True)
class Storage:
    """A block of the file's numbers.

    Args:
        content: (N,) uint8, on the device where the tensors go.
        kind: Type of the numbers.
    """

    content: Tensor
    kind: StorageKind


class TensorBuilder:
    """Makes tensors over storages, and refuses those that reach beyond their storage.

    Args:
        max_bytes: Limit of the total size of all tensors in bytes, as if none shared a storage.
            Without it a small file could stand for terabytes.
    """

    def __init__(self, max_bytes: int) -> None:
        self._bytes_left = max_bytes

    def from_typed(self, storage: Any, *layout: Any) -> Tensor:
        """``torch._utils._rebuild_tensor`` and ``_rebuild_tensor_v2``."""
        if not isinstance(storage, Storage) or storage.kind.dtype is None:
            raise ForbiddenContentError('a tensor without a storage of known dtype')
        return self._build(storage.content, storage.kind.dtype, *layout)

    def from_untyped(
        self,
        storage: Any,
        offset: Any,
        size: Any,
        stride: Any,
        requires_grad: Any,
        hooks: Any,
        dtype: Any,
        metadata: Any = None,
    ) -> Tensor:
        """``torch._utils._rebuild_tensor_v3``, for the types that have no storage class."""
        if not isinstance(storage, Storage) or not _is_known(dtype):
            raise ForbiddenContentError('a tensor without a storage, or of an unknown dtype')
        layout = (offset, size, stride, requires_grad, hooks, metadata)
        return self._build(storage.content, dtype, *layout)

    def parameter(self, data: Any, requires_grad: Any = True, *_: Any) -> torch.nn.Parameter:
        """A parameter; its hooks and further attributes are left out."""
        if not isinstance(data, Tensor):
            raise ForbiddenContentError('a parameter that is not made of a tensor')
        gradient = bool(requires_grad) and (data.is_floating_point() or data.is_complex())
        return torch.nn.Parameter(data.detach(), requires_grad=gradient)

    def with_attributes(self, function: Any, kind: Any, arguments: Any, *_: Any) -> Tensor:
        """``torch._tensor._rebuild_from_type_v2``: a tensor with attributes; they are left out."""
        if isinstance(function, Constructor) and type(arguments) is tuple:
            tensor = function.build(*arguments)
            if isinstance(tensor, Tensor):
                return tensor
        raise ForbiddenContentError('a tensor that is not made by a function of torch')

    def _build(
        self,
        content: Tensor,
        dtype: torch.dtype,
        offset: Any,
        size: Any,
        stride: Any,
        requires_grad: Any = False,
        hooks: Any = None,
        metadata: Any = None,
    ) -> Tensor:
        if hooks or metadata:
            raise ForbiddenContentError('a tensor with hooks or a pending conjugation')
        sizes, strides = _shape(size), _whole_numbers('stride', stride)
        (start,) = _whole_numbers('offset', (offset,))
        if len(sizes) != len(strides):
            raise ForbiddenContentError(f'a tensor of {len(sizes)} sizes, {len(strides)} strides')
        count = prod(sizes)
        if not count:  # Strides and offset do not matter.
            return _empty(sizes, dtype, content.device)
        last = start + sum((length - 1) * step for length, step in zip(sizes, strides))
        elements = content.numel() // dtype.itemsize
        if last >= elements:
            raise ForbiddenContentError(
                f'a tensor that needs {last + 1} elements of a storage of {elements}'
            )
        self._bytes_left -= count * dtype.itemsize
        if self._bytes_left < 0:
            raise ForbiddenContentError('tensors that are together much larger than the file')
        tensor = _empty((0,), dtype, content.device)
        tensor.set_(content.untyped_storage(), start, sizes, strides)
        if _overlaps(sizes, strides):
            # Fused kernels ignore strides. They would read beyond the storage.
            tensor = tensor.clone(memory_format=torch.contiguous_format)
        if dtype is torch.bool and not tensor.is_meta and tensor.view(torch.uint8).max() > 1:
            # Compiled code may take a bool of 255 for 255 elements, and write beyond its array.
            raise ForbiddenContentError(_WRONG_BOOLS)
        if requires_grad and (tensor.is_floating_point() or tensor.is_complex()):
            tensor.requires_grad_()
        return tensor


def _empty(sizes: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    if dtype is not torch.complex32:
        return torch.empty(sizes, dtype=dtype, device=device)
    with warnings.catch_warnings():
        # Few operations of torch know this type, but nobody computes with it here.
        warnings.filterwarnings('ignore', message='ComplexHalf support is experimental')
        return torch.empty(sizes, dtype=dtype, device=device)


def _is_known(dtype: Any) -> bool:
    return isinstance(dtype, torch.dtype) and dtype in _DTYPES


def _overlaps(sizes: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether a tensor may contain an element of its storage several times."""
    reach = 0
    for step, length in sorted(zip(strides, sizes)):
        if length > 1 and step <= reach:
            return True
        reach += (length - 1) * step
    return False


def _whole_numbers(name: str, values: Any) -> tuple[int, ...]:
    if not isinstance(values, (tuple, list)) or len(values) > _MAX_AXES:
        raise ForbiddenContentError(f'a tensor whose {name} is not a tuple, or a very long one')
    if not all(type(value) is int and 0 <= value < 2**62 for value in values):
        raise ForbiddenContentError(f'a tensor whose {name} is not made of integers from 0 on')
    return tuple(values)


def _shape(values: Any) -> tuple[int, ...]:
    """Sizes whose product fits into 62 bits.

    If one of them is 0, the others must be small, because code may loop over them.
    """
    sizes = _whole_numbers('size', values)
    limit = _MAX_EMPTY if 0 in sizes else 2**62
    if prod(size for size in sizes if size) >= limit:
        raise ForbiddenContentError('a tensor whose size is too large')
    return sizes


def _ordered_dict(pairs: Any = ()) -> OrderedDict[Any, Any]:
    """Python 2 stored the pairs as an argument; Python 3 fills the dict afterwards."""
    if type(pairs) not in (tuple, list) or not all(
        type(pair) in (tuple, list) and len(pair) == 2 for pair in pairs
    ):
        raise ForbiddenContentError('an OrderedDict that is not made of pairs')
    return OrderedDict((check_key(key), value) for key, value in pairs)


def _set_versions(target: Any, state: Any) -> None:
    """Keep the versions of a model's parts (``state_dict._metadata``), no other attribute."""
    versions = state.get('_metadata') if isinstance(state, dict) else None
    if versions is None:
        return
    if not isinstance(versions, dict) or not all(map(_is_version, versions.values())):
        raise ForbiddenContentError(
            'versions of the parts of a model that are not dicts of integers'
        )
    # A copy, because the pickle can still change the original.
    target._metadata = OrderedDict((key, dict(value)) for key, value in versions.items())


def _is_version(value: Any) -> bool:
    return (
        type(value) is dict
        and len(value) <= _MAX_VERSION_ENTRIES
        and all(item is None or type(item) is int for item in value.values())
    )


def _counter(counts: Any = None) -> Counter[Any]:
    """The milestones of ``MultiStepLR``; the keys were checked when the dict was filled."""
    counts = {} if counts is None else counts
    if type(counts) is not dict or not all(type(value) is int for value in counts.values()):
        raise ForbiddenContentError('a Counter with something else than whole numbers')
    return Counter(counts)


def _set(items: Any = ()) -> set[Any]:
    if type(items) not in (tuple, list):
        raise ForbiddenContentError('a set that is not made of a list')
    return {check_key(item) for item in items}


def _complex(real: Any, imaginary: Any) -> complex:
    if type(real) is not float or type(imaginary) is not float:
        raise ForbiddenContentError('a complex number that is not made of two floats')
    return complex(real, imaginary)


def _size(lengths: Any = ()) -> torch.Size:
    return torch.Size(_shape(lengths))


def _device(kind: Any, index: Any = None) -> torch.device:
    if type(kind) is not str or not (index is None or type(index) is int):
        raise ForbiddenContentError('a device that is not a name and a number')
    return torch.device(kind) if index is None else torch.device(kind, index)


def _no_bytes() -> bytes:
    """How protocol 2 stores empty bytes."""
    return b''


def _bytes_of_text(text: Any, encoding: Any) -> bytes:
    """How protocol 2 stores bytes."""
    if type(text) is not str or encoding != 'latin1':
        raise ForbiddenContentError('bytes that are not stored as latin1')
    return text.encode('latin1')


def _dtype(code: Any, *_: Any) -> np.dtype:
    """A number type of numpy. The objects are numpy's own, one for each type, never changed."""
    if type(code) is not str or not re.fullmatch(r'[A-Za-z?][1-9]?[0-9]?', code):
        raise ForbiddenContentError('a type of numpy that is not a short code')
    dtype = np.dtype(code)
    if dtype not in _NUMPY_DTYPES:
        raise ForbiddenContentError(f'numpy values of type {dtype}, which are not numbers')
    return dtype


def _check_dtype_state(dtype: np.dtype, state: Any) -> None:
    """The state of a number type says its byte order and nothing else."""
    native = ('|', '=', '<' if sys.byteorder == 'little' else '>')
    if type(state) is not tuple or len(state) < 2 or state[1] not in native:
        raise ForbiddenContentError('numbers of numpy in another byte order than this machine has')


def _check_dtype(dtype: Any) -> np.dtype:
    if not isinstance(dtype, np.dtype):  # One comes from _dtype, so it is a number type.
        raise ForbiddenContentError('an array or a number of numpy without a number type')
    return dtype


def _length(content: Any) -> Any:
    return len(content) if type(content) is bytes else 'no'


def _scalar(dtype: Any, content: Any) -> np.generic:
    dtype = _check_dtype(dtype)
    if type(content) is not bytes or len(content) != dtype.itemsize:
        raise ForbiddenContentError(f'{_length(content)} bytes for a number of type {dtype}')
    _check_numpy_bools(dtype, content)
    return np.frombuffer(content, dtype)[0]


def _check_numpy_bools(dtype: np.dtype, content: bytes) -> None:
    if dtype.kind == 'b' and content.strip(b'\0\1'):
        raise ForbiddenContentError(_WRONG_BOOLS)


def _new_array(kind: Any, *_: Any) -> np.ndarray:
    if kind is not _ARRAY:
        raise ForbiddenContentError('another class of numpy than its array')
    return np.zeros(0, np.uint8)


def _set_array(array: np.ndarray, state: Any) -> None:
    if type(state) is not tuple or len(state) != 5:
        raise ForbiddenContentError('an array of numpy without shape, type, order and content')
    _, shape, dtype, fortran, content = state
    sizes, dtype = _shape(shape), _check_dtype(dtype)
    count = prod(sizes)
    if type(content) is not bytes or len(content) != count * dtype.itemsize:
        raise ForbiddenContentError(
            f'{_length(content)} bytes for an array of {count} numbers of {dtype}'
        )
    _check_numpy_bools(dtype, content)
    # numpy's own method, on an array of ours and with a state that was checked.
    checked: Any = (1, sizes, dtype, bool(fortran), content)
    array.__setstate__(checked)


def _refuse_call(*_: Any) -> Any:
    raise ForbiddenContentError('an array or a tensor made by its class')


# Names that are passed to the functions above and not called.
_ARRAY, _TENSOR_CLASS = Constructor(_refuse_call), Constructor(_refuse_call)


@cache
def _constant_names() -> dict[str, Any]:
    """Names that do not depend on the file that is read."""
    names: dict[str, Any] = {str(dtype): dtype for dtype in _DTYPES}  # 'torch.float32'
    names.update({f'torch.{name}': StorageKind(dtype) for name, dtype in _STORAGE_DTYPES.items()})
    names.update(
        {
            'torch.storage.UntypedStorage': StorageKind(None),
            'torch.Tensor': _TENSOR_CLASS,
            'torch._tensor.Tensor': _TENSOR_CLASS,
            'torch.Size': Constructor(_size),
            'torch.device': Constructor(_device),
            'collections.OrderedDict': Constructor(_ordered_dict, _set_versions),
            'collections.Counter': Constructor(_counter),
            '_codecs.encode': Constructor(_bytes_of_text),
            'numpy.ndarray': _ARRAY,
            'numpy.dtype': Constructor(_dtype, _check_dtype_state),
        }
    )
    for builtins in ('builtins', '__builtin__'):
        names[f'{builtins}.bytes'] = Constructor(_no_bytes)
        names[f'{builtins}.set'] = Constructor(_set)
        names[f'{builtins}.complex'] = Constructor(_complex)
    for core in ('numpy.core', 'numpy._core'):  # numpy 1 and 2 write different names
        names[f'{core}.multiarray._reconstruct'] = Constructor(_new_array, _set_array)
        names[f'{core}.multiarray.scalar'] = Constructor(_scalar)
    return names


def allowed_names(tensors: TensorBuilder) -> dict[str, Any]:
    """``'module.name'`` in a pickle of ``torch.save`` -> what it stands for.

    Args:
        tensors: Makes the tensors of this file.
    """
    parameter = Constructor(tensors.parameter, _set_requires_grad)
    functions: dict[str, Callable[..., Any]] = {
        '_utils._rebuild_tensor': tensors.from_typed,
        '_utils._rebuild_tensor_v2': tensors.from_typed,
        '_utils._rebuild_tensor_v3': tensors.from_untyped,
        '_utils._rebuild_parameter': tensors.parameter,
        '_utils._rebuild_parameter_with_state': tensors.parameter,
        '_tensor._rebuild_from_type_v2': tensors.with_attributes,
    }
    names = {f'torch.{name}': Constructor(function) for name, function in functions.items()}
    return {**_constant_names(), **names, 'torch.nn.parameter.Parameter': parameter}


def _set_requires_grad(parameter: torch.nn.Parameter, state: Any) -> None:
    """The state that torch before 0.4 gave a parameter: (requires_grad, volatile, hooks)."""
    if type(state) is not tuple or len(state) != 3 or type(state[0]) is not bool:
        raise ForbiddenContentError('a state of a parameter that torch before 0.4 did not write')
    parameter.requires_grad_(state[0] and parameter.is_floating_point())
