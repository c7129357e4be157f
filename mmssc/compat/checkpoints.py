"""Reading and writing checkpoints safely, whatever the version of torch.

* mmengine 0.10 calls ``torch.load`` with torch's default: before 2.6 a checkpoint may then run
  any code, and from 2.6 on mmengine cannot load its own checkpoints, which hold the log
  history (``HistoryBuffer``). Here every load is weights-only, and exactly what mmengine's
  checkpoints hold besides tensors is allowed.
* mmengine writes a checkpoint in place; a run that is killed meanwhile leaves half a file.
  Here it is written beside and renamed.
"""

from __future__ import annotations

import os
import pickle
import re
import zipfile
from collections import Counter
from functools import cache
from os import PathLike
from types import ModuleType
from typing import IO, Any
from urllib.error import URLError
from urllib.parse import urlparse

from ..errors import DataError
from ..fileio import atomic_write
from .import_hooks import after_import

__all__ = [
    'UnsafeCheckpointError', 'load_checkpoint_file', 'register_safe_checkpoint_globals',
    'secure_checkpoint_io',
]  # fmt: skip

# What the checkpoints of PyTorch Lightning, in which some authors publish, name besides weights: as
# keys of the callbacks' states, and as the container of the hyper-parameters.
_FOREIGN_CLASSES = (
    'pytorch_lightning.callbacks.early_stopping.EarlyStopping',
    'pytorch_lightning.callbacks.lr_monitor.LearningRateMonitor',
    'pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint',
    'pytorch_lightning.utilities.parsing.AttributeDict',
)
_NUMBER_CODES = '?bhilqBHILQefdFD'  # bool, the integers, the floats and the complex numbers


class UnsafeCheckpointError(DataError, pickle.UnpicklingError):
    """A checkpoint holds something that weights do not need, code perhaps; none of it was run."""


class _ForeignState(dict):
    """Stands in for a class of a package that is not needed; never the real one."""


def _log_statistic(owner: Any, name: Any) -> Any:
    """What ``getattr`` means in a checkpoint: a statistic of ``HistoryBuffer``, nothing else."""
    from mmengine.logging import HistoryBuffer

    if owner is HistoryBuffer and name in ('min', 'max', 'current', 'mean'):
        return getattr(HistoryBuffer, name)
    raise pickle.UnpicklingError(f'a checkpoint may not take the attribute {name!r} of {owner!r}')


@cache
def _safe_globals() -> dict[str, Any]:
    """Name in the pickle -> object, for all that mmengine stores besides tensors."""
    import numpy as np
    from mmengine.logging import HistoryBuffer

    dtypes = {type(np.dtype(code)) for code in _NUMBER_CODES}
    reconstruct = np.zeros(0).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    allowed: dict[str, Any] = {
        'mmengine.logging.history_buffer.HistoryBuffer': HistoryBuffer,
        'builtins.getattr': _log_statistic,
        '__builtin__.getattr': _log_statistic,
        # The milestones of MultiStepLR; torch allows it itself, but not before 2.2.
        'collections.Counter': Counter,
        'numpy.ndarray': np.ndarray,
        'numpy.dtype': np.dtype,
    }
    allowed.update({f'{dtype.__module__}.{dtype.__qualname__}': dtype for dtype in dtypes})
    allowed.update(dict.fromkeys(_FOREIGN_CLASSES, _ForeignState))
    for core in ('numpy.core', 'numpy._core'):  # numpy 1 and 2 write different names
        allowed[f'{core}.multiarray._reconstruct'] = reconstruct
        allowed[f'{core}.multiarray.scalar'] = scalar
    return allowed


def _native_weights_only() -> bool:
    """Whether torch can be told what to allow, by name (2.6 and later)."""
    import torch

    major, minor = torch.__version__.split('.')[:2]
    return (int(major), int(minor)) >= (2, 6)


def register_safe_checkpoint_globals() -> None:
    """Allow torch's weights-only loader what mmengine's checkpoints hold. Imports torch."""
    if _native_weights_only():
        from torch.serialization import add_safe_globals

        add_safe_globals([(value, name) for name, value in _safe_globals().items()])


@cache
def _restricted_pickle() -> ModuleType:
    """A pickle module that knows only the safe globals, for torch before 2.6.

    Those versions have a weights-only loader, but one that cannot be extended.
    """
    from torch import Tensor
    from torch._weights_only_unpickler import _get_allowed_globals

    # Protocol 2, which torch.save uses, stores bytes as text.
    allowed = {**_get_allowed_globals(), **_safe_globals(), '_codecs.encode': _bytes_of_text}
    stateful = (dict, Tensor, *(value for value in _safe_globals().values() if _is_class(value)))

    class Unpickler(pickle._Unpickler):  # type: ignore[name-defined]
        """The pure-Python unpickler, because its opcodes can be restricted."""

        dispatch = dict(pickle._Unpickler.dispatch)  # type: ignore[attr-defined]

        def find_class(self, module: str, name: str) -> Any:
            try:
                return allowed[f'{module}.{name}']
            except KeyError:
                raise pickle.UnpicklingError(
                    f'the checkpoint asks for {module}.{name}, which weights do not need'
                ) from None

        def load_build(self) -> None:
            owner = self.stack[-2]
            if not isinstance(owner, stateful):
                raise pickle.UnpicklingError(f'a checkpoint may not set the state of {owner!r}')
            super().load_build()

        dispatch[pickle.BUILD[0]] = load_build

    module = ModuleType('mmssc_restricted_pickle')
    module.Unpickler = Unpickler  # type: ignore[attr-defined]
    module.load = _loader_of(Unpickler)  # type: ignore[attr-defined]
    return module


