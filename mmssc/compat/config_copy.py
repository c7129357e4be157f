"""The copy of the config that mmengine writes to the work folder, over any file of that name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmssc.errors import DataError
from mmssc.fileio import atomic_write
from mmssc.formats.regular_files import read_text

__all__ = ['own_configs_stay']

# The last line of a copy; a checksum of the lines above follows.
_MARK = '# A later run replaces this copy only if it is unchanged: '
# Every copy has them at its end: mmssc.engine.launch sets them.
_SET_BY_COMMANDS = ('launcher', 'load_from', 'resume', 'work_dir')


@contextmanager
def own_configs_stay() -> Iterator[None]:
    """Let a Runner that is built inside replace an earlier copy only, not a config of the user.

    With ``--work-dir`` in the folder of the config, mmengine would replace the config itself. A
    copy that the user has changed is a config of the user.
    """
    from mmengine.dist import is_main_process
    from mmengine.runner import Runner

    dump_config = Runner.dump_config

    def dump_without_loss(self: Any) -> None:
        config = self.cfg.filename
        copy = Path(self.work_dir, Path(config or '').name)
        if config and copy.exists() and (copy.samefile(config) or not _is_copy(copy)):
            self.logger.info(f'{copy} stays as it is; the config of this run is in its log')
            return
        dump_config(self)
        if config and is_main_process():
            _mark(copy)

    Runner.dump_config = dump_without_loss
    try:
        yield
    finally:
        Runner.dump_config = dump_config


def _checksum(text: str) -> str:
    return hashlib.sha256('\n'.join(text.splitlines()).encode()).hexdigest()


def _mark(copy: Path) -> None:
    if copy.suffix == '.json':  # JSON has no comments.
        return
    text = read_text(copy).rstrip('\n')
    with atomic_write(copy, 'w') as file:
        file.write(f'{text}\n{_MARK}{_checksum(text)}\n')


def _is_copy(path: Path) -> bool:
    """Whether a config is a copy that nobody has changed; JSON: whether it looks like a copy."""
    try:
        text = read_text(path)
    except DataError:
        return False
    if path.suffix == '.json':
        has_all = all(re.search(rf'\b{name}\b', text) for name in _SET_BY_COMMANDS)
        return has_all and not re.search(r'\b_base_\b', text)
    body, mark, checksum = text.rpartition(_MARK)
    return bool(mark) and checksum.strip() == _checksum(body)
