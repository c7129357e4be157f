"""Read and write checkpoints safely with every version of torch.

* mmengine 0.10 calls ``torch.load`` with torch's default: before 2.6 a checkpoint may then run
  any code, and from 2.6 on mmengine cannot load its own checkpoints, which hold the log
  history (``HistoryBuffer``). Here ``mmssc.formats.torch_file`` reads them, and allows exactly
  what mmengine's checkpoints hold besides tensors. Nothing is allowed process-wide: another
  ``torch.load`` in the user's program stays as strict as it is.
* When mmengine resumes, it runs ``meta['config']`` as Python, a text that mmcv wrote. Here it is
  removed.
* mmengine writes a checkpoint in place; a run that is killed meanwhile leaves half a file. Here a
  temporary file is written and renamed.
"""

from __future__ import annotations

import logging
import os
import sys
from functools import cache, partial
from os import PathLike
from types import ModuleType
from typing import IO, Any
from urllib.error import URLError
from urllib.parse import urlparse

from ..errors import DataError
from ..fileio import atomic_write
from ..formats.restricted_pickle import Constructor, ForeignClass
from ..formats.unknown_objects import ForbiddenContentError, leave_out_unknown
from .import_hooks import after_import

__all__ = ['WEIGHTS', 'load_checkpoint_file', 'read_checkpoint', 'secure_checkpoint_io']

#: The entries of a checkpoint that can hold its weights: of mmcv, mmengine and Lightning; of
#: CleanerS and AMMNet.
WEIGHTS = ('state_dict', 'model')

# Classes in the authors' checkpoints besides weights: the options of their command, and, from
# PyTorch Lightning, keys of callback states and the container of hyper-parameters.
_FOREIGN_CLASSES = (
    'argparse.Namespace',
    'pytorch_lightning.callbacks.early_stopping.EarlyStopping',
    'pytorch_lightning.callbacks.lr_monitor.LearningRateMonitor',
    'pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint',
    'pytorch_lightning.utilities.parsing.AttributeDict',
)
# Names of skipped entries in the message.
_SHOWN_ENTRIES = 5
_HISTORY = 'mmengine.logging.history_buffer.HistoryBuffer'
# Methods that mmengine stores by name: statistics of the log, the curve of OneCycleLR.
_STORED_ATTRIBUTES = {
    _HISTORY: ('min', 'max', 'current', 'mean'),
    'mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler': (
        '_annealing_cos', '_annealing_linear',
    ),
}  # fmt: skip


def _stored_attribute(owner: Any, name: Any) -> str:
    """Replace ``getattr`` in a checkpoint: return the name of one of the attributes above."""
    for full_name, attributes in _STORED_ATTRIBUTES.items():
        if owner is _checkpoint_names()[full_name] and type(name) is str:
            if name in attributes:
                return name
            raise ForbiddenContentError(f'the attribute {name}')
    raise ForbiddenContentError('an attribute of something other than a log history or schedule')


def _new_history() -> Any:
    from mmengine.logging import HistoryBuffer

    return HistoryBuffer()


def _set_history(history: Any, state: Any) -> None:
    """Set numbers, counts and maximum length; mmengine adds the statistics."""
    import numpy as np

    state = state if type(state) is dict else {}
    names = ('_log_history', '_count_history')
    columns = [state.get(name) for name in names]
    if (
        type(state.get('max_length')) is not int
        or state['max_length'] < 1
        or any(type(column) is not np.ndarray or column.ndim != 1 for column in columns)
        # An array whose content the pickle has not set yet is uint8 (kind 'u'), and is refused.
        or any(column.dtype.kind not in 'if' for column in columns)
        or len(columns[0]) != len(columns[1])
    ):
        raise ForbiddenContentError('a log history that is not two rows of numbers of one length')
    history.__setstate__(dict(zip(names, columns), max_length=state['max_length']))


def _size_of_history(history: Any) -> int:
    """Bytes of a log history, at least those of two empty arrays."""
    return 1000 + sum(getattr(column, 'nbytes', 0) for column in history.data)


@cache
def _checkpoint_names() -> dict[str, Any]:
    """Name in the pickle -> meaning, for what mmengine stores besides tensors."""
    names: dict[str, Any] = {name: ForeignClass(name) for name in _FOREIGN_CLASSES}
    for name, attributes in _STORED_ATTRIBUTES.items():
        names[name] = ForeignClass(name)
        # Protocol 4 names them directly.
        names.update({f'{name}.{attribute}': attribute for attribute in attributes})
    names[_HISTORY] = Constructor(_new_history, _set_history)
    for builtins in ('builtins', '__builtin__'):
        names[f'{builtins}.getattr'] = Constructor(_stored_attribute)
    return names


def load_checkpoint_file(file: str | PathLike[str] | IO[bytes], map_location: Any = 'cpu') -> Any:
    """Read what ``torch.save`` wrote, without ``torch.load``. It never runs code from the file.

    If the file holds weights in an entry of their own (:data:`WEIGHTS`), other entries with objects
    of unknown classes, such as the ``hyper_parameters`` of Lightning, are left out; a warning
    names them.

    Args:
        file: Path of a regular file, or open binary file.
        map_location: As for ``torch.load``; None is the CPU.

    Raises:
        UnsafeCheckpointError: The file holds something that weights do not need.
        DataError: The file is missing, not of ``torch.save``, or damaged, e.g. truncated.
    """
    from mmengine.logging import HistoryBuffer

    from ..formats.torch_file import read_torch_file

    sizes = {HistoryBuffer: _size_of_history}
    leave_out = partial(_leave_out_unknown, _name_of(file))
    return read_torch_file(file, map_location, _checkpoint_names(), sizes, leave_out)


