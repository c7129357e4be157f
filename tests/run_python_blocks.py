"""Run the blocks of Python of a page, in its order: ``python run_python_blocks.py PAGE``.

A block that begins with ``# NAME.py`` becomes this file in the current folder. A block with
``_base_`` is read as a config, and the small networks of the quick start are built. The others are
run, with the names of those before them. Blocks that say what they need are left out unless
``--all`` is given. Excerpts of files, which begin with ``# configs/``, are always left out.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from doc_pages import blocks
from mmengine.optim import build_optim_wrapper

from mmssc.apis import read_config
from mmssc.registry import MODELS


def read_block(text: str, name: str) -> None:
    """Read a block as a config, from a folder as deep as its relative bases ask for."""
    folder = Path('configs/page' if "'../" in text else '.')
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    cfg = read_config(path)
    if 'configs/quickstart/' in text:
        build_optim_wrapper(MODELS.build(cfg.model), cfg.optim_wrapper)


def main(page: Path, run_all: bool) -> None:
    """Run the blocks."""
    sys.path.insert(0, '')
    names: dict[str, object] = {}
    for block in blocks(page, 'python'):
        file = re.match(r'# (\w+\.py)\n', block.text)
        if block.text.startswith('# configs/') or (not block.runs and not run_all):
            continue
        if file:
            Path(file[1]).write_text(block.text)
        if '_base_' in block.text:
            read_block(block.text, file[1] if file else f'line_{block.line}.py')
        elif not file:
            exec(compile(block.text, block.name, 'exec'), names)


if __name__ == '__main__':
    main(Path(sys.argv[1]), '--all' in sys.argv)
