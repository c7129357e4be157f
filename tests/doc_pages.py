"""The pages of the documentation, their blocks of code, and the commands in them."""

from __future__ import annotations

import re
import subprocess
import textwrap
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path
    for pattern in (
        '*.md', 'docs/**/*.md', 'configs/**/*.md', 'projects/**/*.md', 'checkpoints/*.md',
    )
    for path in ROOT.glob(pattern)
)  # fmt: skip
FENCE = re.compile(r'^[ \t]*```(\w*)\n(.*?)^[ \t]*```', re.MULTILINE | re.DOTALL)
#: First line of a block that no test runs: it says what is missing on a bare machine.
NEEDS = re.compile(r'# needs: \w')
# Every program on the pages prints its arguments: items end with 0x1f, commands with 0x1e.
PROGRAMS = (
    'bash', 'cd', 'docker', 'git', 'jupyter', 'lint-imports', 'ln', 'mim', 'mkdir', 'mmssc', 'pip',
    'pre-commit', 'python', 'ruff', 'source', 'srun', 'tensorboard', 'torchrun',
)  # fmt: skip
PRINT = ''.join(
    f"{name}() {{ printf '%s\\x1f' {name} \"$@\"; printf '\\x1e'; }}\n" for name in PROGRAMS
)


class Block(NamedTuple):
    """A block of code of a page."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        """Page and line, for names of tests."""
        return f'{page_id(self.page)}:{self.line}'

    @property
    def runs(self) -> bool:
        """Whether it needs nothing that a bare machine lacks."""
        return not NEEDS.match(self.text)


def page_id(path: Path) -> str:
    """Path of a page in the repository."""
    return path.relative_to(ROOT).as_posix() if ROOT in path.parents else path.name


def blocks(page: Path, language: str) -> list[Block]:
    """The blocks of a page in one language."""
    text = page.read_text('utf-8')
    return [
        Block(page, text.count('\n', 0, found.start()) + 1, language, textwrap.dedent(found[2]))
        for found in FENCE.finditer(text)
        if found[1] == language
    ]


def commands(block: Block) -> list[list[str]]:
    """The commands of a block of bash as the shell splits them; nothing is run.

    Raises:
        AssertionError: Bash does not understand the block, or a program is not in ``PROGRAMS``.
    """
    done = subprocess.run(
        ['bash', '--norc', '-euc', f'PATH=/nowhere\n{PRINT}\n{block.text}'],
        capture_output=True, text=True, timeout=20, check=False,
        env={'PWD': '/nowhere', 'PYTHONPATH': ''},
    )  # fmt: skip
    assert done.returncode == 0 and not done.stderr, f'{block.name}: {done.stderr}'
    lines = done.stdout.split('\x1e')[:-1]
    return [line.split('\x1f')[:-1] for line in lines]