def _loader_of(unpickler: Any) -> Any:
    """``pickle.load`` with an unpickler in Python, which trips over garbage in many ways."""

    def load(file: IO[bytes], **kwargs: Any) -> Any:
        try:
            return unpickler(file, **kwargs).load()
        except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
            raise pickle.UnpicklingError(f'the file is no intact pickle: {error!r}') from error

    return load


def _bytes_of_text(text: str, encoding: str) -> bytes:
    if encoding != 'latin1':
        raise pickle.UnpicklingError(f'bytes in a checkpoint are latin1, found {encoding!r}')
    return text.encode('latin1')


def _is_class(value: Any) -> bool:
    return isinstance(value, type)


def load_checkpoint_file(file: str | PathLike[str] | IO[bytes], map_location: Any = 'cpu') -> Any:
    """``torch.load`` that never runs code from the file.

    Args:
        file: Path or open binary file.
        map_location: As for ``torch.load``.

    Raises:
        UnsafeCheckpointError: The file holds something that weights do not need.
        DataError: The file is damaged, e.g. truncated.
    """
    import torch

    if _native_weights_only():
        register_safe_checkpoint_globals()
        options: dict[str, Any] = dict(weights_only=True)
    else:
        options = dict(weights_only=False, pickle_module=_restricted_pickle())
    try:
        return torch.load(file, map_location=map_location, **options)
    except pickle.UnpicklingError as error:
        # torch's own text advises to switch the protection off.
        text = re.sub(r'(?s)^Weights only load failed.*?WeightsUnpickler error:\s*', '', str(error))
        name = re.search(r'GLOBAL (\S+)', text)
        found = name.group(1) if name else text.split('\n')[0]
        hint = 'Only weights and plain values are read; mmssc never runs code from a checkpoint'
        raise UnsafeCheckpointError(str(file), None, 'weights', found, hint) from error
    except (RuntimeError, EOFError, zipfile.BadZipFile) as error:
        # The first sentence: torch goes on about possible causes.
        found = str(error).split('. ')[0].split('\n')[0] or type(error).__name__
        raise DataError(str(file), None, 'a whole file of torch.save', found) from error


def _load_url(
    url: str, model_dir: str | None = None, map_location: Any = None, progress: bool = True
) -> Any:
    """As ``torch.hub.load_state_dict_from_url``, but weights only.

    Raises:
        DataError: The address cannot be reached, or what came from there is damaged.
    """
    import torch

    folder = model_dir or os.path.join(torch.hub.get_dir(), 'checkpoints')
    os.makedirs(folder, exist_ok=True)
    cached = os.path.join(folder, os.path.basename(urlparse(url).path))
    if not os.path.exists(cached):
        try:
            torch.hub.download_url_to_file(url, cached, progress=progress)
        except URLError as error:
            hint = (
                f'Download it elsewhere and put it into {folder}, or name the file in the config '
                'in place of the address'
            )
            raise DataError(url, None, 'a download', error.reason, hint) from error
    return load_checkpoint_file(cached, map_location)


class _SafeTorch:
    """torch as mmengine's checkpoint module sees it: ``load`` is weights-only."""

    @staticmethod
    def load(file: Any, map_location: Any = None) -> Any:
        return load_checkpoint_file(file, map_location)

    def __getattr__(self, name: str) -> Any:
        import torch

        return getattr(torch, name)


def _secure_loading(checkpoint_module: ModuleType) -> None:
    # Every loader of the module (local, http, s3, model zoo) goes through these two names.
    checkpoint_module.torch = _SafeTorch()  # type: ignore[attr-defined]
    checkpoint_module.load_url = _load_url  # type: ignore[attr-defined]
    register_safe_checkpoint_globals()


def _make_writing_atomic(local_backend_module: ModuleType) -> None:
    def put(self: Any, obj: bytes | memoryview, filepath: str | PathLike[str]) -> None:
        with atomic_write(filepath) as file:
            file.write(obj)

    local_backend_module.LocalBackend.put = put


def secure_checkpoint_io() -> None:
    """Make mmengine's checkpoint reading safe and its writing atomic, once it is imported."""
    after_import('mmengine.runner.checkpoint', _secure_loading)
    after_import('mmengine.fileio.backends.local_backend', _make_writing_atomic)