def _name_of(file: str | PathLike[str] | IO[bytes]) -> str:
    return str(file) if isinstance(file, (str, PathLike)) else 'open file'


def _leave_out_unknown(name: str, content: Any) -> None:
    """Leave out the entries beside the weights that hold unknown objects, and name them."""
    from mmengine.logging import print_log

    skipped = leave_out_unknown(content, WEIGHTS)
    if skipped:
        shown = [f'{key} ({found})'[:120] for key, found in [*skipped.items()][:_SHOWN_ENTRIES]]
        more = f' and {len(skipped) - len(shown)} more' if len(skipped) > len(shown) else ''
        text = f'{name}: the weights are read, these entries are skipped: {", ".join(shown)}{more}'
        text = ''.join(one if one.isprintable() else '?' for one in text)
        print_log(text, 'current', logging.WARNING)


def read_checkpoint(
    file: str | PathLike[str] | IO[bytes], map_location: Any = 'cpu'
) -> dict[str, Any]:
    """Read a file that must be a checkpoint or a state dict, see :func:`load_checkpoint_file`.

    Returns:
        A dict with strings as keys. If present, ``state_dict`` is such a dict, too, and ``meta``
        and ``meta['dataset_meta']`` are dicts.

    Raises:
        DataError: As :func:`load_checkpoint_file`, or the file holds something else.
    """
    content = load_checkpoint_file(file, map_location)
    name = _name_of(file)
    parts = {'content': content}
    for key in ('state_dict', 'meta', 'dataset_meta'):
        owner = parts.get('meta') if key == 'dataset_meta' else content
        if isinstance(owner, dict) and owner.get(key) is not None:
            parts[key] = owner[key]
    for key, part in parts.items():
        if not isinstance(part, dict):
            found = f'a value of type {type(part).__name__}'
            raise DataError(name, key, 'a dict, as in a checkpoint', found)
        others = [entry for entry in part if not isinstance(entry, str)]
        if others and key != 'dataset_meta':
            raise DataError(name, key, 'text as keys', repr(others[0]))
    return content


def _load_url(
    url: str, model_dir: str | None = None, map_location: Any = None, progress: bool = True
) -> Any:
    """As ``torch.hub.load_state_dict_from_url``, but weights only.

    Raises:
        DataError: The URL cannot be reached, or the download is damaged.
    """
    import torch

    folder = model_dir or os.path.join(torch.hub.get_dir(), 'checkpoints')
    os.makedirs(folder, exist_ok=True)
    cached = os.path.join(folder, os.path.basename(urlparse(url).path))
    if not os.path.exists(cached):
        try:
            # In a log file, every step of the bar would be a line.
            progress = progress and sys.stderr is not None and sys.stderr.isatty()
            torch.hub.download_url_to_file(url, cached, progress=progress)
        except URLError as error:
            hint = (
                f'Download it on another machine and put it into {folder}, or replace the URL in '
                'the config by the path of the file'
            )
            raise DataError(url, None, 'a download', error.reason, hint) from error
    return _read_for_mmengine(cached, map_location)


def _read_for_mmengine(file: Any, map_location: Any = None) -> dict[str, Any]:
    """Read a checkpoint without the text that ``Runner.resume`` would run as Python."""
    content = read_checkpoint(file, map_location)
    if content.get('meta'):
        content['meta'].pop('config', None)
    return content


class _SafeTorch:
    """torch as mmengine's checkpoint module sees it: ``load`` reads weights and plain values."""

    @staticmethod
    def load(file: Any, map_location: Any = None) -> Any:
        return _read_for_mmengine(file, map_location)

    def __getattr__(self, name: str) -> Any:
        import torch

        return getattr(torch, name)


def _print_to_log(message: Any, logger: Any = None, level: int = logging.INFO) -> None:
    """As ``print_log``; without a logger it would print, past the log file of the run."""
    from mmengine.logging import MMLogger, print_log

    print_log(message, logger or ('current' if MMLogger._instance_dict else None), level)


def _secure_loading(checkpoint_module: ModuleType) -> None:
    checkpoint_module.print_log = _print_to_log  # type: ignore[attr-defined]
    # Every loader of the module (local, http, s3, model zoo) goes through these two names.
    checkpoint_module.torch = _SafeTorch()  # type: ignore[attr-defined]
    checkpoint_module.load_url = _load_url  # type: ignore[attr-defined]


def _make_writing_atomic(local_backend_module: ModuleType) -> None:
    def put(self: Any, obj: bytes | memoryview, filepath: str | PathLike[str]) -> None:
        with atomic_write(filepath) as file:
            file.write(obj)

    local_backend_module.LocalBackend.put = put


def secure_checkpoint_io() -> None:
    """Make mmengine's checkpoint reading safe and its writing atomic, once it is imported."""
    after_import('mmengine.runner.checkpoint', _secure_loading)
    after_import('mmengine.fileio.backends.local_backend', _make_writing_atomic)
