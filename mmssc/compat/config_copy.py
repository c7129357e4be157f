"""The copy of the config that mmengine writes to the work folder, over any file of that name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmssc.errors import DataError
from mmssc.formats.regular_files import read_text

__all__ = ['own_configs_stay']

# Every copy has them at its end: mmssc.engine.launch sets them.
_SET_BY_COMMANDS = ('launcher', 'load_from', 'resume', 'work_dir')


@contextmanager
def own_configs_stay() -> Iterator[None]:
    """Let a Runner that is built inside replace an earlier copy only, not a config of the user.

    With ``--work-dir`` in the folder of the config, mmengine would replace the config itself.
    """
    from mmengine.runner import Runner

    dump_config = Runner.dump_config

    def dump_without_loss(self: Any) -> None:
        config = self.cfg.filename
        copy = Path(self.work_dir, Path(config or '').name)
        if config and copy.exists() and (copy.samefile(config) or not _is_copy(copy)):
            self.logger.info(f'{copy} stays as it is; the config of this run is in its log')
        else:
            dump_config(self)

    Runner.dump_config = dump_without_loss
    try:
        yield
    finally:
        Runner.dump_config = dump_config


def _is_copy(path: Path) -> bool:
    """Whether a config looks as mmengine writes it: resolved, without a comment."""
    try:
        text = read_text(path)
    except DataError:
        return False
    has_all = all(re.search(rf'\b{name}\b', text) for name in _SET_BY_COMMANDS)
    return has_all and not re.search(r'^\s*#|\b_base_\b', text, re.MULTILINE)
